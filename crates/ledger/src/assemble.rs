//! One block's operations applied to the state before it: what a proposer, a follower and
//! a replay have in common.

use base::Millis;

use crate::{
    block::{Header, ValidatorSet},
    leaf::{Outcome, Refusal},
    state::{self, BlockContext, Changes, Fault, Overlay, Read},
    verify::Checked,
};

pub(crate) struct Builder<'a> {
    state: Overlay<'a>,
    block: BlockContext<'a>,
}

impl<'a> Builder<'a> {
    /// The block after `previous`, whose state is `base`, with room for `operations`.
    pub(crate) fn new(
        validators: &'a ValidatorSet,
        base: &'a dyn Read,
        previous: &Header,
        time: Millis,
        operations: usize,
    ) -> Self {
        Self {
            state: Overlay::with_room(base, operations),
            block: BlockContext {
                validators,
                height: previous.height + 1,
                time,
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

    pub(crate) fn finish(self) -> Result<Changes, Fault> {
        self.state.into_changes()
    }
}
