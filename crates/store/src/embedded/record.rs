//! How blocks lie in a pack.
//!
//! ```text
//! pack   = "medshare-pack 2\n" record*
//! record = "blok" ‖ length: u32 LE ‖ codec: u8 ‖ SHA2-256: 32 bytes ‖ 7 zeros ‖ bytes ‖ zeros
//! ```
//! A record begins at a multiple of eight. The index says which records are alive; the
//! heads are there so that the blocks can be found if the index is lost. What is dead is
//! zeros, or what a failed write left.

use super::key::{KEY, Key};
use crate::MAX_BLOCK;

/// How a pack begins.
pub(super) const PACK_HEAD: &[u8; 16] = b"medshare-pack 2\n";
/// Bytes in front of a block.
pub(super) const HEAD: usize = 48;
const MAGIC: &[u8; 4] = b"blok";

/// Where a block's bytes lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The pack's number.
    pub(super) pack: u64,
    /// Of the block's first byte; its head is right before it.
    pub(super) offset: u64,
    /// Bytes of the block, at most [`MAX_BLOCK`].
    pub(super) length: u32,
}

impl Place {
    /// Where the record begins.
    pub(super) const fn start(&self) -> u64 {
        self.offset.saturating_sub(HEAD as u64)
    }

    /// Bytes of the record.
    pub(super) const fn size(&self) -> u64 {
        size(self.length)
    }

    /// Where the record ends.
    pub(super) const fn end(&self) -> u64 {
        self.start().saturating_add(self.size())
    }
}

/// Bytes of the record of a block of this length.
pub(super) const fn size(length: u32) -> u64 {
    (HEAD as u64 + length as u64).next_multiple_of(8)
}

/// What stands in front of a block.
pub(super) fn head(key: &Key, length: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(MAGIC);
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head[8..8 + KEY].copy_from_slice(&key.0);
    head
}

/// The zeros behind a block of this length.
pub(super) fn padding(length: u32) -> &'static [u8] {
    let rest = size(length) - HEAD as u64 - u64::from(length); // at most seven
    &[0; 8][..rest as usize]
}

/// Reads what stands in front of a block, if that is what the bytes are.
pub(super) fn parse(head: &[u8; HEAD]) -> Option<(Key, u32)> {
    let mut key = Key::FIRST;
    key.0.copy_from_slice(&head[8..8 + KEY]);
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let fits = length as usize <= MAX_BLOCK && *head == self::head(&key, length);
    fits.then_some((key, length))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base::cid;

    #[test]
    fn heads_have_one_spelling() {
        let key = Key::of(&cid::of_block(cid::RAW, b"x")).unwrap();
        for length in [0, 1, 7, 8, 9, MAX_BLOCK as u32] {
            let head = head(&key, length);
            assert_eq!(parse(&head), Some((key, length)));
            assert_eq!(
                (HEAD + padding(length).len()) as u64 + u64::from(length),
                size(length)
            );
            for at in (0..HEAD).filter(|at| !(4..8 + KEY).contains(at)) {
                let mut other = head;
                other[at] ^= 1;
                assert_eq!(parse(&other), None, "{at}");
            }
        }
        assert_eq!(parse(&head(&key, MAX_BLOCK as u32 + 1)), None);
        assert_eq!(parse(&[0; HEAD]), None);
    }
}
