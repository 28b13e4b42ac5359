//! One block's operations applied to the state before it: what a proposer, a follower and
//! a replay have in common.

use base::{AccountId, Millis};
use std::num::NonZeroU32;

use crate::{
    block::Header,
    leaf::{Outcome, Refusal},
    state::{self, BlockContext, Changes, Fault, Overlay, Read},
    validators::{Reign, ValidatorSet},
    verify::Checked,
};

/// Whose turn a block is built in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// The validator that builds it.
    pub proposer: AccountId,
    /// The round; none is the first, and the only one where one validator decides alone.
    pub round: Option<NonZeroU32>,
}

impl From<AccountId> for Slot {
    /// The first round.
    fn from(proposer: AccountId) -> Self {
        Self {
            proposer,
            round: None,
        }
    }
}

impl From<&Header> for Slot {
    fn from(header: &Header) -> Self {
        Self {
            proposer: header.proposer,
            round: header.round,
        }
    }
}

pub(crate) struct Builder<'a> {
    state: Overlay<'a>,
    block: BlockContext<'a>,
}

/// What a block leads to.
pub(crate) struct Built {
    pub(crate) changes: Changes,
    /// What its header says of the next height.
    pub(crate) next: Option<Reign>,
    /// Who decides the next height, if others than this one.
    pub(crate) transition: Option<ValidatorSet>,
}

impl<'a> Builder<'a> {
    /// The block after `previous`, whose state is `base`, with room for `operations`.
    /// `validators` decide it, and did so since height `since`.
    pub(crate) fn new(
        (since, validators): (u64, &'a ValidatorSet),
        base: &'a dyn Read,
        previous: &Header,
        (time, slot): (Millis, Slot),
        operations: usize,
    ) -> Self {
        Self {
            state: Overlay::with_room(base, operations),
            block: BlockContext {
                chain: previous.chain,
                validators,
                since,
                height: previous.height + 1,
                time,
                slot,
                previous: previous.cid(),
                last: previous.time,
                first_leaf: previous.tree_size,
            },
        }
    }

    /// Takes the next operation in as leaf `index`, unless it may not enter the log.
    pub(crate) fn take(
        &mut self,
        operation: &Checked,
        index: u64,
    ) -> Result<Result<Outcome, Refusal>, Fault> {
        if let Err(refusal) = state::admit(&self.state, operation, &self.block)? {
            return Ok(Err(refusal));
        }
        let body = operation.operation();
        let asked = operation.asked();
        state::apply(
            &mut self.state,
            body,
            operation.id(),
            index,
            asked,
            &self.block,
        )
        .map(Ok)
    }

    /// The block ends: missed turns are paid for, and who decides next is settled.
    pub(crate) fn finish(mut self) -> Result<Built, Fault> {
        let (since, set) = state::end_block(&mut self.state, &self.block)?;
        let next = (since > 1).then(|| Reign {
            first: since,
            set: set.digest(),
        });
        let transition = (since > self.block.height).then_some(set);
        let changes = self.state.into_changes()?;
        Ok(Built {
            changes,
            next,
            transition,
        })
    }
}
