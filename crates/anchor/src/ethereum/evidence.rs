//! What a proof file holds of an anchor in Ethereum, and what a verifier brings.

use base::Digest;
use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

/// That a transaction's receipt in a block holds the event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EthereumEvidence {
    /// The network, as EIP-155 numbers them.
    pub chain_id: u64,
    /// RLP of the block's header.
    pub header: Bytes,
    /// Index of the transaction in the block.
    pub transaction: u64,
    /// Index of the event among the transaction's.
    pub log: u64,
    /// Nodes of the receipt trie from its root to the receipt, RLP.
    pub receipt: Vec<Bytes>,
}

/// What a verifier knows of an Ethereum network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EthereumTrust {
    /// Its number.
    pub chain_id: u64,
    /// The ledger's contract.
    pub contract: [u8; 20],
    /// Hashes of blocks that are final there.
    pub blocks: Vec<Digest>,
}

/// A contract whose event an anchor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contract {
    /// Number of the network.
    pub chain_id: u64,
    /// Address.
    pub address: [u8; 20],
    /// The anchors in it up to this one, this one included; of a single record its leaf.
    pub sequence: u64,
}

impl EthereumTrust {
    /// Why a contract is not the one whose anchors count, if it is not.
    pub(crate) fn distrusts(&self, contract: &Contract) -> Option<String> {
        let Contract {
            chain_id, address, ..
        } = contract;
        if *chain_id != self.chain_id {
            return Some(format!(
                "it is about network {chain_id}, not {}",
                self.chain_id
            ));
        }
        let foreign = *address != self.contract;
        foreign.then(|| {
            let address = hex::encode(address);
            format!("the event is of contract 0x{address}, not of the ledger's")
        })
    }
}
