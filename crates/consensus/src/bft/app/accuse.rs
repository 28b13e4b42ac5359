//! What proves that a validator contradicted itself: kept, and put on the ledger, whose state
//! machine punishes it once.

use base::{
    Operation, Signed,
    operation::{DoubleSign, SignedWord, Word},
};
use ledger::Fault;
use malachite::app::{
    consensus::{MisbehaviorEvidence, SignedConsensusMsg},
    types::codec::Codec as _,
    types::core::{SignedProposal, SignedVote},
};
use serde_bytes::ByteBuf;
use std::time::{Duration, Instant};

use super::App;
use crate::bft::{codec::Spelling, context::Chain, intake::Incoming, signing};

/// A proof on its way onto the ledger.
pub(super) struct Accusation {
    proof: DoubleSign,
    /// When this node sends it, unless another did before.
    due: Instant,
}

impl App {
    /// Keeps what proves that a validator signed two things of which it may sign one.
    pub(super) fn keep_evidence(&mut self, height: u64, evidence: &MisbehaviorEvidence<Chain>) {
        let votes = evidence.votes.iter().flat_map(|(_, pairs)| pairs);
        for (one, other) in votes {
            self.accuse(of_votes(one, other));
            let pair = [one, other].map(|vote| SignedConsensusMsg::Vote(vote.clone()));
            self.keep_pair(height, &pair);
        }
        let proposals = evidence.proposals.iter().flat_map(|(_, pairs)| pairs);
        for (one, other) in proposals {
            self.accuse(of_proposals(one, other));
            let pair = [one, other].map(|it| SignedConsensusMsg::Proposal(it.clone()));
            self.keep_pair(height, &pair);
        }
    }

    fn keep_pair(&self, height: u64, pair: &[SignedConsensusMsg<Chain>]) {
        let spelt: Vec<_> = pair
            .iter()
            .filter_map(|message| Spelling.encode(message).ok())
            .map(|bytes| ByteBuf::from(bytes.to_vec()))
            .collect();
        match self.journal.accuse(height, &base::codec::encode(&spelt)) {
            Ok(()) => self.shared.standing().accusations += 1,
            Err(error) => self.trouble(format!("a proof cannot be kept: {error}")),
        }
    }

    /// One validator after the other gets time to send it, so that one operation does.
    fn accuse(&mut self, proof: Option<DoubleSign>) {
        let Some(proof) = proof.filter(|_| self.memory.accusations.len() < MOST) else {
            return;
        };
        let same = |it: &Accusation| {
            (it.proof.validator, it.proof.height) == (proof.validator, proof.height)
        };
        if self.memory.accusations.iter().any(same) {
            return;
        }
        let place = self.validators.place(self.ring.account).unwrap_or(MOST);
        let due = Instant::now() + EACH * u32::try_from(place).unwrap_or(u32::MAX).min(64);
        self.memory.accusations.push(Accusation { proof, due });
    }

    /// Sends what is due, and forgets what was punished.
    pub(super) fn send_accusations(&mut self) -> Result<(), Fault> {
        if self.memory.accusations.is_empty() {
            return Ok(());
        }
        let view = self.shared.ledger.view()?;
        let mut left = Vec::new();
        for accusation in std::mem::take(&mut self.memory.accusations) {
            let DoubleSign {
                validator, height, ..
            } = accusation.proof;
            if view.punishment(validator, height)?.is_none() {
                left.push(accusation);
            }
        }
        let now = Instant::now();
        if let Some(due) = left.iter_mut().find(|it| it.due <= now) {
            due.due = now + AGAIN;
            let account = self.ring.account;
            let key = view.account(account)?.and_then(|it| it.operation_key());
            if let Some(secret) = key.and_then(|key| self.ring.secret(&key)) {
                let operation = Operation {
                    chain: self.shared.ledger.genesis().chain(),
                    account,
                    delegation: None,
                    sequence: view.sequence(account)? + 1,
                    action: due.proof.into(),
                };
                let _ = self.intake.try_send(Incoming {
                    bytes: Signed::new(operation, &secret).to_bytes().0,
                    waiter: Some(Box::new(drop)), // nobody waits: it is looked for
                });
            }
        }
        self.memory.accusations = left;
        Ok(())
    }
}

fn of_votes(one: &SignedVote<Chain>, other: &SignedVote<Chain>) -> Option<DoubleSign> {
    let word = |vote: &SignedVote<Chain>| SignedWord {
        word: signing::word_of_vote(&vote.message),
        signature: vote.signature.0,
    };
    proof(
        &one.message.place(),
        &other.message.place(),
        [word(one), word(other)],
    )
}

fn of_proposals(one: &SignedProposal<Chain>, other: &SignedProposal<Chain>) -> Option<DoubleSign> {
    let word = |proposal: &SignedProposal<Chain>| SignedWord {
        word: Word::Proposal {
            block: proposal.message.value.0,
            valid_round: proposal.message.pol_round.as_u32(),
        },
        signature: proposal.signature.0,
    };
    proof(
        &one.message.place(),
        &other.message.place(),
        [word(one), word(other)],
    )
}

/// Who, for which height and round.
type Place = (base::AccountId, u64, Option<u32>);

/// None of words that the ledger does not punish: two proposals of one block, for example.
fn proof(one: &Place, other: &Place, mut words: [SignedWord; 2]) -> Option<DoubleSign> {
    words.sort_by_key(|signed| signed.word);
    let (validator, height, round) = *one;
    let contradicts = words[0].word.contradicts(&words[1].word);
    (one == other && contradicts).then_some(DoubleSign {
        validator,
        height,
        round: round?,
        words,
    })
}

/// Proofs that wait at once: what a validator does beyond that is punished with these.
const MOST: usize = 64;
/// How long each validator in turn has to send a proof.
const EACH: Duration = Duration::from_secs(1);
/// Pause before a proof is sent again, with another number.
const AGAIN: Duration = Duration::from_secs(10);
