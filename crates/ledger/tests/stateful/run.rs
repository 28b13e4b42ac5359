//! One run: a genesis, blocks of drawn operations, ledger and model side by side.

use base::{
    Millis, SignedOperation, Statement as _,
    genesis::{Genesis, Institution, Policy, Validator},
};
use ledger::{
    Block, Failure, Ledger, OpenOptions, Outcome, ProposeError, Receipt, Refusal, Seat, Slot,
    check_batch, replay,
};
use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc};

use super::{
    agree::{self, Agreement, same},
    device::Memory,
    draw::{Draw, policy},
    hpke, id,
    plain::{self, Plain, Verdict},
    random::Random,
    secret,
};

pub const START: u64 = 1_795_305_600_000; // 2026-11-22
const NODES: [&str; 4] = ["n0", "n1", "n2", "n3"];

/// What came about, for the reader and for [`Seen::check`].
#[derive(Default)]
pub struct Seen {
    kinds: BTreeMap<(&'static str, bool), u64>,
    failures: BTreeMap<Failure, u64>,
    refusals: BTreeMap<&'static str, u64>,
    blocks: u64,
}

impl Seen {
    pub fn operations(&self) -> u64 {
        self.kinds.values().sum::<u64>() + self.refusals.values().sum::<u64>()
    }

    /// `long`: every failure that a few operations can bring about, too.
    pub fn check(&self, long: bool) {
        let kinds = self.kinds.keys().map(|(name, _)| *name);
        let kinds: std::collections::BTreeSet<_> = kinds.collect();
        assert_eq!(kinds.len(), 36, "kinds of operations");
        for name in kinds {
            for ok in [true, false] {
                assert!(
                    self.kinds.contains_key(&(name, ok)),
                    "{name}: {ok} never seen"
                );
            }
        }
        assert_eq!(self.refusals.len(), 6, "{:?}", self.refusals);
        if long {
            let all = Failure::ALL.iter();
            let never: Vec<_> = all.filter(|it| !self.failures.contains_key(it)).collect();
            assert!(never.is_empty(), "never seen: {never:?}");
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operations, blocks) = (self.operations(), self.blocks);
        writeln!(f, "{operations} operations in {blocks} blocks")?;
        for ((name, ok), count) in &self.kinds {
            writeln!(
                f,
                "{name:18} {:6} {count:8}",
                if *ok { "ok" } else { "failed" }
            )?;
        }
        for (failure, count) in &self.failures {
            writeln!(f, "  {failure:?} {count}")?;
        }
        for (refusal, count) in &self.refusals {
            writeln!(f, "  refused: {refusal} {count}")?;
        }
        Ok(())
    }
}

fn kind(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed(_) => "Malformed",
        Refusal::WrongChain => "WrongChain",
        Refusal::UnknownAccount => "UnknownAccount",
        Refusal::BadSignature => "BadSignature",
        Refusal::WrongSequence { .. } => "WrongSequence",
        Refusal::Duplicate { .. } => "Duplicate",
        _ => "another",
    }
}

