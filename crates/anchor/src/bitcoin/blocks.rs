//! What blocks hold of ours, read one after the other: a full node keeps no index by address.

use base::Digest;
use bitcoin::{BlockHash, OutPoint, Txid, hashes::Hash as _};
use std::collections::VecDeque;

use super::{Payer, mark, rpc::Rpc, verify::shown};
use crate::{
    chain::{Place, Trouble},
    checkpoint::Mark,
};

/// The anchors of the newest [`WINDOW`] blocks. An older one is found by who made it, in the
/// journal; another node that misses it anchors once more.
#[derive(Debug, Default)]
pub(super) struct Follower {
    blocks: VecDeque<Followed>,
}

#[derive(Debug)]
struct Followed {
    number: u64,
    hash: BlockHash,
    anchors: Vec<(Mark, Place)>,
}

/// Blocks that are looked at: a day's.
pub(super) const WINDOW: u64 = 144;

impl Follower {
    /// Reads what is new up to block `tip`, and forgets what is not part of the chain any more.
    pub(super) fn follow(
        &mut self,
        rpc: &Rpc,
        tip: u64,
        ours: impl Fn(&Mark, Payer) -> bool,
    ) -> Result<(), Trouble> {
        while let Some(last) = self.blocks.back() {
            if last.number <= tip && rpc.block_at(last.number)? == Some(last.hash) {
                break;
            }
            self.blocks.pop_back();
        }
        let first = (tip + 1).saturating_sub(WINDOW);
        let next = self.blocks.back().map_or(0, |last| last.number + 1);
        for number in next.max(first)..=tip {
            let Some(hash) = rpc.block_at(number)? else {
                break;
            };
            let mut anchors = Vec::new();
            for (at, transaction) in rpc.block(hash)?.txdata.iter().enumerate() {
                let output = transaction.output.first();
                let Some(mark) = output.and_then(|output| mark::read(&output.script_pubkey)) else {
                    continue;
                };
                if Payer::of(transaction).is_some_and(|payer| ours(&mark, payer)) {
                    anchors.push((mark, place(hash, number, at)));
                }
            }
            self.blocks.push_back(Followed {
                number,
                hash,
                anchors,
            });
        }
        while self
            .blocks
            .front()
            .is_some_and(|front| front.number < first)
        {
            self.blocks.pop_front();
        }
        Ok(())
    }

    /// The anchor of the most leaves, the first if there are several.
    pub(super) fn newest(&self) -> Option<(Mark, Place)> {
        let newer = |best: Option<(Mark, Place)>, one: &(Mark, Place)| match best {
            Some(best) if best.0.size >= one.0.size => Some(best),
            _ => Some(*one),
        };
        self.blocks
            .iter()
            .flat_map(|block| &block.anchors)
            .fold(None, newer)
    }
}

/// Where something stands.
pub(super) fn place(hash: BlockHash, number: u64, transaction: usize) -> Place {
    Place {
        block: shown(hash.to_raw_hash()),
        number,
        transaction: transaction as u64,
    }
}

/// A block's hash from how explorers write it.
pub(super) fn hash(shown: &Digest) -> BlockHash {
    let mut bytes = shown.0;
    bytes.reverse();
    BlockHash::from_byte_array(bytes)
}

/// What took some outputs.
pub(super) enum Taker {
    /// One of ours.
    Own(Txid, Place),
    /// Something else, in the block of this height.
    Foreign(u64),
}

/// Looks from block `first` to `tip` for what spends one of `coins`, `own` among it.
pub(super) fn taker(
    rpc: &Rpc,
    (first, tip): (u64, u64),
    coins: &[OutPoint],
    own: &[Txid],
) -> Result<Option<Taker>, Trouble> {
    for number in first..=tip {
        let Some(hash) = rpc.block_at(number)? else {
            return Ok(None);
        };
        for (at, transaction) in rpc.block(hash)?.txdata.iter().enumerate() {
            let spent = transaction.input.iter().map(|input| input.previous_output);
            if !spent.into_iter().any(|spent| coins.contains(&spent)) {
                continue;
            }
            let id = transaction.compute_txid();
            return Ok(Some(match own.contains(&id) {
                true => Taker::Own(id, place(hash, number, at)),
                false => Taker::Foreign(number),
            }));
        }
    }
    Ok(None)
}
