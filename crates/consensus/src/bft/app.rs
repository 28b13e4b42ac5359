//! The application's side of the engine: builds blocks, judges those of others, commits what
//! is decided. It answers every message of the engine; what it promises in an answer is
//! durable before it answers.
//!
//! **Pacing.** After a decision the engine waits for the word to begin the next height. It is
//! given when operations wait, or when others show that they have begun: so an idle ledger
//! grows by nothing, and a busy one with no more pause than fills its blocks (`pace`).

mod accuse;
mod build;
mod commit;
mod judge;
#[cfg(feature = "lies")]
pub mod liar;
mod observe;
mod pace;
mod serve;
#[cfg(test)]
mod trials;

use base::{AccountId, Millis, Signed};
use ledger::{BlockFault, Fault};
use malachite::{
    AppMsg, NetworkMsg, Reply,
    app::{
        consensus::VoteExtensionError,
        engine::{
            host::{HeightParams, Next},
            util::events::Event,
        },
        types::core::{LinearTimeouts, Round},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, mpsc::SyncSender},
    time::Instant,
};
use tokio::sync::broadcast::error::RecvError;

use super::{
    Keep, Limits,
    context::{BlockId, Chain, Height, Start},
    intake::Incoming,
    journal::Journal,
    proposed::{Executed, Proposed},
    recall::Lost,
    ring::Ring,
    shared::Shared,
    stream::{Numbers, Streams},
    validators::Validators,
};
use crate::clock::Clock;

pub(super) struct App {
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Journal,
    pub(super) ring: Ring,
    /// Who decides the height after the newest block.
    pub(super) validators: Validators,
    pub(super) timeouts: LinearTimeouts,
    pub(super) limits: Limits,
    pub(super) clock: Box<dyn Clock>,
    pub(super) intake: SyncSender<Incoming>,
    pub(super) keep: Keep,
    pub(super) numbers: Numbers,
    pub(super) memory: Memory,
    /// None at a validator that votes.
    pub(super) watch: Option<Watch>,
}

/// A validator that lost its memory of votes, and waits until they do not matter.
pub(super) struct Watch {
    lost: Lost,
    /// How high each other validator was, when it was first seen.
    tips: BTreeMap<AccountId, u64>,
    /// From this height of the ledger on it may vote.
    target: Option<u64>,
}

impl Watch {
    pub(super) fn of(lost: Lost) -> Self {
        Self {
            lost,
            tips: BTreeMap::new(),
            target: None,
        }
    }
}

/// What the application knows for the height in hand, all of which it can find again.
#[derive(Default)]
pub(super) struct Memory {
    streams: Streams,
    /// Blocks of the next height, with what was found when they were executed.
    blocks: HashMap<BlockId, Known>,
    /// How many of these each validator brought.
    brought: HashMap<AccountId, u32>,
    /// Blocks that came before this node had the block before them.
    early: Vec<Early>,
    /// The highest height that a part or a tip was of.
    shown: u64,
    pace: pace::Pace,
    /// The engine waits for the word to begin the next height.
    waiting: Option<Reply<Next<Chain>>>,
    /// Proofs against validators that are not punished yet.
    accusations: Vec<accuse::Accusation>,
    halted: bool,
}

struct Known {
    block: Proposed,
    found: Result<Executed, BlockFault>,
}

struct Early {
    start: Signed<Start>,
    /// By a validator of the height that this node was at.
    signed: bool,
    block: Proposed,
}

impl App {
    /// What the engine says of its own memory; it waits for a person then.
    fn heed(&self, event: Result<Event<Chain>, RecvError>) {
        let what = match event {
            Ok(Event::WalCorrupted(error)) => error.to_string(),
            Ok(Event::WalReplayError(error)) => error.to_string(),
            _ => return, // others, or more than were kept
        };
        self.trouble(format!(
            "the engine's write-ahead log is damaged, see the runbook: {what}"
        ));
    }

