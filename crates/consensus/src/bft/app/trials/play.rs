//! One schedule.

use base::{Digest, Millis, OperationId, Signed, SignedOperation, Statement as _};
use ledger::{Commit, Slot};
use malachite::{
    AppMsg,
    app::{
        consensus::{MisbehaviorEvidence, Role},
        engine::host::{Next, SyncedValueOutcome},
        streaming::StreamMessage,
        types::{
            ProposedValue,
            core::{CommitCertificate, CommitSignature, Round, Validity, VoteExtensions},
        },
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver},
    },
    time::Duration,
};
use tokio::{runtime::Runtime, sync::oneshot};

use super::{
    people::{self, START, account, genesis, operation, validator},
    random::Random,
    rig::{Rig, peer},
};
use crate::{
    bft::{
        context::{Address, BlockId, Chain, Height, Part, Start},
        intake::Incoming,
        proposed::Proposed,
        signing::Signed as Signature,
        stream::Numbers,
    },
    sequencer::{Fate, told},
};

/// What happened, so that a test can see that something did.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    pub blocks: u64,
    pub acknowledged: u64,
    pub restarts: u64,
    /// Asked for a value of a height and round again.
    pub asked_again: u64,
    pub synced: u64,
    /// Blocks that got no vote.
    pub refused: u64,
    pub lost_parts: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.acknowledged += other.acknowledged;
        self.restarts += other.restarts;
        self.asked_again += other.asked_again;
        self.synced += other.synced;
        self.refused += other.refused;
        self.lost_parts += other.lost_parts;
    }
}

/// A part on its way.
#[derive(Clone)]
struct Flying {
    from: usize,
    to: usize,
    part: StreamMessage<Part>,
}

type Waiter = (OperationId, Receiver<Fate>);

/// Two applications, validators 0 and 1; of 2 and 3 only the keys are here: they propose, and
/// may lie, but one of them at most signs what does not hold.
pub struct Play {
    random: Random,
    runtime: Runtime,
    time: Arc<AtomicU64>,
    rigs: [Rig; 2],
    strangers: Numbers,
    flying: Vec<Flying>,
    /// The decided blocks, from height 1 on.
    chain: Vec<(Proposed, CommitCertificate<Chain>)>,
    /// Blocks that hold, by height: with the rounds in which somebody found so.
    hold: BTreeMap<(u64, BlockId), (Proposed, BTreeSet<u32>)>,
    /// Blocks that were made to be wrong.
    wrong: BTreeSet<BlockId>,
    /// What each application has proposed.
    promised: BTreeMap<(usize, u64, u32), BlockId>,
    /// What each engine has in its log: it may decide on these without asking again.
    heard: [BTreeSet<(u64, BlockId)>; 2],
    next: [Option<oneshot::Receiver<Next<Chain>>>; 2],
    sent: Vec<SignedOperation>,
    sent_ids: BTreeSet<OperationId>,
    waiters: Vec<Waiter>,
    acknowledged: BTreeSet<OperationId>,
    seen: Seen,
}

const PATIENTS: [&str; 3] = ["ann", "bob", "cyd"];
const STEPS: u64 = 220;

impl Play {
    pub fn run(seed: u64) -> Seen {
        let time = Arc::new(AtomicU64::new(START + 1));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut play = Self {
            random: Random::new(seed),
            runtime,
            rigs: [Rig::new(0, &time), Rig::new(1, &time)],
            time,
            strangers: Numbers::new(seed),
            flying: Vec::new(),
            chain: Vec::new(),
            hold: BTreeMap::new(),
            wrong: BTreeSet::new(),
            promised: BTreeMap::new(),
            heard: Default::default(),
            next: [None, None],
            sent: Vec::new(),
            sent_ids: BTreeSet::new(),
            waiters: Vec::new(),
            acknowledged: BTreeSet::new(),
            seen: Seen::default(),
        };
        for _ in 0..STEPS {
            play.step();
            play.look();
        }
        play.end();
        play.seen
    }

