//! Checking a Bitcoin anchor without any node: header, transaction, output, signature.
//!
//! Source: Bitcoin Core's `primitives/` and `script/interpreter.cpp`. No proof of work is
//! checked: which blocks count is the verifier's own knowledge.

use base::Digest;
use bitcoin::{
    block::Header,
    consensus,
    hashes::{Hash as _, sha256d},
};

use super::{BitcoinEvidence, Payer, key, mark, path};
use crate::{
    checkpoint::{Checkpoint, Mark},
    proof::{Broken, By, Link, Stood},
};

/// Where the evidence says that `checkpoint` is anchored. All of the evidence is bound to the
/// hash of the block that is given back.
///
/// # Errors
/// [`Broken`] at [`Link::Header`], [`Link::Transaction`], [`Link::Output`] or [`Link::Payer`].
pub fn stood(evidence: &BitcoinEvidence, checkpoint: &Checkpoint) -> Result<Stood, Broken> {
    let header: Header = consensus::deserialize(&evidence.header)
        .map_err(|_| Broken::at(Link::Header, "it is no block header"))?;
    let broken = |reason: &str| Broken::at(Link::Transaction, reason);
    let (said, payer) = read(&evidence.transaction)
        .ok_or_else(|| broken("it is no transaction without witnesses"))?;
    let path: Option<Vec<[u8; 32]>> = evidence
        .path
        .iter()
        .map(|node| node.0.as_slice().try_into().ok())
        .collect();
    let path = path.ok_or_else(|| broken("a hash of its path is not 32 bytes long"))?;
    let leaf = sha256d::Hash::hash(&evidence.transaction).to_byte_array();
    let root = path::root(leaf, evidence.index, &path);
    if root != Some(header.merkle_root.to_byte_array()) {
        return Err(broken(
            "it does not stand under the header's root at this index",
        ));
    }
    let broken = |link, reason: &str| Broken::at(link, reason);
    let said = said.ok_or_else(|| broken(Link::Output, "the first output is no anchor"))?;
    if said != checkpoint.mark() {
        return Err(broken(Link::Output, "it anchors another block of a ledger"));
    }
    let payer =
        payer.ok_or_else(|| broken(Link::Payer, "the first input is not signed by a key"))?;
    Ok(Stood {
        block: shown(header.block_hash().to_raw_hash()),
        number: None,
        transaction: evidence.index,
        time: header.time.into(),
        by: By::Bitcoin(payer),
    })
}

/// What a transaction without witnesses anchors, and who signed it; none if the bytes are not
/// one.
pub fn read(bytes: &[u8]) -> Option<(Option<Mark>, Option<Payer>)> {
    let transaction = key::read(bytes)?;
    let output = transaction.output.first();
    let said = output.and_then(|output| mark::read(&output.script_pubkey));
    Some((said, Payer::of(&transaction)))
}

/// A hash as explorers write it.
pub(super) fn shown(hash: sha256d::Hash) -> Digest {
    let mut bytes = hash.to_byte_array();
    bytes.reverse();
    Digest(bytes)
}