    async fn answer(&mut self, message: AppMsg<Chain>) {
        if self.memory.halted {
            return; // whoever halted votes no more: the engine waits for good
        }
        match message {
            AppMsg::ConsensusReady { reply } => match self.height() {
                Ok(height) => drop(reply.send((Height(height + 1), self.params()))),
                Err(fault) => self.trouble(fault.to_string()),
            },
            AppMsg::StartedRound {
                height,
                round,
                proposer,
                reply_value,
                ..
            } => {
                self.note_round(height.0, round, proposer.0);
                let _ = reply_value.send(self.judge_early(height.0));
            }
            AppMsg::GetValue {
                height,
                round,
                reply,
                ..
            } => {
                self.propose(height.0, round, reply).await;
            }
            AppMsg::ExtendVote { reply, .. } => drop(reply.send(None)),
            AppMsg::VerifyVoteExtensions {
                extensions, reply, ..
            } => {
                let none = |(address, ())| (address, Err(VoteExtensionError::InvalidVoteExtension));
                let _ = reply.send(extensions.into_iter().map(none).collect());
            }
            AppMsg::RestreamProposal {
                height,
                round,
                valid_round,
                value_id,
                ..
            } => {
                self.restream(height.0, round, valid_round, value_id).await;
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let first = self.first_with_round().unwrap_or(1);
                let _ = reply.send(Height(first));
            }
            AppMsg::ReceivedProposalPart {
                from,
                published_by,
                part,
                reply,
            } => {
                let value = self.receive(published_by.unwrap_or(from), part);
                let _ = reply.send(value);
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => {
                if self.decide(certificate).await {
                    let _ = reply.send(());
                }
            }
            AppMsg::Finalized {
                certificate,
                evidence,
                reply,
                ..
            } => {
                self.keep_evidence(certificate.height.0, &evidence);
                if self
                    .height()
                    .is_ok_and(|height| height >= certificate.height.0)
                {
                    self.memory.waiting = Some(reply);
                }
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let values = self.decided(range.start().0, range.end().0);
                let _ = reply.send(values.unwrap_or_default());
            }
            AppMsg::ProcessSyncedValue {
                height,
                round,
                proposer,
                value_bytes,
                reply,
            } => {
                let outcome = self.judge_synced(height, round, proposer, &value_bytes);
                let _ = reply.send(outcome);
            }
        }
    }

    /// Lets the engine begin the next height, if it waits for that and there is a reason. Says
    /// when to look again.
    fn begin_next(&mut self) -> Result<Option<Instant>, Fault> {
        if self.memory.waiting.is_none() || self.memory.halted {
            return Ok(None);
        }
        let view = self.shared.ledger.view()?;
        let next = view.head()?.header.height + 1;
        if self.memory.shown < next {
            let pool = self.shared.pool();
            if !pool.has_ready(|account| view.sequence(account))? {
                return Ok(None);
            }
            let pace = &mut self.memory.pace;
            if !pace.is_time(pool.len(), Instant::now()) {
                return Ok(pace.due());
            }
        }
        if let Some(reply) = self.memory.waiting.take() {
            let _ = reply.send(Next::Start(Height(next), self.params()));
        }
        Ok(None)
    }

    fn params(&self) -> HeightParams<Chain> {
        HeightParams::new(self.validators.clone(), self.timeouts, None)
    }

    fn height(&self) -> Result<u64, Fault> {
        Ok(self.shared.ledger.view()?.head()?.header.height)
    }

    /// The first block that validators agreed on in rounds: what one validator signed alone
    /// before, the engine cannot check. Nodes that need it follow a node that has it.
    fn first_with_round(&self) -> Result<u64, Fault> {
        let view = self.shared.ledger.view()?;
        let (mut low, mut high) = (1, view.head()?.header.height + 1);
        while low < high {
            let middle = low.midpoint(high);
            let head = view.head_at(middle)?;
            match head.is_some_and(|head| head.certificate.round.is_some()) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(low)
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn note_round(&self, height: u64, round: Round, proposer: AccountId) {
        let mut standing = self.shared.standing();
        standing.height = height;
        standing.round = round.as_u32();
        standing.proposer = Some(proposer);
        standing.counters.further_rounds += u64::from(round > Round::ZERO);
    }

    fn trouble(&self, what: String) {
        self.shared.standing().trouble = Some(what);
    }

    async fn publish(
        &self,
        message: malachite::app::streaming::StreamMessage<super::context::Part>,
    ) {
        // An engine that ended sends nothing; the node is on its way out.
        if let Some(wire) = self.shared.wire() {
            let _ = wire.send(NetworkMsg::PublishProposalPart(message)).await;
        }
    }
}
