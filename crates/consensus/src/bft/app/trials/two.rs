//! Two nodes of four: one builds blocks, the other hears of them and of operations.

use malachite::{
    AppMsg,
    app::{
        streaming::StreamMessage,
        types::core::{Round, Validity},
    },
};
use std::{
    sync::{Arc, atomic::AtomicU64, mpsc::Receiver},
    time::Duration,
};
use tokio::runtime::Runtime;

use super::{
    people::{START, account, validator},
    rig::{Rig, peer},
};
use crate::{
    bft::{
        context::{Address, Height, Part},
        intake::Incoming,
        proposed::Proposed,
    },
    sequencer::{Fate, told},
};

pub struct Two {
    runtime: Runtime,
    /// Validator 0.
    pub builder: Rig,
    /// Validator 1.
    pub other: Rig,
}

impl Two {
    pub fn new() -> Self {
        let time = Arc::new(AtomicU64::new(START + 1));
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap(),
            builder: Rig::new(0, &time),
            other: Rig::new(1, &time),
        }
    }

    /// The first block, that the builder makes for the `turn`-th round that is its own, and the
    /// parts that it tells others of it.
    pub fn block(&mut self, turn: usize) -> (Proposed, Vec<StreamMessage<Part>>) {
        let own = Address(account(&validator(0)));
        let validators = &self.builder.app().validators;
        let mut rounds = (0..).filter(|round| validators.proposer(1, *round).address == own);
        let round = rounds.nth(turn).unwrap();
        let asked = self.builder.ask(&self.runtime, |reply| AppMsg::GetValue {
            height: Height(1),
            round: Round::new(round),
            timeout: Duration::from_secs(1),
            reply,
        });
        assert!(asked.is_some(), "it has no block");
        let block = self.builder.app().journal.own(1, round).unwrap().unwrap();
        (block, self.builder.sent())
    }

    /// What the other thinks of the blocks that are among these parts.
    pub fn hears(&mut self, parts: Vec<StreamMessage<Part>>) -> Vec<Validity> {
        let mut values = Vec::new();
        for part in parts {
            let value = self
                .other
                .ask(&self.runtime, |reply| AppMsg::ReceivedProposalPart {
                    from: peer(0),
                    published_by: Some(peer(0)),
                    part,
                    reply,
                });
            values.extend(value.unwrap().map(|value| value.validity));
        }
        values
    }
}

/// A party gives its operation to this node, which also takes in what others have told.
pub fn given(rig: &mut Rig, bytes: Vec<u8>) -> Receiver<Fate> {
    let (waiter, fate) = told();
    rig.take_in(Some(Incoming {
        bytes,
        waiter: Some(waiter),
    }));
    fate
}

/// Operations that a node verified, and those that wait at it.
pub fn counts(rig: &Rig) -> (u64, usize) {
    let shared = &rig.app().shared;
    let verified = shared.standing().counters.verified;
    (verified, shared.pool().len())
}
