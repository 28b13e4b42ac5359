//! What a proof file holds of an anchor in EOS, and what a verifier brings.

use base::Digest;
use serde::{Deserialize, Serialize};

use super::Name;
use crate::bytes::Bytes;

/// That a transaction in a block holds the action that anchors.
///
/// The network is not among it: an id of a block is of one network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EosEvidence {
    /// The block's header without its producer's signature, as its id is computed.
    pub header: Bytes,
    /// Microseconds of CPU time that were charged, as its receipt says.
    pub cpu: u32,
    /// Words of 8 bytes of bandwidth that were charged, as its receipt says.
    pub net: u32,
    /// The transaction, not compressed.
    pub transaction: Bytes,
    /// SHA2-256 of its signatures and of what is free of context, 32 bytes: nodes checked them.
    pub signatures: Bytes,
    /// Its index in the block; on a chain with Savanna's tree, on which side of the path it is.
    pub index: u64,
    /// Siblings from its receipt to the header's transaction root, 32 bytes each, as they are
    /// hashed.
    pub path: Vec<Bytes>,
}

/// What a verifier knows of EOS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EosTrust {
    /// Accounts whose anchors count.
    pub actors: Vec<Name>,
    /// Ids of blocks that are irreversible there.
    pub blocks: Vec<Digest>,
}

impl EosTrust {
    /// Why an account is none of those whose anchors count, if it is none.
    pub(crate) fn distrusts(&self, actor: Name) -> Option<String> {
        let foreign = !self.actors.contains(&actor);
        foreign.then(|| {
            format!("the account {actor} authorised it, which is none of the ledger's payers")
        })
    }
}