/// A way to spoil the model.
pub type ModelError = (&'static str, fn(&mut Plain));

pub const ERRORS: &[ModelError] = &[
    ("retires no scope", |model| model.rotated.clear()),
    ("forgets what was asked", |model| model.capsules.clear()),
    ("mints more", |model| model.policy.tariff.agent += 1),
    ("knows no caps", |model| {
        model.policy.cap_pair_day = u32::MAX
    }),
    ("gives every grant for ever", |model| {
        for grant in model.grants.values_mut() {
            grant.terms.expires = Millis(u64::MAX);
        }
    }),
    ("never lets a delegation end", |model| {
        for delegation in model.delegations.values_mut() {
            delegation.ended = None;
        }
    }),
    ("forgets recoveries", |model| model.recoveries.clear()),
    ("lets founders vote for ever", |model| {
        for id in model.founders.clone() {
            let key = plain::current(&model.accounts[&id]);
            model.deciding.insert(id, (key, 1_000.0));
        }
    }),
    ("forgets what a day cost", |model| model.missed.clear()),
];

/// Panics where ledger and model differ.
pub fn run(seed: u64, blocks: u64, seen: &mut Seen) {
    let mut pair = Pair::new(seed);
    for block in 0..blocks {
        let said = pair.block(seen).and_then(|()| pair.compare());
        let said = match block % 16 {
            15 => said
                .and_then(|()| pair.lists())
                .and_then(|()| pair.lose_power()),
            _ => said,
        };
        if let Err(difference) = said {
            pair.fail(seed, &difference);
        }
    }
    if let Err(difference) = pair.lists().and_then(|()| pair.replay()) {
        pair.fail(seed, &difference);
    }
}

/// Whether a model spoilt in this way after every block is found out.
pub fn disagrees(seed: u64, blocks: u64, error: &ModelError) -> bool {
    let mut pair = Pair::new(seed);
    (0..blocks).any(|_| {
        (error.1)(&mut pair.model);
        let said = pair.block(&mut Seen::default());
        said.and_then(|()| pair.compare()).is_err()
    })
}

const OPTIONS: OpenOptions = OpenOptions { cache: 1 << 20 };

struct Pair {
    genesis: Genesis,
    device: Memory,
    ledger: Ledger,
    model: Plain,
    draw: Draw,
    random: Random,
    /// The last operations, for whoever looks for a fault.
    last: Vec<String>,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nodes = &NODES[..random.pick(&[1, 1, 2, 3, 4])];
        let group = |random: &mut Random| random.pick(&[None, None, None, Some(1), Some(2)]);
        let founders = ["mercy", "general", "institute"];
        let genesis = Genesis {
            version: base::Version,
            network: "model".into(),
            created: Millis(START),
            drift: 5_000,
            validators: nodes
                .iter()
                .map(|name| Validator {
                    key: secret(name).public(),
                    hpke_key: hpke(name),
                })
                .collect(),
            institutions: founders
                .iter()
                .map(|name| Institution {
                    account: id(name),
                    group: group(&mut random),
                })
                .collect(),
            policy: match random.once_in(3) {
                true => Policy::default(),
                false => policy(&mut random),
            },
        };
        let device = Memory::default();
        let on = Arc::new(device.clone());
        Self {
            device,
            ledger: Ledger::create_on(on, &genesis, OPTIONS).unwrap(),
            model: Plain::new(&genesis),
            draw: Draw::new(genesis.chain(), nodes),
            genesis,
            random,
            last: Vec::new(),
        }
    }

    /// What was committed is there without what was not synced.
    fn lose_power(&mut self) -> Agreement {
        self.device.lose_power();
        let on = Arc::new(self.device.clone());
        self.ledger = Ledger::open_on(on, &self.genesis, OPTIONS).unwrap();
        self.compare()
    }

    /// One block of a few operations, drawn one after another as the model sees them.
    fn block(&mut self, seen: &mut Seen) -> Agreement {
        let last = self.model.time;
        let time = self.draw.time(&mut self.random, &self.model);
        self.model.begin(time);
        let mut batch = Vec::new();
        let mut verdicts = Vec::new();
        for _ in 0..self.random.pick(&[1, 1, 1, 2, 3, 8]) {
            let Some(signed) = self.draw.operation(&mut self.random, &self.model) else {
                continue;
            };
            let (bytes, verdict) = self.send(&signed);
            let action = signed.body.action.name();
            self.last
                .push(format!("{action} by {}: {verdict:?}", signed.body.account));
            verdicts.push((action, verdict));
            batch.push(bytes);
        }
        let before = self.ledger.view().unwrap().head().unwrap().header;
        let validators = self.ledger.validators();
        let round = self.random.pick(&[0, 0, 0, 0, 0, 1, 2, 9]);
        let missed = (0..round)
            .map(|round| validators.newest().proposer(before.height + 1, round))
            .map(|seat| seat.unwrap().account);
        let missed: Vec<_> = missed.collect();
        let fates = self.execute(batch, time, round)?;
        let mut taken = false;
        for ((action, verdict), fate) in verdicts.iter().zip(fates) {
            taken |= fate.is_ok();
            agree_on(action, verdict, &fate)?;
            match fate {
                Ok(receipt) => {
                    let ok = receipt.outcome.is_ok();
                    *seen.kinds.entry((action, ok)).or_default() += 1;
                    if let Some(failure) = receipt.outcome.failure() {
                        *seen.failures.entry(failure).or_default() += 1;
                    }
                    // Of several broken rules the ledger's choice is the one that stands.
                    let index = receipt.index as usize;
                    self.model.log[index].2 = receipt.outcome;
                }
                Err(refusal) => *seen.refusals.entry(kind(&refusal)).or_default() += 1,
            }
        }
        seen.blocks += u64::from(taken);
        match taken {
            true => self.model.end(&missed, before.cid()),
            false => self.model.forget(last),
        }
        Ok(())
    }

    /// An operation's bytes, sometimes spoilt on their way.
    fn send(&mut self, signed: &SignedOperation) -> (Vec<u8>, Verdict) {
        let mut bytes = signed.to_bytes().0;
        if !self.random.once_in(60) {
            return (bytes, self.model.take(signed));
        }
        let at = self.random.below(bytes.len() as u64) as usize;
        match self.random.below(3) {
            0 => bytes.truncate(at),
            1 => bytes.push(0),
            _ => bytes[at] ^= 1 << self.random.below(8),
        }
        // A flipped bit may still be an operation, of this or of another account: then it
        // is the model's turn. Otherwise nothing comes of it.
        match base::codec::decode::<SignedOperation>(&bytes) {
            Ok(spoilt) => {
                let verdict = self.model.take(&spoilt);
                (bytes, verdict)
            }
            Err(_) => (
                bytes,
                Verdict::Refused(vec![Refusal::Malformed(String::new())]),
            ),
        }
    }

    fn execute(
        &self,
        batch: Vec<Vec<u8>>,
        time: Millis,
        round: u32,
    ) -> Result<Vec<Result<Receipt, Refusal>>, String> {
        let view = self.ledger.view().unwrap();
        let head = view.head().unwrap().header;
        let checked = check_batch(batch, self.genesis.chain(), &view).unwrap();
        let refused: Vec<_> = checked
            .iter()
            .map(|it| it.as_ref().err().cloned())
            .collect();
        let good: Vec<_> = checked.into_iter().flatten().collect();
        let validators = self.ledger.validators();
        let turn = validators
            .newest()
            .proposer(head.height + 1, round)
            .unwrap();
        let proposer = Slot {
            proposer: turn.account,
            round: NonZeroU32::new(round),
        };
        // Time that does not increase is no time for a block.
        match self.ledger.propose(good.clone(), head.time, proposer) {
            Err(ProposeError::Time { .. }) => {}
            other => return Err(format!("a block at the time of the last: {other:?}")),
        }
        let pending = self.ledger.propose(good, time, proposer).unwrap();
        let mut fates = pending.fates().to_vec().into_iter();
        let receipts = match pending.is_empty() {
            true => Vec::new(),
            false => {
                let seats = validators.newest().seats().iter();
                let message = pending.header().preimage();
                let sign = |seat: &Seat| {
                    let secret = self.draw.secret_of(&seat.key).unwrap();
                    (seat.account, secret.sign(&message))
                };
                let mut certificate = pending.header().certify(&secret(NODES[0]));
                certificate.signatures = seats.map(sign).collect();
                self.ledger.commit(pending, certificate).unwrap()
            }
        };
        let mut receipts = receipts.into_iter();
        let all = refused.into_iter().map(|slot| match slot {
            Some(refusal) => Err(refusal),
            None => fates.next().unwrap().map(|_| receipts.next().unwrap()),
        });
        Ok(all.collect())
    }

    fn compare(&mut self) -> Agreement {
        let view = self.ledger.view().unwrap();
        let head = view.head().unwrap().header;
        let set = view.validators().unwrap();
        if !self.model.adopt(set.seats()) {
            let (model, found) = (&self.model.seats, set.seats());
            return Err(format!("validators: {found:?} in the ledger, {model:?}"));
        }
        let since = self.ledger.validators().since();
        if set.seats().len() < 4 {
            same("since", &since, &self.model.since)?; // never a question of rounding
        }
        self.model.since = since;
        same("height", &head.height, &self.model.height)?;
        same("time", &head.time, &self.model.time)?;
        same("leaves", &head.tree_size, &(self.model.log.len() as u64))?;
        agree::entries(&view, &self.model)
    }

    fn lists(&self) -> Agreement {
        agree::lists(&self.ledger.view().unwrap(), &self.model)
    }

    /// The log replays to the head's state, and the tables hold that state.
    fn replay(&self) -> Agreement {
        let view = self.ledger.view().unwrap();
        let head = view.head().unwrap().header;
        let blocks: Vec<Block> = (1..=head.height)
            .map(|height| view.block(height).unwrap().unwrap())
            .collect();
        let replayed = replay(&self.genesis, &blocks).map_err(|fault| fault.to_string())?;
        same("header", replayed.header(), &head)?;
        let hash = replayed.state_hash().digest();
        same("state hash", &head.state_hash, &hash)?;
        let stored = view.recompute_state_hash().unwrap().digest();
        same("hash of the tables", &stored, &hash)
    }

    fn fail(&self, seed: u64, difference: &str) -> ! {
        let from = self.last.len().saturating_sub(12);
        let last = self.last[from..].join("\n  ");
        let height = self.model.height;
        panic!(
            "run {seed}, block {height}: {difference}\nlast operations:\n  {last}\n\
             again with STATEFUL_SEED={seed} STATEFUL_RUNS=1"
        );
    }
}

/// The ledger names one of the rules that the model finds broken, or none if there is none.
fn agree_on(action: &str, verdict: &Verdict, fate: &Result<Receipt, Refusal>) -> Agreement {
    let fits = match (verdict, fate) {
        (Verdict::Refused(reasons), Err(Refusal::Malformed(_))) => {
            reasons.iter().any(|it| kind(it) == "Malformed")
        }
        (Verdict::Refused(reasons), Err(refusal)) => reasons.contains(refusal),
        (Verdict::Leaf(broken), Ok(receipt)) => match receipt.outcome {
            Outcome::Ok => broken.is_empty(),
            Outcome::Failed(failure) => broken.contains(&failure),
        },
        _ => false,
    };
    let fate = fate.as_ref().map(|receipt| receipt.outcome);
    match fits {
        true => Ok(()),
        false => Err(format!("{action}: ledger {fate:?}, model {verdict:?}")),
    }
}
