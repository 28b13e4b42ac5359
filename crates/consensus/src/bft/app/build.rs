//! Building a block, and sending one.

use base::{Millis, OperationId, Signed};
use ledger::{Checked, Fault, Refusal, Slot, View};
use malachite::{
    Reply,
    app::types::{LocallyProposedValue, core::Round},
};
use std::num::NonZeroU32;

use super::{App, Known, observe::answer};
use crate::bft::{
    context::{BlockId, Chain, Height, Start},
    pool::Dropped,
    proposed::{Executed, Proposed},
};

impl App {
    /// Answers with this node's block of a round: the one that it proposed before, if it did,
    /// even in another life. Without an answer the round passes to the next proposer.
    pub(super) async fn propose(
        &mut self,
        height: u64,
        round: Round,
        reply: Reply<LocallyProposedValue<Chain>>,
    ) {
        let Some(number) = round.as_u32() else { return };
        match self.own_block(height, number) {
            Ok(Some(block)) => {
                let value = LocallyProposedValue::new(Height(height), round, block.id());
                let _ = reply.send(value);
                self.stream(&block, number, None).await;
            }
            Ok(None) => {}
            Err(problem) => self.trouble(problem),
        }
    }

    fn own_block(&mut self, height: u64, round: u32) -> Result<Option<Proposed>, String> {
        if let Some(block) = self.journal.own(height, round).map_err(shown)? {
            return Ok(Some(block));
        }
        if self.height().map_err(shown)? + 1 != height {
            return Ok(None);
        }
        let Some((block, found)) = self.build(round).map_err(shown)? else {
            return Ok(None);
        };
        self.journal
            .keep(&block, Some(round), height - 1)
            .map_err(shown)?;
        self.memory.blocks.insert(
            block.id(),
            Known {
                block: block.clone(),
                found: Ok(found),
            },
        );
        Ok(Some(block))
    }

    /// The next block of what waits. None when this node's clock is so far behind that the
    /// others would refuse the time.
    pub(super) fn build(&self, round: u32) -> Result<Option<(Proposed, Executed)>, Fault> {
        let view = self.shared.ledger.view()?;
        let last = view.head()?.header.time;
        let now = self.now();
        let behind = last.0.saturating_sub(now.0);
        if behind > self.shared.ledger.genesis().drift {
            self.trouble(format!(
                "this node's clock is {behind} ms behind the last block: set it right"
            ));
            return Ok(None);
        }
        let time: Millis = now.max(last.plus(1));
        let picked =
            self.shared
                .pool()
                .pick(self.limits.operations, self.limits.bytes, |account| {
                    view.sequence(account)
                })?;
        let ids: Vec<OperationId> = picked.iter().map(Checked::id).collect();
        let accounts = picked
            .iter()
            .map(|checked| checked.operation().account)
            .collect();
        let slot = Slot {
            proposer: self.ring.account,
            round: NonZeroU32::new(round),
        };
        let pending =
            self.shared
                .ledger
                .propose(picked, time, slot)
                .map_err(|error| match error {
                    ledger::ProposeError::Fault(fault) => fault,
                    other => Fault::Storage(other.to_string()),
                })?;
        for (id, fate) in ids.into_iter().zip(pending.fates()) {
            if let Err(refusal) = fate {
                self.refused(&view, id, refusal);
            }
        }
        drop(view);
        // Only the leaves are wanted: this certificate is of nobody and goes nowhere.
        let blank = ledger::Certificate {
            height: pending.header().height,
            round: None,
            header: pending.header().cid(),
            signatures: Vec::new(),
        };
        let leaves = pending.to_block(blank).leaves;
        let block = Proposed::of(pending.header().clone(), leaves);
        Ok(Some((block, Executed { pending, accounts })))
    }

    /// What no block takes, since its key was replaced meanwhile, leaves the pool: otherwise it
    /// keeps its number from the account, and there would always be something to order. One
    /// whose number does not fit waits for the ones before it.
    fn refused(&self, view: &View, id: OperationId, refusal: &Refusal) {
        if matches!(refusal, Refusal::WrongSequence { .. }) {
            return;
        }
        let waiters = self.shared.pool().ordered(id);
        let refusal = refusal.clone();
        let dropped = Dropped {
            id,
            refusal,
            waiters,
        };
        answer(view, dropped);
    }

    /// Sends a block that is known again, for another round.
    pub(super) async fn restream(
        &mut self,
        height: u64,
        round: Round,
        valid_round: Round,
        id: BlockId,
    ) {
        let known = self.memory.blocks.get(&id).map(|known| known.block.clone());
        let block = match known {
            Some(block) => Some(block),
            None => self.journal.block(height, id).ok().flatten(),
        };
        if let (Some(block), Some(round)) = (block, round.as_u32()) {
            self.stream(&block, round, valid_round.as_u32()).await;
        }
    }

    async fn stream(&mut self, block: &Proposed, round: u32, valid_round: Option<u32>) {
        let bytes = block.to_bytes();
        let start = Start {
            chain: block.header.chain,
            account: self.ring.account,
            block: block.id().0,
            height: block.header.height,
            round,
            valid_round,
            length: bytes.len() as u64,
        };
        let Some(secret) = self.ring.at(block.header.height) else {
            return; // the others take it from validators alone
        };
        let start = Signed::new(start, &secret);
        for part in self.numbers.cut(start, &bytes) {
            self.publish(part).await;
        }
    }
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}
