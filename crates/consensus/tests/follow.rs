//! A node that follows: equal ledgers, operations passed on, and upstreams that are slow,
//! dead, lying, restored or forked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base::{
    AccountId, Digest, Millis, Operation, Signed,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role, SignedOperation},
};
use consensus::{
    Limits, Sequencer, Solo, SubmitError, SystemClock,
    follow::{Conflict, Follower, News, Settings, Upstream, UpstreamError},
};
use ledger::{Block, Ledger, OpenOptions, Outcome, Receipt, Refusal, check_batch};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

#[allow(unused_imports)]
#[path = "../../ledger/tests/it/world.rs"]
mod world;

fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

fn genesis() -> Genesis {
    Genesis {
        version: base::Version,
        network: "test".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: vec![Validator {
            key: secret("node").public(),
            hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
        }],
        institutions: vec![],
        policy: Policy::default(),
    }
}

fn ledger() -> (TempDir, Arc<Ledger>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    let ledger = Ledger::create(&path, &genesis(), OpenOptions::default()).unwrap();
    (dir, Arc::new(ledger))
}

fn sign(name: &str, sequence: u64, action: impl Into<Action>) -> SignedOperation {
    let secret = secret(name);
    let operation = Operation {
        chain: genesis().chain(),
        account: AccountId::of(&secret.public()),
        delegation: None,
        sequence,
        action: action.into(),
    };
    Signed::new(operation, &secret)
}

fn register(name: &str) -> SignedOperation {
    let action = Register {
        role: Role::Patient,
        operation_key: secret(name).public(),
        hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
        record_key: None,
        peer: None,
        patient: Some(PatientKeys {
            pkh: Digest::of(name.as_bytes()),
            h: base::cid::of_block(base::cid::RAW, name.as_bytes()),
        }),
    };
    sign(name, 1, action)
}

fn bag(name: &str, version: u64) -> SignedOperation {
    let commitment = Digest([3; 32]);
    sign(
        name,
        version + 1,
        Bag {
            version,
            commitment,
        },
    )
}

/// How an upstream behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    Honest,
    Slow,
    Dead,
    /// A head that nobody signed.
    FalseHead,
    /// Leaves of another block.
    FalseLeaves,
    /// Shows a head and gives no block.
    Empty,
    /// Takes operations and tells no news.
    Silent,
    /// Receipts of another outcome.
    FalseReceipt,
}

struct Fake {
    solo: Mutex<Arc<Solo>>,
    manner: Mutex<Manner>,
    asked: AtomicUsize,
    _dir: TempDir,
}

impl Fake {
    fn new() -> Arc<Self> {
        let (dir, ledger) = ledger();
        let solo = Solo::start(ledger, secret("node"), SystemClock, Limits::default()).unwrap();
        Arc::new(Self {
            solo: Mutex::new(Arc::new(solo)),
            manner: Mutex::new(Manner::Honest),
            asked: AtomicUsize::new(0),
            _dir: dir,
        })
    }

    fn solo(&self) -> Arc<Solo> {
        Arc::clone(&self.solo.lock().unwrap())
    }

    fn be(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn manner(&self) -> Manner {
        *self.manner.lock().unwrap()
    }

    fn send(&self, operation: &SignedOperation) -> Receipt {
        self.solo().submit(operation.to_bytes().0).unwrap()
    }

    fn block(&self, height: u64) -> Option<Block> {
        self.solo().ledger().view().unwrap().block(height).unwrap()
    }
}

impl Upstream for Fake {
    fn news(&self, from: u64) -> Result<News, UpstreamError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut news = News {
            head: self.solo().head().unwrap(),
            blocks: (from..)
                .map_while(|height| self.block(height))
                .take(7)
                .collect(),
        };
        match self.manner() {
            Manner::Dead => return Err(UpstreamError::Unreachable("it is dead".into())),
            Manner::Silent => return Err(UpstreamError::BadAnswer("shrug".into())),
            Manner::Slow => thread::sleep(Duration::from_millis(300)),
            Manner::FalseHead => news.head.header.state_hash.0[0] ^= 1,
            Manner::FalseLeaves => {
                let other = self.block(1).unwrap().leaves;
                news.blocks
                    .iter_mut()
                    .for_each(|block| block.leaves = other.clone());
            }
            Manner::Empty => news.blocks.clear(),
            Manner::Honest | Manner::FalseReceipt => {}
        }
        Ok(news)
    }

    fn submit(&self, bytes: Vec<u8>) -> Result<Receipt, SubmitError> {
        if self.manner() == Manner::Dead {
            return Err(SubmitError::Unreachable("it is dead".into()));
        }
        let mut receipt = self.solo().submit(bytes)?;
        if self.manner() == Manner::FalseReceipt {
            receipt.outcome = Outcome::Failed(ledger::Failure::WrongRole);
        }
        Ok(receipt)
    }
}

