//! What a block is called inside: codec and digest. Both forms of a CID have one key.

use crate::block;
use base::cid::{self, Cid};

/// Bytes of a key.
pub(super) const KEY: usize = 33;

/// One byte of codec, 32 of SHA2-256. The codecs that are kept here are below 128.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Key(pub(super) [u8; KEY]);

impl Key {
    /// Before every key, and after every key.
    pub(super) const FIRST: Self = Self([0; KEY]);
    pub(super) const LAST: Self = Self([0xff; KEY]);

    /// The key of a CID, or `None` for one of a kind that is not kept.
    pub(super) fn of(cid: &Cid) -> Option<Self> {
        let digest = block::digest(cid)?;
        let mut key = [0; KEY];
        key[0] = cid.codec() as u8; // `digest` admits three codecs, all below 128
        key[1..].copy_from_slice(&digest);
        Some(Self(key))
    }

    /// The CID, version 1.
    pub(super) fn cid(&self) -> Cid {
        let mut digest = [0; 32];
        digest.copy_from_slice(&self.0[1..]);
        cid::of_digest(self.0[0].into(), digest)
    }

    /// Whether a block of this name can link to others.
    pub(super) const fn links(&self) -> bool {
        self.0[0] as u64 != cid::RAW
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_cid_of_either_form() {
        for codec in [cid::RAW, cid::DAG_PB, cid::DAG_CBOR] {
            let cid = cid::of_block(codec, b"bytes");
            let key = Key::of(&cid).unwrap();
            assert_eq!(key.cid(), cid);
            assert_eq!(key.links(), codec != cid::RAW);
            assert!(Key::FIRST < key && key < Key::LAST);
        }
        let pb = cid::of_block(cid::DAG_PB, b"bytes");
        let old = Cid::new_v0(*pb.hash()).unwrap();
        assert_eq!(Key::of(&old), Key::of(&pb));
        assert_eq!(Key::of(&Cid::try_from("bafkqaaa").unwrap()), None);
    }
}
