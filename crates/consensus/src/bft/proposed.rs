//! A block before it is decided: how it travels, and what this node finds when it executes
//! it. Everything but operations, time and proposer is worked out again and must be equal.

use base::{AccountId, Millis, Version, codec, codec::DecodeError};
use ledger::{
    Block, BlockFault, Checked, Fault, Header, Leaf, Ledger, Pending, ProposeError, View,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use super::{context::BlockId, shared::Shared};

/// A block that somebody proposes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposed {
    #[serde(rename = "v")]
    version: Version,
    pub(super) header: Header,
    leaves: Vec<ByteBuf>,
}

impl Proposed {
    pub(super) fn of(header: Header, leaves: Vec<ByteBuf>) -> Self {
        Self {
            version: Version,
            header,
            leaves,
        }
    }

    pub(super) fn id(&self) -> BlockId {
        BlockId::of(&self.header)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode_within(bytes, MAX_BLOCK)
    }

    #[cfg(any(test, feature = "lies"))]
    pub(super) fn leaves(&self) -> &[ByteBuf] {
        &self.leaves
    }

    /// Its leaves, to show them to people with another certificate.
    pub(super) fn to_block(&self, head: ledger::Head) -> Block {
        Block {
            head,
            leaves: self.leaves.clone(),
        }
    }

    /// Executes the block on the ledger's newest state. Operations that the pool has were
    /// checked before; the others are checked now.
    pub(super) fn execute(&self, shared: &Shared) -> Result<Executed, Unfit> {
        let ledger = &shared.ledger;
        let view = ledger.view()?;
        self.follows(ledger, &view.head()?.header)?;
        let header = &self.header;
        if !view.are_leaves_of(header, &self.leaves)? {
            return Err(Unfit::Torn);
        }
        drop(view);
        let leaves = self.read_leaves()?;
        let operations = self.check(shared, &leaves)?;
        let accounts = leaves
            .iter()
            .map(|leaf| leaf.operation.body.account)
            .collect();
        let pending =
            ledger
                .propose(operations, header.time, header)
                .map_err(|error| match error {
                    ProposeError::Fault(fault) => Unfit::Unread(fault),
                    _ => Unfit::Invalid(BlockFault::Sequence),
                })?;
        for ((index, leaf), fate) in (header.first_leaf..).zip(&leaves).zip(pending.fates()) {
            match fate {
                Ok(found) if *found == leaf.outcome => {}
                Ok(found) => {
                    return Err(Unfit::Invalid(BlockFault::Outcome {
                        index,
                        logged: leaf.outcome,
                        found: *found,
                    }));
                }
                Err(refusal) => {
                    let refusal = refusal.clone();
                    return Err(Unfit::Invalid(BlockFault::Refused { index, refusal }));
                }
            }
        }
        match pending.header() == header {
            true => Ok(Executed { pending, accounts }),
            false => Err(Unfit::Invalid(BlockFault::State)),
        }
    }

    fn follows(&self, ledger: &Ledger, before: &Header) -> Result<(), Unfit> {
        let header = &self.header;
        if header.height != before.height + 1 {
            return Err(Unfit::NotNext);
        }
        if header.chain != before.chain || header.previous != Some(before.cid()) {
            return Err(Unfit::Invalid(BlockFault::Fork(before.height)));
        }
        if header.first_leaf != before.tree_size || header.time <= before.time {
            return Err(Unfit::Invalid(BlockFault::Sequence));
        }
        let validators = ledger.validators();
        let turn = validators
            .at(header.height)
            .proposer(header.height, header.round());
        match turn.is_some_and(|seat| seat.account == header.proposer) {
            true => Ok(()),
            false => Err(Unfit::Invalid(BlockFault::Turn)),
        }
    }

    fn read_leaves(&self) -> Result<Vec<Leaf>, Unfit> {
        (self.header.first_leaf..)
            .zip(&self.leaves)
            .map(|(index, bytes)| {
                codec::decode(bytes).map_err(|error| {
                    let reason = error.to_string();
                    Unfit::Invalid(BlockFault::Leaf { index, reason })
                })
            })
            .collect()
    }

    /// Operations that were checked before are taken as they are: what was found then was
    /// found for the same bytes, and the state machine looks at the key again.
    fn check(&self, shared: &Shared, leaves: &[Leaf]) -> Result<Vec<Checked>, Unfit> {
        let bytes = leaves.iter().map(|leaf| leaf.operation.to_bytes());
        let (bytes, ids): (Vec<_>, Vec<_>) = bytes.unzip();
        let known = shared.pool().known(&ids);
        let unknown = bytes
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none());
        let unknown = unknown.map(|(bytes, _)| bytes.clone()).collect();
        let view = shared.ledger.view()?;
        let mut fresh = shared.check(unknown, &view)?.into_iter();
        let mut operations = Vec::with_capacity(known.len());
        for checked in known {
            match checked.map_or_else(|| fresh.next(), |checked| Some(Ok(checked))) {
                Some(Ok(checked)) => operations.push(checked),
                // It may rest on an operation of the block that was known: all together.
                _ => return self.check_all(shared, bytes, &view),
            }
        }
        Ok(operations)
    }

    fn check_all(
        &self,
        shared: &Shared,
        all: Vec<Vec<u8>>,
        view: &View,
    ) -> Result<Vec<Checked>, Unfit> {
        (self.header.first_leaf..)
            .zip(shared.check(all, view)?)
            .map(|(index, checked)| {
                checked.map_err(|refusal| Unfit::Invalid(BlockFault::Refused { index, refusal }))
            })
            .collect()
    }
}

/// What became of a block's operations.
pub(super) struct Executed {
    /// Ready to be committed.
    pub(super) pending: Pending,
    /// Whose operations they are.
    pub(super) accounts: Vec<AccountId>,
}

/// How far a block's time is from a clock, milliseconds.
pub(super) fn distance(block: Millis, now: Millis) -> u64 {
    block.0.abs_diff(now.0)
}

/// Why a block is not to be voted for.
#[derive(Debug, Error)]
pub(super) enum Unfit {
    /// It is of another height than the next.
    #[error("it is not of the next height")]
    NotNext,
    /// Its leaves are not those that its header names: somebody put them there, and the
    /// block of this header may hold.
    #[error("its leaves are not those of its header")]
    Torn,
    /// It breaks a rule, or this node breaks one: if more than two thirds say it holds, this
    /// node's ledger is not theirs.
    #[error(transparent)]
    Invalid(BlockFault),
    /// Nothing can be told.
    #[error(transparent)]
    Unread(#[from] Fault),
}

/// Longest block, bytes: twice what a proposer puts in.
pub(super) const MAX_BLOCK: usize = 9 << 20;