/// A follower with a ledger of its own, and what it kept.
struct Second {
    follower: Follower,
    kept: Arc<Mutex<Vec<Conflict>>>,
    _dir: TempDir,
}

const QUICK: Settings = Settings {
    poll: Duration::from_millis(10),
    retry: Duration::from_millis(40),
    patience: Duration::from_millis(800),
};

fn follow(upstream: &Arc<Fake>) -> Second {
    let (dir, ledger) = ledger();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&kept);
    let keep = move |conflict: &Conflict| keeper.lock().unwrap().push(conflict.clone());
    let upstream: Arc<Fake> = Arc::clone(upstream);
    let follower = Follower::start(ledger, upstream, QUICK, None, keep).unwrap();
    Second {
        follower,
        kept,
        _dir: dir,
    }
}

impl Second {
    fn height(&self) -> u64 {
        self.follower.head().unwrap().header.height
    }

    fn reaches(&self, height: u64) {
        until(|| self.height() >= height);
        assert_eq!(self.height(), height);
    }

    fn trouble(&self, words: &str) {
        until(|| {
            let trouble = self.follower.standing().trouble;
            trouble.is_some_and(|trouble| trouble.contains(words))
        });
        assert!(self.follower.standing().conflict.is_none());
    }

    fn conflict(&self) -> Conflict {
        until(|| self.follower.standing().conflict.is_some());
        let conflict = self.follower.standing().conflict.unwrap();
        assert!(self.kept.lock().unwrap().contains(&conflict));
        // it survives its own bytes
        assert_eq!(Conflict::parse(&conflict.to_bytes()).unwrap(), *conflict);
        // and nothing goes in any more
        let refused = self.follower.submit(register("late").to_bytes().0);
        assert!(
            matches!(refused, Err(SubmitError::Halted(_))),
            "{refused:?}"
        );
        Conflict::clone(&conflict)
    }
}

fn until(reached: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < limit, "it never came so far");
        thread::sleep(Duration::from_millis(5));
    }
}

fn equal(first: &Ledger, second: &Ledger) {
    let (first, second) = (first.view().unwrap(), second.view().unwrap());
    assert_eq!(first.head().unwrap(), second.head().unwrap());
    assert_eq!(first.state_hash().unwrap(), second.state_hash().unwrap());
}

#[test]
fn what_was_there_and_what_comes_later() {
    let fake = Fake::new();
    fake.send(&register("pat"));
    for version in 1..=20 {
        fake.send(&bag("pat", version));
    }
    let second = follow(&fake);
    second.reaches(21); // three answers of seven blocks
    fake.send(&bag("pat", 21));
    second.reaches(22);
    equal(fake.solo().ledger(), second.follower.ledger());
    until(|| second.follower.standing().current.is_some());
}

#[test]
fn operations_go_up_and_the_receipt_is_this_nodes_own() {
    let fake = Fake::new();
    let second = follow(&fake);
    thread::scope(|scope| {
        for sender in 0..8 {
            let second = &second;
            scope.spawn(move || {
                let name = format!("patient {sender}");
                let mut operations = vec![register(&name)];
                operations.extend((1..=10).map(|version| bag(&name, version)));
                for operation in operations {
                    let receipt = second.follower.submit(operation.to_bytes().0).unwrap();
                    assert!(receipt.outcome.is_ok());
                    let view = second.follower.ledger().view().unwrap();
                    assert_eq!(view.receipt(receipt.id).unwrap(), Some(receipt.clone()));
                    let validators = &second.follower.ledger().validators();
                    receipt.verify(validators, &operation).unwrap();
                }
            });
        }
    });
    until(|| second.height() == fake.solo().head().unwrap().header.height);
    equal(fake.solo().ledger(), second.follower.ledger());
}

#[test]
fn refusals_come_back_as_they_are() {
    let fake = Fake::new();
    let second = follow(&fake);
    let submit = |bytes: Vec<u8>| second.follower.submit(bytes).unwrap_err();
    assert!(matches!(
        submit(b"no operation".to_vec()),
        SubmitError::Refused(Refusal::Malformed(_))
    ));
    assert!(matches!(
        submit(vec![0; ledger::MAX_OPERATION + 1]),
        SubmitError::Refused(Refusal::TooLarge { .. })
    ));
    let registered = register("pat").to_bytes().0;
    second.follower.submit(registered.clone()).unwrap();
    assert_eq!(
        submit(registered.clone()),
        SubmitError::Refused(Refusal::Duplicate { index: 0 })
    );
    assert!(matches!(
        submit(bag("pat", 7).to_bytes().0),
        SubmitError::Refused(Refusal::WrongSequence { .. })
    ));
    // sent once more after the first answer was lost: the ledger here has it by then
    fake.send(&bag("pat", 1));
    let again = submit(bag("pat", 1).to_bytes().0);
    assert_eq!(again, SubmitError::Refused(Refusal::Duplicate { index: 1 }));
    assert_eq!(second.height(), 2);
}

