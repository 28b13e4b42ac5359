//! Hashes of the tree. RFC 9162 section 2.1.1.

use base::Digest;
use sha2::{Digest as _, Sha256};

/// Root of the tree without leaves: SHA2-256 of the empty string.
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// SHA2-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest(
        Sha256::new()
            .chain_update([0])
            .chain_update(entry)
            .finalize()
            .into(),
    )
}

/// SHA2-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}
