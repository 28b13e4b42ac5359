//! Checking an Ethereum anchor without any node: event, receipt, header.
//!
//! Source: Ethereum yellow paper, 4.3 and appendices B and D; EIP-2718 (typed receipts). Of
//! a header only three fields are read, so that later ones do no harm.

use alloy::{
    primitives::{B256, Bytes, Log, keccak256},
    rlp::{Decodable as _, Header as Item},
};
use alloy_trie::{Nibbles, nodes::TrieNode, proof::verify_proof};
use base::Digest;

use super::{
    evidence::{Contract, EthereumEvidence},
    told::Told,
};
use crate::proof::{Broken, By, Link, Stood};

/// Where the evidence says that a contract was told `says`. Everything in the evidence but the
/// network's number is bound to the hash of the block that is given back.
///
/// # Errors
/// [`Broken`] at [`Link::Header`], [`Link::Receipt`] or [`Link::Event`].
pub fn stood<S: Told>(evidence: &EthereumEvidence, says: &S) -> Result<Stood, Broken> {
    let header = Fields::of(&evidence.header)
        .ok_or_else(|| Broken::at(Link::Header, "it is no block header"))?;
    let logs = logs(evidence, header.receipts_root)?;
    let broken = |reason: &str| Broken::at(Link::Event, reason);
    let log = usize::try_from(evidence.log)
        .ok()
        .and_then(|index| logs.get(index))
        .ok_or_else(|| broken("the transaction has no event of this number"))?;
    let (heard, sequence) = S::heard(log).ok_or_else(|| broken("the event is of another kind"))?;
    if heard != *says {
        return Err(broken("the event says something else"));
    }
    Ok(Stood {
        block: Digest(keccak256(&evidence.header.0).0),
        number: Some(header.number),
        transaction: evidence.transaction,
        time: header.time,
        by: By::Ethereum(Contract {
            chain_id: evidence.chain_id,
            address: log.address.into_array(),
            sequence,
        }),
    })
}

/// The fields of a block header that count.
struct Fields {
    receipts_root: B256,
    number: u64,
    time: u64,
}

impl Fields {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let list = Item::decode(&mut rest).ok()?;
        if !list.list || list.payload_length != rest.len() {
            return None;
        }
        let skip = |rest: &mut &[u8], count: usize| -> Option<()> {
            for _ in 0..count {
                let item = Item::decode(rest).ok()?;
                *rest = rest.get(item.payload_length..)?;
            }
            Some(())
        };
        // parent, uncles, beneficiary, state root, transactions root
        skip(&mut rest, 5)?;
        let receipts_root = B256::decode(&mut rest).ok()?;
        // bloom, difficulty
        skip(&mut rest, 2)?;
        let number = u64::decode(&mut rest).ok()?;
        // gas limit, gas used
        skip(&mut rest, 2)?;
        let time = u64::decode(&mut rest).ok()?;
        Some(Self {
            receipts_root,
            number,
            time,
        })
    }
}

/// The events of the transaction's receipt, once it is shown to stand under `root`.
fn logs(evidence: &EthereumEvidence, root: B256) -> Result<Vec<Log>, Broken> {
    let broken = |reason: &str| Broken::at(Link::Receipt, reason);
    let nodes: Vec<Bytes> = evidence
        .receipt
        .iter()
        .map(|node| Bytes::copy_from_slice(node))
        .collect();
    let leaf = nodes
        .last()
        .and_then(|node| TrieNode::decode(&mut node.as_ref()).ok());
    let Some(TrieNode::Leaf(leaf)) = leaf else {
        return Err(broken("its proof does not end in a leaf"));
    };
    let key = Nibbles::unpack(alloy::rlp::encode(evidence.transaction));
    verify_proof(root, key, Some(leaf.value.clone()), &nodes)
        .map_err(|_| broken("it does not stand under the header's root for this transaction"))?;
    decode(&leaf.value).ok_or_else(|| broken("it is no receipt of a transaction that succeeded"))
}

/// The events in a receipt, if its transaction succeeded.
fn decode(receipt: &[u8]) -> Option<Vec<Log>> {
    // EIP-2718: a type of one byte, below every list's first.
    let mut rest = match receipt.first()? {
        0..=0x7f => receipt.get(1..)?,
        _ => receipt,
    };
    let list = Item::decode(&mut rest).ok()?;
    if !list.list || list.payload_length != rest.len() {
        return None;
    }
    let succeeded = bool::decode(&mut rest).ok()?;
    let _gas = u64::decode(&mut rest).ok()?;
    let bloom = Item::decode(&mut rest).ok()?;
    rest = rest.get(bloom.payload_length..)?;
    let logs = Vec::<Log>::decode(&mut rest).ok()?;
    (succeeded && rest.is_empty()).then_some(logs)
}