#[test]
fn a_dead_or_slow_upstream_is_waited_for() {
    let fake = Fake::new();
    fake.be(Manner::Dead);
    let second = follow(&fake);
    second.trouble("it is dead");
    let refused = second.follower.submit(register("pat").to_bytes().0);
    assert!(matches!(refused, Err(SubmitError::Unreachable(_))));
    let before = fake.asked.load(Ordering::SeqCst);
    thread::sleep(Duration::from_millis(400));
    let asked = fake.asked.load(Ordering::SeqCst) - before;
    assert!(
        asked <= 15,
        "asked {asked} times in 400 ms: it does not slow down"
    );
    fake.be(Manner::Slow);
    let receipt = second
        .follower
        .submit(register("pat").to_bytes().0)
        .unwrap();
    second.reaches(1);
    assert!(receipt.outcome.is_ok());
    assert_eq!(second.follower.standing().trouble, None);
}

#[test]
fn the_upstreams_receipt_is_given_when_its_block_does_not_come() {
    let fake = Fake::new();
    let second = follow(&fake);
    fake.be(Manner::Silent);
    let operation = register("pat");
    let started = Instant::now();
    let receipt = second.follower.submit(operation.to_bytes().0).unwrap();
    assert!(started.elapsed() >= QUICK.patience);
    receipt
        .verify(&second.follower.ledger().validators(), &operation)
        .unwrap();
    assert_eq!(second.height(), 0);
    fake.be(Manner::Honest);
    second.reaches(1);
}

#[test]
fn lies_without_a_certificate_stop_nothing_for_good() {
    let fake = Fake::new();
    fake.send(&register("pat"));
    fake.send(&bag("pat", 1));
    fake.be(Manner::FalseHead);
    let second = follow(&fake);
    second.trouble("another block");
    fake.be(Manner::Empty);
    second.trouble("gives no block after 0");
    fake.be(Manner::FalseLeaves);
    second.trouble("do not give its tree root");
    let head = second.height();
    assert!(head <= 1, "block 1 has its own leaves");
    fake.be(Manner::FalseReceipt);
    let lost = second.follower.submit(bag("pat", 2).to_bytes().0);
    assert!(matches!(lost, Err(SubmitError::Unknown(_))), "{lost:?}");
    fake.be(Manner::Honest);
    second.reaches(3);
    assert!(second.kept.lock().unwrap().is_empty());
}

#[test]
fn a_forked_upstream_is_proven_and_ends_it() {
    let fake = Fake::new();
    fake.send(&register("pat"));
    fake.send(&bag("pat", 1));
    let second = follow(&fake);
    second.reaches(2);
    let ours = second.follower.head().unwrap();
    // the same validator, another history of the same length
    let other = Fake::new();
    other.send(&register("quinn"));
    other.send(&bag("quinn", 1));
    *fake.solo.lock().unwrap() = other.solo();
    let conflict = second.conflict();
    assert_eq!(conflict.ours, ours);
    assert_eq!(conflict.theirs.head, other.solo().head().unwrap());
    assert!(
        conflict
            .is_fork(&second.follower.ledger().validators())
            .unwrap()
    );
    let mut forged = conflict;
    forged.theirs.head.header.time = Millis(1);
    assert!(
        forged
            .is_fork(&second.follower.ledger().validators())
            .is_err()
    );
    // nothing is followed any more, after a start with the kept conflict either
    let known = second.kept.lock().unwrap()[0].clone();
    let (_dir, fresh) = ledger();
    let upstream: Arc<Fake> = Arc::clone(&fake);
    let again = Follower::start(fresh, upstream, QUICK, Some(known), |_| {}).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(again.head().unwrap().header.height, 0);
    assert!(again.standing().conflict.is_some());
}

#[test]
fn a_longer_fork_shows_in_its_next_block() {
    let fake = Fake::new();
    fake.send(&register("pat"));
    let second = follow(&fake);
    second.reaches(1);
    let other = Fake::new();
    other.send(&register("quinn"));
    for version in 1..=4 {
        other.send(&bag("quinn", version));
    }
    *fake.solo.lock().unwrap() = other.solo();
    let conflict = second.conflict();
    assert_eq!(conflict.theirs.head.header.height, 2);
    assert!(
        conflict
            .is_fork(&second.follower.ledger().validators())
            .unwrap()
    );
}

