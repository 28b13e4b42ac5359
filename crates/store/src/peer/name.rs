//! A block's name without the forms that a CID can have: codec and SHA2-256.

use super::message::Block;
use crate::block;
use base::cid::{self, Cid};
use bytes::Bytes;
use ipld_core::cid::Version;
use sha2::{Digest as _, Sha256};

/// What a block is called; small, because a fetch holds many.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Name {
    /// Raw, dag-pb or dag-cbor: all below 256.
    codec: u8,
    digest: [u8; 32],
}

impl Name {
    /// The name in a CID, or `None` for one of a kind that is not kept here.
    pub(super) fn of(cid: &Cid) -> Option<Self> {
        let digest = block::digest(cid)?;
        let codec = u8::try_from(cid.codec()).ok()?;
        Some(Self { codec, digest })
    }

    /// The name that `bytes` have as a block of this codec.
    pub(super) fn of_block(codec: u8, bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes).into();
        Self { codec, digest }
    }

    /// The CID, version 1.
    pub(super) fn cid(&self) -> Cid {
        cid::of_digest(u64::from(self.codec), self.digest)
    }

    /// The block itself, for a message, under a CID of this version.
    pub(super) fn block(&self, version: Version, data: Bytes) -> Block {
        Block {
            version: match version {
                Version::V0 => 0,
                Version::V1 => 1,
            },
            codec: self.codec,
            data,
        }
    }

    /// Whether the block can have no links.
    pub(super) fn is_leaf(&self) -> bool {
        u64::from(self.codec) == cid::RAW
    }
}
