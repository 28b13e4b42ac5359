//! Blocks of others: whether to vote for them.

use base::{AccountId, Signed};
use ledger::BlockFault;
use malachite::app::{
    engine::host::SyncedValueOutcome,
    streaming::{StreamContent, StreamMessage},
    types::{
        PeerId, ProposedValue,
        core::{Round, Validity},
    },
};

use super::{App, Early, Known};
use crate::bft::{
    context::{Address, BlockId, Chain, Height, Part, Start},
    intake,
    proposed::{Proposed, Unfit, distance},
};

impl App {
    /// A part from the network; gives the value when it completes a block that is in turn.
    pub(super) fn receive(
        &mut self,
        publisher: PeerId,
        message: StreamMessage<Part>,
    ) -> Option<ProposedValue<Chain>> {
        match message.content {
            StreamContent::Data(Part::Operations(operations)) => {
                intake::offer(&self.intake, operations);
                None
            }
            StreamContent::Data(Part::Tip(tip)) => {
                self.observe(*tip);
                None
            }
            _ => {
                let (start, bytes) = self.memory.streams.take(publisher, message)?;
                self.complete(start, &bytes)
            }
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.height().unwrap_or_default() + 1
    }

    fn complete(&mut self, start: Signed<Start>, bytes: &[u8]) -> Option<ProposedValue<Chain>> {
        let next = self.next();
        let signed = self.is_signed(&start);
        let body = start.body;
        // Of a later height it may be signed by who is a validator, or with a key that is
        // one's, only then.
        if body.height < next || body.height > next + MAX_EARLY || !signed && body.height == next {
            return None;
        }
        let block = Proposed::parse(bytes).ok()?;
        let header = &block.header;
        let chain = self.shared.ledger.genesis().chain();
        let of = (header.chain, header.height, block.id().0);
        if body.chain != chain || (body.chain, body.height, body.block) != of {
            return None;
        }
        if body.height == next {
            self.memory.shown = self.memory.shown.max(next);
            return self.value(block, body);
        }
        self.keep_early(Early {
            start,
            signed,
            block,
        });
        None
    }

    fn is_signed(&self, start: &Signed<Start>) -> bool {
        let key = self.validators.key(start.body.account);
        key.is_some_and(|key| start.clone().verify(&key).is_ok())
    }

    /// Strangers' blocks take no room from validators'.
    fn keep_early(&mut self, early: Early) {
        let waiting = &mut self.memory.early;
        if early.signed {
            self.memory.shown = self.memory.shown.max(early.start.body.height - 1);
        } else if waiting.iter().any(|other| !other.signed) {
            return;
        }
        if waiting.len() >= MAX_WAITING {
            let strange = waiting.iter().position(|other| !other.signed);
            waiting.remove(strange.unwrap_or(0));
        }
        waiting.push(early);
    }

    /// What is thought of a block that is in turn; kept before anybody is told.
    fn value(&mut self, block: Proposed, start: Start) -> Option<ProposedValue<Chain>> {
        let proposer = block.header.proposer;
        let id = block.id();
        let (round, valid_round) = (Round::new(start.round), Round::from(start.valid_round));
        let in_turn = match start.valid_round {
            // A block that is shown for the first time is of whose turn it is; the turn that
            // it names is looked at when it is executed.
            None => block.header.round() == start.round && start.account == proposer,
            Some(valid_round) => block.header.round() <= valid_round,
        };
        let far = distance(block.header.time, self.now()) > self.shared.ledger.genesis().drift;
        let fits = in_turn && !far && self.may_bring(id, start.account);
        let valid = match fits.then(|| self.execute(block)) {
            None | Some(Verdict::Fails) => false,
            Some(Verdict::Holds) => true,
            Some(Verdict::Torn | Verdict::Unknown) => return None,
        };
        if !valid {
            self.shared.standing().counters.refused += 1;
        }
        Some(ProposedValue {
            height: Height(start.height),
            round,
            valid_round,
            proposer: Address(proposer),
            value: id,
            validity: Validity::from_bool(valid),
        })
    }

    /// A validator that makes many blocks of one height gets no vote for more.
    fn may_bring(&mut self, id: BlockId, account: AccountId) -> bool {
        if self.memory.blocks.contains_key(&id) {
            return true;
        }
        let rounds = self.shared.standing().round.unwrap_or_default();
        let brought = self.memory.brought.entry(account).or_default();
        *brought = brought.saturating_add(1);
        *brought <= rounds.saturating_mul(2).saturating_add(MAX_BROUGHT)
    }

    fn execute(&mut self, block: Proposed) -> Verdict {
        let id = block.id();
        if let Some(known) = self.memory.blocks.get(&id) {
            return match &known.found {
                _ if known.block != block => Verdict::Torn, // two cannot be of one header
                Ok(_) => Verdict::Holds,
                Err(_) => Verdict::Fails,
            };
        }
        let found = match block.execute(&self.shared) {
            Ok(executed) => Ok(executed),
            Err(Unfit::Invalid(fault)) => Err(fault),
            Err(Unfit::Torn) => return Verdict::Torn,
            Err(Unfit::NotNext) => return Verdict::Unknown,
            Err(Unfit::Unread(fault)) => {
                self.trouble(fault.to_string());
                return Verdict::Unknown;
            }
        };
        let verdict = match &found {
            Ok(_) => Verdict::Holds,
            Err(fault) => {
                self.trouble(refused(&block, fault));
                Verdict::Fails
            }
        };
        if found.is_ok()
            && let Err(error) = self.journal.keep(&block, None, block.header.height - 1)
        {
            self.trouble(format!(
                "a block cannot be kept, so it gets no vote: {error}"
            ));
            return Verdict::Unknown;
        }
        self.memory.blocks.insert(id, Known { block, found });
        verdict
    }

    /// Blocks that came early and are in turn now.
    pub(super) fn judge_early(&mut self, height: u64) -> Vec<ProposedValue<Chain>> {
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.memory.early)
            .into_iter()
            .filter(|early| early.start.body.height >= height)
            .partition(|early| early.start.body.height == height);
        self.memory.early = later;
        now.into_iter()
            .filter_map(|early| {
                let signed = self.is_signed(&early.start);
                signed.then(|| self.value(early.block, early.start.body))?
            })
            .collect()
    }

