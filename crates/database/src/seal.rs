//! A seal beside redb's header. The header says which of its two commits is the newest: a
//! flipped bit there would bring back the one before, and so would a page of the newest
//! commit that does not verify, since after a crash redb takes it for a commit that never
//! reached the disk whole.
//!
//! redb's header is the first 320 bytes of the file, the rest of its page is unused:
//!
//! ```text
//!   0  redb's header
//! 320  SHA-256 of it: the seal, written with it, in the same sector of the disk
//! 512  the seal again, written when a sync has made a header durable that leads to a
//!      verified file
//! ```
//! So a header whose seal is wrong is damaged; and a header whose seal stands there twice
//! was durable with all it leads to, so that what does not verify is damaged too, and never
//! the commit before. Of a commit in flight when the power went, it stands there once.

use sha2::{Digest as _, Sha256};

/// redb's header: file format 3.
pub(crate) const HEADER: usize = 320;
const SEAL: usize = 32;
/// Header and seal.
pub(crate) const SEALED: usize = HEADER + SEAL;
/// Where the seal is repeated: in another sector.
pub(crate) const REPEATED: usize = 512;
/// What is read to judge a header.
pub(crate) const FRONT: usize = REPEATED + SEAL;

pub(crate) type Seal = [u8; SEAL];

/// What the front of a file says of its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Written by redb alone, or being made.
    Unsealed,
    /// As written; whether it is durable must be found out.
    Sealed,
    /// As written, and durable.
    Durable,
    /// Not as written.
    Damaged,
}

pub(crate) fn seal(header: &[u8]) -> Seal {
    Sha256::digest(header).into()
}

pub(crate) fn judge(front: &[u8; FRONT]) -> Verdict {
    let found = &front[HEADER..SEALED];
    if found == [0; SEAL] {
        Verdict::Unsealed
    } else if found != seal(&front[..HEADER]) {
        Verdict::Damaged
    } else if found == &front[REPEATED..] {
        Verdict::Durable
    } else {
        Verdict::Sealed
    }
}

/// Tells redb, in the header that it is given to read, that its newest commit was durable
/// before it was called so: redb's own mark of a commit in two phases.
pub(crate) fn mark_durable(header: &mut [u8]) {
    if let Some(flags) = header.get_mut(FLAGS) {
        *flags |= TWO_PHASES;
    }
}

/// redb's "god byte", and the bit in it that says that the primary commit was synced before
/// it became the primary.
const FLAGS: usize = 9;
const TWO_PHASES: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_header_and_seal_counts() {
        let mut front = [0; FRONT];
        assert_eq!(judge(&front), Verdict::Unsealed);
        for (at, byte) in front[..HEADER].iter_mut().enumerate() {
            *byte = at as u8;
        }
        let sealed = seal(&front[..HEADER]);
        front[HEADER..SEALED].copy_from_slice(&sealed);
        assert_eq!(judge(&front), Verdict::Sealed);
        front[REPEATED..].copy_from_slice(&sealed);
        assert_eq!(judge(&front), Verdict::Durable);
        for at in 0..FRONT {
            for bit in 0..8 {
                front[at] ^= 1 << bit;
                let verdict = match at {
                    0..SEALED => Verdict::Damaged,
                    SEALED..REPEATED => Verdict::Durable,
                    _ => Verdict::Sealed,
                };
                assert_eq!(judge(&front), verdict, "{at}");
                front[at] ^= 1 << bit;
            }
        }
    }
}
