//! Blocks read one after the other: a node keeps no index of transactions.

use base::Digest;
use std::collections::VecDeque;

use super::{
    Name,
    block::Block,
    rpc::{Info, Rpc},
    transaction,
};
use crate::{
    chain::{Place, Trouble},
    checkpoint::Checkpoint,
};

/// An anchor in a block.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) id: Digest,
    pub(super) place: Place,
    pub(super) by: Name,
    pub(super) says: Checkpoint,
    /// Microseconds of CPU time.
    pub(super) cpu: u64,
}

/// Anchors of blocks that follow each other.
#[derive(Debug, Default)]
pub(super) struct Follower {
    blocks: VecDeque<Followed>,
}

#[derive(Debug)]
struct Followed {
    number: u64,
    id: Digest,
    slot: u32,
    anchors: Vec<Found>,
}

impl Follower {
    /// Reads blocks from `first` on, up to the newest or the first that is later than slot
    /// `until`; and forgets what is not part of the chain any more.
    pub(super) fn follow(
        &mut self,
        rpc: &Rpc,
        info: &Info,
        (first, until): (u64, u32),
    ) -> Result<(), Trouble> {
        while let Some(last) = self.blocks.back() {
            let kept = last.number <= info.irreversible && last.number <= info.head;
            if kept
                || rpc
                    .block_at(last.number)?
                    .is_some_and(|(id, _)| id == last.id)
            {
                break;
            }
            self.blocks.pop_back();
        }
        let next = self.blocks.back().map(|last| last.number + 1);
        let begun = self.blocks.front().is_some_and(|own| own.number <= first);
        if !begun || next.is_none_or(|next| next < first) {
            self.blocks.clear();
        }
        let next = next.filter(|_| !self.blocks.is_empty()).unwrap_or(first);
        for number in next..=info.head {
            if self.blocks.back().is_some_and(|last| last.slot > until) {
                break;
            }
            let block = rpc.block(number)?;
            let follows = |last: &Followed| last.id == block.header.previous;
            if !self.blocks.back().is_none_or(follows) {
                // The chain changed meanwhile; what is not in it any more is forgotten next time.
                break;
            }
            self.blocks.push_back(Followed {
                number,
                id: block.id,
                slot: block.header.slot,
                anchors: anchors(&block),
            });
        }
        while self.blocks.len() > MOST {
            self.blocks.pop_front();
        }
        Ok(())
    }

    /// What the blocks that were read hold, oldest first.
    pub(super) fn anchors(&self) -> impl Iterator<Item = &Found> {
        self.blocks.iter().flat_map(|block| &block.anchors)
    }

    /// Whether an irreversible block that was read is later than a slot, and all from `first` on
    /// up to there were.
    pub(super) fn is_past(&self, info: &Info, (first, slot): (u64, u32)) -> bool {
        let begun = self.blocks.front().is_some_and(|own| own.number <= first);
        let past = |block: &Followed| block.number <= info.irreversible && block.slot > slot;
        begun && self.blocks.iter().any(past)
    }
}

/// The anchors that a block holds.
pub(super) fn anchors(block: &Block) -> Vec<Found> {
    let found = block
        .receipts
        .iter()
        .enumerate()
        .filter_map(|(index, receipt)| {
            let (id, transaction) = receipt.own()?;
            Some(Found {
                id,
                place: Place {
                    block: block.id,
                    number: block.number,
                    transaction: index as u64,
                },
                by: transaction.by.0,
                says: transaction::said(&transaction)?,
                cpu: receipt.cpu.into(),
            })
        });
    found.collect()
}

/// Blocks that are kept: more than pass until the latest end of any transaction, an hour.
const MOST: usize = 8_000;