    fn step(&mut self) {
        let at = self.random.below(2) as usize;
        match self.random.below(24) {
            0..=4 => self.submit(at),
            5..=9 => self.deliver(),
            10 => self.started_round(at),
            11..=13 => self.get_value(at),
            14 | 15 => self.stranger_proposes(at),
            16 => self.restream(at),
            17 | 18 => self.choose(),
            19 | 20 => self.decided(at),
            21 => self.sync(at),
            22 => match self.random.once_in(2) {
                true => self.restart(at),
                false => self.rigs[at].take_in(None),
            },
            _ => {
                self.time
                    .fetch_add(self.random.below(400), Ordering::Relaxed);
                self.rigs[at].tick(&self.runtime);
            }
        }
        self.collect();
    }

    /// What the applications told others is on its way, from each to the other.
    fn collect(&mut self) {
        for from in 0..2 {
            let parts = self.rigs[from].sent();
            self.flying.extend(parts.into_iter().map(|part| Flying {
                from,
                to: 1 - from,
                part,
            }));
        }
        // Nobody keeps more.
        while self.flying.len() > 200 {
            self.flying.remove(0);
            self.seen.lost_parts += 1;
        }
    }

    fn submit(&mut self, at: usize) {
        let operation = match self.random.maybe(&self.sent) {
            // Again, whatever became of it.
            Some(before) if self.random.once_in(4) => before,
            _ => {
                let name = self.random.pick(&PATIENTS);
                let account = account(&people::secret(name));
                let view = self.rigs[at].ledger().view().unwrap();
                let used = view.sequence(account).unwrap();
                let (ahead, twist) = (self.random.below(3), self.random.below(2) as u8);
                operation(&genesis(), name, used + 1 + ahead, twist)
            }
        };
        let (bytes, id) = operation.to_bytes();
        let (waiter, receipt) = told();
        self.rigs[at].take_in(Some(Incoming {
            bytes,
            waiter: Some(waiter),
        }));
        self.sent.push(operation);
        self.sent_ids.insert(id);
        self.waiters.push((id, receipt));
    }

    /// A part arrives, in any order; some are lost, some come twice.
    fn deliver(&mut self) {
        for _ in 0..=self.random.below(6) {
            if self.flying.is_empty() {
                return;
            }
            // Mostly the oldest.
            let at = match self.random.once_in(3) {
                true => self.random.below(self.flying.len() as u64) as usize,
                false => 0,
            };
            let Flying { from, to, part } = match self.random.once_in(8) {
                true => self.flying[at].clone(),
                false => self.flying.remove(at),
            };
            if self.random.once_in(12) {
                self.seen.lost_parts += 1;
                continue;
            }
            let value = self.rigs[to].ask(&self.runtime, |reply| AppMsg::ReceivedProposalPart {
                from: peer(from),
                published_by: Some(peer(from)),
                part,
                reply,
            });
            self.hear(to, value.unwrap());
        }
    }

    /// An application says what it thinks of a block; its engine keeps that.
    fn hear(&mut self, at: usize, value: impl IntoIterator<Item = ProposedValue<Chain>>) {
        for value in value {
            let (height, id) = (value.height.0, value.value);
            assert_eq!(height, self.rigs[at].next(), "a block that is not in turn");
            if value.validity == Validity::Invalid {
                self.seen.refused += 1;
                continue;
            }
            assert!(!self.wrong.contains(&id), "a wrong block gets a vote");
            let app = self.rigs[at].app();
            // What it would vote for it has on its disk.
            let block = app.journal.block(height, id).unwrap().unwrap();
            let rounds = self.hold.entry((height, id));
            let (_, rounds) = rounds.or_insert((block, BTreeSet::new()));
            rounds.extend(value.round.as_u32());
            self.heard[at].insert((height, id));
        }
    }

    fn started_round(&mut self, at: usize) {
        let height = self.rigs[at].next();
        let round = self.random.below(4) as u32;
        let proposer = self.turn(at, height, round);
        let values = self.rigs[at].ask(&self.runtime, |reply_value| AppMsg::StartedRound {
            height: Height(height),
            round: Round::new(round),
            proposer,
            role: Role::Validator,
            reply_value,
        });
        self.hear(at, values.unwrap());
    }

