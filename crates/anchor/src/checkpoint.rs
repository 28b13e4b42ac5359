//! What an anchor says of a ledger.

use base::{ChainId, Digest, codec};
use ledger::Header;
use serde::{Deserialize, Serialize};

/// A head of the ledger, as an anchor commits to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The ledger.
    pub ledger: ChainId,
    /// RFC 9162 root of its log.
    pub root: Digest,
    /// Leaves under that root.
    pub size: u64,
    /// Height of the block that ends there.
    pub height: u64,
    /// SHA2-256 of that block's header in canonical bytes: binds its time and state, too.
    pub head: Digest,
}

impl Checkpoint {
    /// What an anchor of this head says.
    pub fn of(header: &Header) -> Self {
        Self {
            ledger: header.chain,
            root: header.tree_root,
            size: header.tree_size,
            height: header.height,
            head: Digest::of(&codec::encode(header)),
        }
    }
}
