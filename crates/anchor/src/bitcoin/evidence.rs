//! What a proof file holds of an anchor in Bitcoin, and what a verifier brings.

use base::Digest;
use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

/// That a transaction in a block holds the mark.
///
/// The network is not among it: a hash of a block is of one network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitcoinEvidence {
    /// The block's header, 80 bytes.
    pub header: Bytes,
    /// The transaction, as its id is computed: without witnesses.
    pub transaction: Bytes,
    /// Its index in the block.
    pub index: u64,
    /// Siblings from it to the header's Merkle root, 32 bytes each, as they are hashed.
    pub path: Vec<Bytes>,
}

/// The hash of a public key, which an address of the oldest kind (P2PKH) is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Payer(pub [u8; 20]);

/// What a verifier knows of Bitcoin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BitcoinTrust {
    /// Whose anchors count.
    pub payers: Vec<Payer>,
    /// Hashes of blocks that are final there.
    pub blocks: Vec<Digest>,
}

impl BitcoinTrust {
    /// Why a payer is none of those whose anchors count, if it is none.
    pub(crate) fn distrusts(&self, payer: &Payer) -> Option<String> {
        let foreign = !self.payers.contains(payer);
        foreign.then(|| {
            let hash = hex::encode(payer.0);
            format!("it is signed by the key of hash {hash}, which is none of the ledger's payers")
        })
    }
}