    fn turn(&self, at: usize, height: u64, round: u32) -> Address {
        self.rigs[at]
            .app()
            .validators
            .proposer(height, round)
            .address
    }

    /// A round up to 8 in which it is this validator's turn.
    fn round_of(&mut self, at: usize, whose: usize) -> u32 {
        let height = self.rigs[at].next();
        let address = Address(account(&validator(whose)));
        let rounds = (0..8).filter(|round| self.turn(at, height, *round) == address);
        let rounds: Vec<_> = rounds.collect();
        self.random.pick(&rounds)
    }

    fn get_value(&mut self, at: usize) {
        let (height, round) = (self.rigs[at].next(), self.round_of(at, at));
        let value = self.rigs[at].ask(&self.runtime, |reply| AppMsg::GetValue {
            height: Height(height),
            round: Round::new(round),
            timeout: Duration::from_secs(1),
            reply,
        });
        let id = value.expect("it has no block").value;
        if let Some(before) = self.promised.insert((at, height, round), id) {
            assert_eq!(
                before, id,
                "two blocks of height {height} and round {round}"
            );
            self.seen.asked_again += 1;
        }
        let block = self.rigs[at]
            .app()
            .journal
            .block(height, id)
            .unwrap()
            .unwrap();
        let (_, rounds) = (self.hold.entry((height, id))).or_insert((block, BTreeSet::new()));
        rounds.insert(round);
        // Killed before it could vote, or say anything.
        if self.random.once_in(4) {
            if self.random.once_in(2) {
                self.collect();
            }
            self.restart(at);
        } else {
            self.heard[at].insert((height, id));
        }
    }

    /// One of the others proposes, by what the application `at` has in its pool.
    fn stranger_proposes(&mut self, at: usize) {
        let who = 2 + self.random.below(2) as usize;
        let round = self.round_of(at, who);
        let app = self.rigs[at].app();
        let (view, pool) = (app.shared.ledger.view().unwrap(), app.shared.pool());
        let picked = pool
            .pick(4, 4_000, |account| view.sequence(account))
            .unwrap();
        drop(pool);
        let before = view.head().unwrap().header;
        let time = Millis(self.time.load(Ordering::Relaxed)).max(before.time.plus(1));
        let secret = validator(who);
        let slot = Slot {
            proposer: account(&secret),
            round: NonZeroU32::new(round),
        };
        let pending = app.shared.ledger.propose(picked, time, slot).unwrap();
        let blank = pending.header().certify(&secret);
        let mut header = pending.header().clone();
        let leaves = pending.to_block(blank).leaves;
        let lies = self.random.once_in(3);
        if lies {
            match self.random.below(9) {
                0 => header.state_hash = Digest([9; 32]),
                1 => header.tree_root = Digest([9; 32]),
                2 => header.time = header.time.plus(people::DRIFT * 10),
                3 => header.first_leaf += 1,
                4 => header.tree_size += 1,
                5 => header.previous = None,
                6 => header.round = NonZeroU32::new(round + 1),
                7 => header.proposer = account(&validator(5 - who)),
                _ => header.time = before.time,
            }
        }
        let block = Proposed::of(header, leaves);
        if lies {
            self.wrong.insert(block.id());
        }
        let bytes = block.to_bytes();
        let start = Start {
            chain: block.header.chain,
            account: account(&secret),
            block: block.id().0,
            height: block.header.height,
            round,
            valid_round: None,
            length: bytes.len() as u64,
        };
        for part in self.strangers.cut(Signed::new(start, &secret), &bytes) {
            for to in 0..2 {
                self.flying.push(Flying {
                    from: who,
                    to,
                    part: part.clone(),
                });
            }
        }
    }

