//! What is decided: committed with its certificate, told to those who wait, and given to
//! nodes that catch up.

use ledger::{Block, Certificate, CommitError, Fault, Head, Receipt};
use malachite::app::types::{
    core::{CommitCertificate, ExtendedCommitCertificate, ExtendedCommitSignature, Round},
    sync::RawDecidedValue,
};
use std::time::{Duration, Instant};

use super::{App, Known};
use crate::{
    SubmitError,
    bft::{
        context::{Address, BlockId, Chain, Height},
        proposed::{Executed, Proposed, Unfit},
        signing::Signed,
        validators::Validators,
    },
    follow::Conflict,
};

impl App {
    /// Commits a decision; says whether it is durable. A disk that fails is tried again: the
    /// others have decided, there is no other way on.
    pub(super) async fn decide(&mut self, certificate: CommitCertificate<Chain>) -> bool {
        let height = certificate.height.0;
        let id = certificate.value_id;
        let Some(ours) = certificate_of(&certificate) else {
            self.trouble(format!("the certificate of block {height} names no round"));
            return false;
        };
        while !self.shared.is_stopped() {
            if self.height().is_ok_and(|now| now >= height) {
                return true;
            }
            match self.commit(height, id, &ours) {
                Ok(()) => return true,
                Err(Setback::Wait(what)) => self.trouble(what),
                Err(Setback::Halt(block, fault)) => {
                    self.contradicted(*block, fault);
                    return false;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
        false
    }

    fn commit(
        &mut self,
        height: u64,
        id: BlockId,
        certificate: &Certificate,
    ) -> Result<(), Setback> {
        let (block, executed) = self.decided_block(height, id, certificate)?;
        let header = executed.pending.header().clone();
        let receipts = self
            .shared
            .ledger
            .commit(executed.pending, certificate.clone())
            .map_err(|error| match error {
                CommitError::Head(error) => {
                    let shown = block.to_block(head(&block, certificate));
                    Setback::Halt(Box::new(shown), error.to_string())
                }
                other => Setback::Wait(other.to_string()),
            })?;
        {
            let mut standing = self.shared.standing();
            standing.trouble = None;
            standing.height = height + 1;
            standing.round = None;
            let counters = &mut standing.counters;
            counters.blocks += 1;
            counters.own += u64::from(header.proposer == self.ring.account);
            counters.empty += u64::from(receipts.is_empty());
            counters.operations += receipts.len() as u64;
        }
        if let Some(validators) = Validators::of(self.shared.ledger.validators().newest()) {
            self.validators = validators;
        }
        self.memory.blocks.clear();
        self.memory.brought.clear();
        self.memory.streams.clear();
        self.memory.pace.committed(receipts.len(), Instant::now());
        self.shared.set_block_time(self.memory.pace.last_took());
        self.tell(receipts);
        self.end_watch(height);
        self.sweep(executed.accounts, None);
        Ok(())
    }

    /// The block that was decided: executed before, or found in the journal and executed now.
    fn decided_block(
        &mut self,
        height: u64,
        id: BlockId,
        certificate: &Certificate,
    ) -> Result<(Proposed, Executed), Setback> {
        let known = match self.memory.blocks.remove(&id) {
            Some(known) => known,
            None => {
                let block = self.journal.block(height, id).map_err(wait)?;
                let block = block.ok_or_else(|| wait("the decided block is not here yet"))?;
                let found = match block.execute(&self.shared) {
                    Ok(executed) => Ok(executed),
                    Err(Unfit::Invalid(fault)) => Err(fault),
                    Err(other) => return Err(wait(other)),
                };
                Known { block, found }
            }
        };
        let Known { block, found } = known;
        match found {
            Ok(executed) => Ok((block, executed)),
            Err(fault) => {
                let shown = block.to_block(head(&block, certificate));
                Err(Setback::Halt(Box::new(shown), fault.to_string()))
            }
        }
    }

    fn tell(&self, receipts: Vec<Receipt>) {
        let mut pool = self.shared.pool();
        for receipt in receipts {
            for waiter in pool.ordered(receipt.id) {
                waiter(Ok(receipt.clone()));
            }
        }
    }

    /// The validators certified what this node finds wrong: one of them is, and nobody is
    /// served before people know which.
    pub(super) fn contradicted(&mut self, theirs: Block, fault: String) {
        let known = self.shared.ledger.view();
        match known.and_then(|view| Ok((view.head()?, view.transitions(1, usize::MAX)?))) {
            Ok((ours, led)) => self.halt(Conflict::new(ours, theirs, fault).led_by(led)),
            Err(problem) => {
                self.memory.halted = true;
                self.trouble(format!("{fault}; and {problem}"));
            }
        }
    }

    pub(super) fn halt(&mut self, conflict: Conflict) {
        self.memory.halted = true;
        (self.keep)(&conflict);
        let fault = conflict.fault.clone();
        self.shared.standing().conflict = Some(std::sync::Arc::new(conflict));
        for waiter in self.shared.pool().drain() {
            waiter(Err(SubmitError::Halted(fault.clone())));
        }
    }

    /// Blocks for a node that catches up: from `first`, as many as fit into an answer.
    pub(super) fn decided(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<RawDecidedValue<Chain>>, Fault> {
        let view = self.shared.ledger.view()?;
        let (mut values, mut size) = (Vec::new(), 0);
        for height in first..=last {
            let Some(block) = view.block(height)? else {
                break;
            };
            let Some(certificate) = engine_certificate(&block.head) else {
                break;
            };
            let bytes = Proposed::of(block.head.header, block.leaves).to_bytes();
            size += bytes.len();
            if size > ANSWER_BYTES && !values.is_empty() {
                break;
            }
            values.push(RawDecidedValue::new(bytes.into(), certificate));
        }
        Ok(values)
    }
}

/// Why a decision is not committed.
enum Setback {
    /// Try again.
    Wait(String),
    /// It cannot be.
    Halt(Box<Block>, String),
}

fn wait(error: impl std::fmt::Display) -> Setback {
    Setback::Wait(error.to_string())
}

fn head(block: &Proposed, certificate: &Certificate) -> Head {
    Head {
        header: block.header.clone(),
        certificate: certificate.clone(),
    }
}

/// The block's certificate: the engine's, with signatures in order of account.
fn certificate_of(certificate: &CommitCertificate<Chain>) -> Option<Certificate> {
    let mut signatures: Vec<_> = (certificate.commit_signatures.iter())
        .map(|signed| (signed.address.0, signed.signature.0))
        .collect();
    signatures.sort_by_key(|(account, _)| *account);
    Some(Certificate {
        height: certificate.height.0,
        round: Some(certificate.round.as_u32()?),
        header: certificate.value_id.cid(),
        signatures,
    })
}

fn engine_certificate(head: &Head) -> Option<ExtendedCommitCertificate<Chain>> {
    let certificate = &head.certificate;
    let signed = |(account, signature): &(base::AccountId, base::key::Signature)| {
        ExtendedCommitSignature::new(Address(*account), Signed(*signature), None)
    };
    Some(ExtendedCommitCertificate {
        height: Height(certificate.height),
        round: Round::new(certificate.round?),
        value_id: BlockId::of(&head.header),
        commit_signatures: certificate.signatures.iter().map(signed).collect(),
    })
}

const RETRY: Duration = Duration::from_secs(1);
/// Most bytes of blocks in one answer, unless a single one is longer.
const ANSWER_BYTES: usize = 6 << 20;