#[test]
fn a_restored_upstream_is_older_until_it_contradicts() {
    let fake = Fake::new();
    fake.send(&register("pat"));
    let second = follow(&fake);
    second.reaches(1);
    let original = fake.solo();
    let (_dir, old) = ledger();
    let restored = Solo::start(old, secret("node"), SystemClock, Limits::default()).unwrap();
    *fake.solo.lock().unwrap() = Arc::new(restored);
    second.trouble("at height 0, this ledger at 1");
    fake.send(&register("quinn"));
    let conflict = second.conflict();
    assert_eq!(conflict.ours, original.head().unwrap());
}

#[test]
fn a_head_from_elsewhere_convicts_too() {
    let fake = Fake::new();
    fake.send(&register("pat"));
    let second = follow(&fake);
    second.reaches(1);
    assert!(
        second
            .follower
            .observe(fake.solo().head().unwrap())
            .unwrap()
    );
    let mut made_up = fake.solo().head().unwrap();
    made_up.header.height = 9;
    assert!(!second.follower.observe(made_up).unwrap());
    assert!(second.follower.standing().conflict.is_none());
    let other = Fake::new();
    other.send(&register("quinn"));
    assert!(
        second
            .follower
            .observe(other.solo().head().unwrap())
            .unwrap()
    );
    assert_eq!(second.conflict().theirs.head, other.solo().head().unwrap());
}

#[test]
fn a_certified_block_that_cannot_be_ends_it() {
    // A validator that signs what the rules do not give: a wrong state hash.
    let (_dir, bent) = ledger();
    let bytes = register("pat").to_bytes().0;
    let view = bent.view().unwrap();
    let checked = check_batch(vec![bytes], genesis().chain(), &view).unwrap();
    let checked = checked.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let node = AccountId::of(&secret("node").public());
    let pending = bent.propose(checked, Millis(2_000), node).unwrap();
    let mut block = pending.to_block(pending.header().certify(&secret("node")));
    block.head.header.state_hash.0[0] ^= 1;
    block.head.certificate = block.head.header.certify(&secret("node"));
    struct Bent(Block);
    impl Upstream for Bent {
        fn news(&self, _: u64) -> Result<News, UpstreamError> {
            Ok(News {
                head: self.0.head.clone(),
                blocks: vec![self.0.clone()],
            })
        }
        fn submit(&self, _: Vec<u8>) -> Result<Receipt, SubmitError> {
            Err(SubmitError::Stopped)
        }
    }
    let (_other, own) = ledger();
    let follower =
        Follower::start(own, Arc::new(Bent(block.clone())), QUICK, None, |_| {}).unwrap();
    until(|| follower.standing().conflict.is_some());
    let conflict = follower.standing().conflict.unwrap();
    assert_eq!(
        conflict.theirs, block,
        "the leaves are kept: anybody can execute them"
    );
    assert!(conflict.fault.contains("state"), "{}", conflict.fault);
    assert!(!conflict.is_fork(&follower.ledger().validators()).unwrap());
    assert_eq!(follower.head().unwrap().header.height, 0);
}

/// What a ledger has, told as it is.
struct Told(Arc<Ledger>);

impl Upstream for Told {
    fn news(&self, from: u64) -> Result<News, UpstreamError> {
        let view = self.0.view().unwrap();
        Ok(News {
            head: view.head().unwrap(),
            blocks: (from..)
                .map_while(|height| view.block(height).unwrap())
                .take(3)
                .collect(),
        })
    }

    fn submit(&self, _: Vec<u8>) -> Result<Receipt, SubmitError> {
        Err(SubmitError::Unreachable("it only tells".into()))
    }
}

/// From the first block on, while the validators became others, and others again.
#[test]
fn changes_of_validators_are_followed() {
    use base::operation::{Apply, Leave, Vote};
    use world::World;
    let founders = [("mercy", None), ("general", None)];
    let genesis = world::genesis(&["node"], &founders, Policy::default());
    let mut world = World::empty(genesis.clone());
    for name in ["mercy", "general"] {
        world.register(name, Role::Hospital);
    }
    world.register("n2", Role::Node);
    world.join("n2", "general");
    let proposal = world.ok("n2", Apply {});
    world.ok("node", Vote { proposal });
    for name in ["pat", "quinn", "rose"] {
        world.register(name, Role::Patient);
    }
    world.ok("node", Leave {});
    world.register("iris", Role::Patient);
    let upstream = Arc::new(world.ledger.take().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    let ledger = Ledger::create(&path, &genesis, OpenOptions::default()).unwrap();
    let told = Arc::new(Told(Arc::clone(&upstream)));
    let follower = Follower::start(Arc::new(ledger), told, QUICK, None, |_| {}).unwrap();
    let head = upstream.view().unwrap().head().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while follower.head().unwrap() != head {
        assert!(Instant::now() < until, "{:?}", follower.standing());
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(follower.ledger().validators(), upstream.validators());
    assert_eq!(follower.ledger().validators().newest().len(), 1);
    assert_eq!(follower.standing().conflict, None);
}