    fn restream(&mut self, at: usize) {
        let height = self.rigs[at].next();
        let hold = self.hold.range((height, BlockId(Digest([0; 32])))..);
        let hold = hold.take_while(|((found, _), _)| *found == height);
        let known: Vec<_> = hold
            .filter_map(|((_, id), (_, rounds))| Some((*id, *rounds.first()?)))
            .collect();
        let Some((value_id, valid)) = self.random.maybe(&known) else {
            return;
        };
        let round = valid + 1 + self.random.below(4) as u32;
        let address = self.turn(at, height, round);
        let message = AppMsg::RestreamProposal {
            height: Height(height),
            round: Round::new(round),
            valid_round: Round::new(valid),
            address,
            value_id,
        };
        self.rigs[at].tell(&self.runtime, message);
    }

    /// The validators decide on a block that holds.
    fn choose(&mut self) {
        let height = self.chain.len() as u64 + 1;
        let hold: Vec<_> = (self.hold.iter())
            .filter(|((found, _), _)| *found == height)
            .map(|((_, id), (block, rounds))| (*id, block.clone(), rounds.clone()))
            .collect();
        let Some((id, block, rounds)) = self.random.maybe(&hold) else {
            return;
        };
        let last = rounds.last().copied().unwrap_or_default();
        let round = last + self.random.below(3) as u32;
        let word = Commit {
            chain: genesis().chain(),
            height,
            round,
            header: id.cid(),
        };
        let silent = self.random.below(5) as usize; // 4: nobody
        let signed = (0..4).filter(|at| *at != silent).map(|at| {
            let secret = validator(at);
            let signature = Signature(secret.sign(&word.preimage()));
            CommitSignature::new(Address(account(&secret)), signature)
        });
        let certificate = CommitCertificate {
            height: Height(height),
            round: Round::new(round),
            value_id: id,
            commit_signatures: signed.collect(),
        };
        self.chain.push((block, certificate));
        self.seen.blocks += 1;
    }

    /// The engine tells of a decision, once or twice, and that it is final.
    fn decided(&mut self, at: usize) {
        let height = self.rigs[at].next();
        let Some((block, certificate)) = self.chain.get(height as usize - 1).cloned() else {
            return;
        };
        if !self.heard[at].contains(&(height, block.id())) {
            return;
        }
        let times = 1 + u64::from(self.random.once_in(4));
        for _ in 0..times {
            let done = self.rigs[at].ask(&self.runtime, |reply| AppMsg::Decided {
                certificate: certificate.clone(),
                extensions: VoteExtensions::default(),
                reply,
            });
            assert!(done.is_some(), "a decision is not committed");
        }
        assert_eq!(self.rigs[at].head().header, block.header);
        if self.random.once_in(5) {
            return self.restart(at); // before it was final
        }
        let (reply, answer) = oneshot::channel();
        let message = AppMsg::Finalized {
            certificate,
            extensions: VoteExtensions::default(),
            evidence: MisbehaviorEvidence {
                proposals: Default::default(),
                votes: Default::default(),
            },
            reply,
        };
        self.rigs[at].tell(&self.runtime, message);
        self.next[at] = Some(answer);
    }

    /// One that is behind is given blocks by another, who may lie.
    fn sync(&mut self, at: usize) {
        let height = self.rigs[at].next();
        let Some((block, certificate)) = self.chain.get(height as usize - 1).cloned() else {
            return;
        };
        let values = self.rigs[1 - at].ask(&self.runtime, |reply| AppMsg::GetDecidedValues {
            range: Height(height)..=Height(height + 3),
            reply,
        });
        let given = values
            .unwrap()
            .first()
            .map(|value| value.value_bytes.to_vec());
        if let Some(bytes) = &given {
            assert_eq!(*bytes, block.to_bytes());
        }
        let mut bytes = given.unwrap_or_else(|| block.to_bytes());
        let lies = self.random.once_in(4);
        if lies {
            let place = self.random.below(bytes.len() as u64) as usize;
            bytes[place] ^= 1 << self.random.below(8);
        }
        let outcome = self.rigs[at].ask(&self.runtime, |reply| AppMsg::ProcessSyncedValue {
            height: Height(height),
            round: certificate.round,
            proposer: Address(block.header.proposer),
            value_bytes: bytes.into(),
            reply,
        });
        match outcome.unwrap() {
            // The engine compares the hash with the certificate's.
            SyncedValueOutcome::Verdict(value) if value.value == block.id() => {
                assert_eq!(value.validity, Validity::Valid);
                self.hear(at, [value]);
                self.seen.synced += 1;
            }
            SyncedValueOutcome::Verdict(_) | SyncedValueOutcome::PeerFault => assert!(lies),
            SyncedValueOutcome::LocalTransientError => panic!("it cannot tell"),
        }
        if self.random.once_in(6) {
            self.restart(at); // between what it said and the decision
        }
    }

