//! Checking an EOS anchor without any node: header, receipt, transaction, action.
//!
//! Source: the chain's `block_header.hpp`, `block.hpp`, `transaction.cpp`. No producer's
//! signature is checked: which blocks count is the verifier's own knowledge. That the account
//! authorised the action is what the block's producers checked.

use base::Digest;

use super::{
    EosEvidence,
    block::{Block, Raw},
    path::{self, Tree},
    slot,
    transaction::{Transaction, said},
    wire::{Reader, put_bytes, put_varuint},
};
use crate::{
    checkpoint::Checkpoint,
    proof::{Broken, By, Link, Stood},
};

/// What is read of a block's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// Half seconds since the year 2000.
    pub(super) slot: u32,
    /// Id of the block before it.
    pub(super) previous: Digest,
    /// Root over the receipts of its transactions.
    pub(super) root: Digest,
    /// Which tree that is the root of.
    pub(super) tree: Tree,
}

/// Reads the header of a block without its signature; what follows the fields that are read
/// is bound by the block's id alone.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let mut from = Reader::new(bytes);
    let slot = u32::from_le_bytes(from.array()?);
    let _producer_and_confirmed = from.take(10)?;
    let (previous, root) = (Digest(from.array()?), Digest(from.array()?));
    let _actions = from.array::<32>()?;
    let version = u32::from_le_bytes(from.array()?);
    // At least: no new producers, no extensions.
    from.take(2)?;
    Some(Header {
        slot,
        previous,
        root,
        tree: match version {
            SAVANNA => Tree::Savanna,
            _ => Tree::Marked,
        },
    })
}

impl Header {
    /// The block's height.
    pub(super) fn number(&self) -> u64 {
        number(&self.previous) + 1
    }

    /// Seconds since 1970.
    fn time(&self) -> u64 {
        slot::second(self.slot)
    }
}

/// The height that a block's id begins with.
pub(super) fn number(id: &Digest) -> u64 {
    let [a, b, c, d, ..] = id.0;
    u32::from_be_bytes([a, b, c, d]).into()
}

/// The id of a block, from the bytes and the height of its header.
pub(super) fn block_id(header: &[u8], number: u64) -> Digest {
    let mut id = Digest::of(header);
    let short = (number as u32).to_be_bytes();
    for (to, from) in id.0.iter_mut().zip(short) {
        *to = from;
    }
    id
}

/// What a receipt says of a transaction, hashed as the tree's leaf.
pub(super) fn receipt(status: u8, cpu: u32, net: u32, transaction: &Digest) -> Digest {
    let mut bytes = vec![status];
    bytes.extend(cpu.to_le_bytes());
    put_varuint(&mut bytes, net);
    bytes.extend(transaction.0);
    Digest::of(&bytes)
}

/// The hash of a transaction as it was sent: how it is compressed, its bytes, and the hash of
/// its signatures and what is free of context.
pub(super) fn sent(compression: u8, transaction: &[u8], signatures: &[u8; 32]) -> Digest {
    let mut bytes = vec![compression];
    put_bytes(&mut bytes, transaction);
    bytes.extend(signatures);
    Digest::of(&bytes)
}

/// Where the evidence says that `checkpoint` is anchored. All of the evidence is bound to the
/// id of the block that is given back.
///
/// # Errors
/// [`Broken`] at [`Link::Header`], [`Link::Transaction`] or [`Link::Action`].
pub fn stood(evidence: &EosEvidence, checkpoint: &Checkpoint) -> Result<Stood, Broken> {
    let public = header(&evidence.header)
        .ok_or_else(|| Broken::at(Link::Header, "it is no header of a block"))?;
    let broken = |reason: &str| Broken::at(Link::Transaction, reason);
    let short = || broken("a hash is not 32 bytes long");
    let node = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| short());
    let path = evidence.path.iter().map(|hash| node(hash));
    let path = path.collect::<Result<Vec<_>, _>>()?;
    let sent = sent(0, &evidence.transaction, &node(&evidence.signatures)?);
    let leaf = receipt(EXECUTED, evidence.cpu, evidence.net, &sent);
    let root = path::root(public.tree, leaf.0, evidence.index, &path);
    if root != Some(public.root.0) {
        return Err(broken(
            "its receipt does not stand under the header's root at this index",
        ));
    }
    let transaction = Transaction::read(&evidence.transaction)
        .ok_or_else(|| broken("it is no transaction of one action and one account"))?;
    let broken = |reason: &str| Broken::at(Link::Action, reason);
    let said = said(&transaction).ok_or_else(|| broken("the action is no anchor"))?;
    if said != *checkpoint {
        return Err(broken("it anchors another block of a ledger"));
    }
    Ok(Stood {
        block: block_id(&evidence.header, public.number()),
        number: Some(public.number()),
        transaction: evidence.index,
        time: public.time(),
        by: By::Eos(transaction.by.0),
    })
}

/// Whether bytes are a transaction that anchors something.
pub fn reads(bytes: &[u8]) -> bool {
    Transaction::read(bytes).is_some_and(|transaction| said(&transaction).is_some())
}

/// Whether bytes are a block as a node's interface writes it, whose transactions are those of
/// its header.
pub fn reads_block(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Raw>(bytes).is_ok_and(|raw| Block::of(&raw).is_ok())
}

/// What a receipt says of a transaction that was carried out.
pub(super) const EXECUTED: u8 = 0;
/// The version of producers that only headers since Savanna have.
const SAVANNA: u32 = 1 << 31;