    /// A block that a certificate came with. How long ago it was made does not matter.
    pub(super) fn judge_synced(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        bytes: &[u8],
    ) -> SyncedValueOutcome<Chain> {
        let Ok(block) = Proposed::parse(bytes) else {
            return SyncedValueOutcome::PeerFault;
        };
        if block.header.height != height.0 {
            return SyncedValueOutcome::PeerFault;
        }
        let value = block.id();
        let validity = match self.execute(block) {
            Verdict::Holds => Validity::Valid,
            Verdict::Fails => Validity::Invalid,
            Verdict::Torn => return SyncedValueOutcome::PeerFault,
            Verdict::Unknown => return SyncedValueOutcome::LocalTransientError,
        };
        SyncedValueOutcome::Verdict(ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value,
            validity,
        })
    }
}

/// What is found of a block.
enum Verdict {
    Holds,
    Fails,
    /// These are not the bytes of the block that has this header.
    Torn,
    /// Nothing can be told now.
    Unknown,
}

fn refused(block: &Proposed, fault: &BlockFault) -> String {
    let header = &block.header;
    format!(
        "block {} of {} gets no vote: {fault}",
        header.height, header.proposer
    )
}

/// How many heights ahead of its turn a block is kept.
const MAX_EARLY: u64 = 2;
/// Blocks that came early and are kept.
const MAX_WAITING: usize = 8;
/// New blocks of one validator for one height, and two more for each round that failed.
const MAX_BROUGHT: u32 = 4;