    fn restart(&mut self, at: usize) {
        let before = self.rigs[at].head();
        self.next[at] = None;
        let power = self.random.once_in(2);
        self.rigs[at].restart(power);
        assert_eq!(self.rigs[at].head(), before);
        let runtime = &self.runtime;
        let ready = self.rigs[at].ask(runtime, |reply| AppMsg::ConsensusReady { reply });
        assert_eq!(ready.unwrap().0.0, before.header.height + 1);
        self.seen.restarts += 1;
    }

    /// What must hold at any time.
    fn look(&mut self) {
        for at in 0..2 {
            let rig = &self.rigs[at];
            let standing = rig.app().shared.standing().clone();
            assert_eq!(standing.conflict, None);
            assert!(standing.counters.verified <= self.sent_ids.len() as u64);
            assert!(rig.kept.lock().unwrap().is_empty());
            let head = rig.head();
            let height = head.header.height as usize;
            if height > 0 {
                assert_eq!(head.header, self.chain[height - 1].0.header);
            }
            let answered = self.next[at].as_mut().and_then(|next| next.try_recv().ok());
            if let Some(answered) = answered {
                let Next::Start(begun, _) = answered else {
                    panic!("it wants the height again");
                };
                assert_eq!(begun.0, head.header.height + 1);
                self.next[at] = None;
            }
        }
        let validators = self.rigs[0].ledger().validators();
        let sent = &self.sent;
        let acknowledged = &mut self.acknowledged;
        self.waiters
            .retain(|(id, receipt)| match receipt.try_recv() {
                Ok(Ok(receipt)) => {
                    let operation = sent.iter().find(|sent| sent.to_bytes().1 == *id).unwrap();
                    receipt.verify(&validators, operation).unwrap();
                    acknowledged.insert(*id);
                    false
                }
                Ok(Err(_)) | Err(mpsc::TryRecvError::Disconnected) => false,
                Err(mpsc::TryRecvError::Empty) => true,
            });
    }

    /// Both are given everything that was decided: one ledger, each operation in it once, all
    /// that were acknowledged.
    fn end(&mut self) {
        for at in 0..2 {
            while self.rigs[at].next() <= self.chain.len() as u64 {
                self.sync(at);
                self.decided(at);
                self.look();
            }
        }
        assert_eq!(self.rigs[0].head().header, self.rigs[1].head().header);
        let view = self.rigs[0].ledger().view().unwrap();
        let mut logged = BTreeSet::new();
        for (at, (block, _)) in self.chain.iter().enumerate() {
            let stored = view.block(at as u64 + 1).unwrap().unwrap();
            assert_eq!(stored.head.header, block.header);
            for leaf in &stored.leaves {
                let leaf: ledger::Leaf = base::codec::decode(leaf).unwrap();
                let id = leaf.operation.to_bytes().1;
                assert!(logged.insert(id), "{id} is in the log twice");
            }
        }
        assert_eq!(view.head().unwrap().header.tree_size, logged.len() as u64);
        let lost: Vec<_> = self.acknowledged.difference(&logged).collect();
        assert!(lost.is_empty(), "acknowledged and not in the log: {lost:?}");
        self.seen.acknowledged = self.acknowledged.len() as u64;
    }
}
