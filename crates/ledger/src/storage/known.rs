//! Which digests surely have no number. Most that are looked up are new: an operation may
//! not be a duplicate, an entry may not be there yet; in a large table each of these
//! questions would read a page of its own.
//!
//! A blocked Bloom filter (Bloom 1970; Putze, Sanders, Singler 2007), in memory, filled
//! when the tables are opened: ten bits for each digest, one cache line for each question,
//! about one wrong "maybe" in a hundred. A wrong "maybe" costs the look that it failed to
//! spare. Digests are never taken out, so it serves readers at any block.

use std::sync::{PoisonError, RwLock};

/// Digests in the first layer, 320 KiB; each further one has twice as many.
const FIRST: usize = 1 << 18;
/// Bits for each digest, and how many are set.
const BITS: usize = 10;
const PROBES: u32 = 7;

/// A line of the filter: 512 bits.
type Line = [u64; 8];

/// The digests that may have a number.
pub(super) struct Known(RwLock<Vec<Layer>>);

struct Layer {
    lines: Vec<Line>,
    /// Digests that still fit.
    room: usize,
}

impl Known {
    /// Room for `expected` digests and as many again.
    pub(super) fn new(expected: usize) -> Self {
        Self(RwLock::new(vec![Layer::new(FIRST.max(2 * expected))]))
    }

    /// Adds digests, before anybody can look for them.
    pub(super) fn add<'d>(&self, digests: impl Iterator<Item = &'d [u8; 32]>) {
        let mut layers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for digest in digests {
            if layers.last().is_none_or(|last| last.room == 0) {
                let size = FIRST << layers.len();
                layers.push(Layer::new(size));
            }
            if let Some(last) = layers.last_mut() {
                last.add(digest);
            }
        }
    }

    /// `false`: the digest was never added.
    pub(super) fn may_have(&self, digest: &[u8; 32]) -> bool {
        let layers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        layers.iter().any(|layer| layer.may_have(digest))
    }
}

impl Layer {
    fn new(size: usize) -> Self {
        Self {
            lines: vec![Line::default(); (size * BITS).div_ceil(512)],
            room: size,
        }
    }

    fn add(&mut self, digest: &[u8; 32]) {
        let (line, mask) = place(digest, self.lines.len());
        for (word, mask) in self.lines[line].iter_mut().zip(mask) {
            *word |= mask;
        }
        self.room = self.room.saturating_sub(1);
    }

    fn may_have(&self, digest: &[u8; 32]) -> bool {
        let (line, mask) = place(digest, self.lines.len());
        let mut words = self.lines[line].iter().zip(mask);
        words.all(|(word, mask)| word & mask == mask)
    }
}

/// The line of a digest and its bits there. A digest is random already: its parts are
/// hashes of it, independent of each other.
fn place(digest: &[u8; 32], lines: usize) -> (usize, Line) {
    let part = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let line = (u128::from(part(8)) * lines as u128) >> 64; // below `lines`
    let mut mask = Line::default();
    let bits = part(16);
    for probe in 0..PROBES {
        let bit = bits >> (9 * probe) & 511;
        mask[(bit >> 6) as usize] |= 1 << (bit & 63);
    }
    (line as usize, mask)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base::Digest;

    fn digest(number: u64) -> [u8; 32] {
        Digest::of(&number.to_be_bytes()).0
    }

    #[test]
    fn what_was_added_is_never_denied_and_little_else_is_not() {
        let known = Known::new(0);
        let count = (FIRST * 3) as u64; // two full layers
        let digests: Vec<_> = (0..count).map(digest).collect();
        known.add(digests.iter());
        assert_eq!(known.0.read().unwrap().len(), 2);
        assert!(digests.iter().all(|digest| known.may_have(digest)));
        let wrong = (count..count + 100_000).filter(|at| known.may_have(&digest(*at)));
        let wrong = wrong.count();
        assert!(wrong < 4_000, "{wrong} of 100,000");
    }

    #[test]
    fn one_layer_after_a_start() {
        let known = Known::new(FIRST);
        let digests: Vec<_> = (0..2 * FIRST as u64).map(digest).collect();
        known.add(digests.iter());
        assert_eq!(known.0.read().unwrap().len(), 1);
        assert!(!known.may_have(&[7; 32]));
    }
}
