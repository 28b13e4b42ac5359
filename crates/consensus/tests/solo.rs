//! The solo sequencer: groups, order, refusals, shutdown, a clock that steps back, and a
//! disk that is full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base::{
    AccountId, Digest, Millis, Operation, OperationId, Signed,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role, SignedOperation},
};
use consensus::{Clock, Limits, Sequencer, Solo, StartError, SubmitError, SystemClock};
use ledger::{Ledger, OpenOptions, Outcome, Receipt, Refusal, replay};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

fn genesis(nodes: &[&str]) -> Genesis {
    Genesis {
        version: base::Version,
        network: "test".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: nodes
            .iter()
            .map(|name| Validator {
                key: secret(name).public(),
                hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
            })
            .collect(),
        institutions: vec![],
        policy: Policy::default(),
    }
}

fn create(dir: &Path, genesis: &Genesis) -> Arc<Ledger> {
    let path = dir.join("ledger.redb");
    Arc::new(Ledger::create(&path, genesis, OpenOptions::default()).unwrap())
}

fn start(ledger: &Arc<Ledger>, clock: impl Clock) -> Solo {
    Solo::start(Arc::clone(ledger), secret("node"), clock, Limits::default()).unwrap()
}

fn sign(
    genesis: &Genesis,
    name: &str,
    sequence: u64,
    action: impl Into<Action>,
) -> SignedOperation {
    let secret = secret(name);
    let operation = Operation {
        chain: genesis.chain(),
        account: AccountId::of(&secret.public()),
        delegation: None,
        sequence,
        action: action.into(),
    };
    Signed::new(operation, &secret)
}

fn register(name: &str) -> Register {
    Register {
        role: Role::Patient,
        operation_key: secret(name).public(),
        hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
        record_key: None,
        peer: None,
        patient: Some(PatientKeys {
            pkh: Digest::of(name.as_bytes()),
            h: base::cid::of_block(base::cid::RAW, name.as_bytes()),
        }),
    }
}

fn bag(version: u64) -> Bag {
    Bag {
        version,
        commitment: Digest([3; 32]),
    }
}

fn submit(solo: &Solo, operation: &SignedOperation) -> Result<Receipt, SubmitError> {
    let receipt = solo.submit(operation.to_bytes().0)?;
    let validators = &solo.ledger().validators();
    receipt.clone().verify(validators, operation).unwrap();
    Ok(receipt)
}

#[test]
fn many_senders_at_once() {
    const SENDERS: usize = 16;
    const EACH: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis(&["node"]);
    let ledger = create(dir.path(), &genesis);
    let solo = start(&ledger, SystemClock);
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (solo, genesis) = (&solo, &genesis);
            scope.spawn(move || {
                let name = format!("patient {sender}");
                let receipt = submit(solo, &sign(genesis, &name, 1, register(&name))).unwrap();
                assert_eq!(receipt.outcome, Outcome::Ok);
                for number in 2..=EACH {
                    let operation = sign(genesis, &name, number, bag(number));
                    let receipt = submit(solo, &operation).unwrap();
                    assert_eq!(receipt.outcome, Outcome::Ok);
                }
            });
        }
    });
    let head = solo.head().unwrap().header;
    assert_eq!(head.tree_size, SENDERS as u64 * EACH);
    // groups formed, no block is empty, time increases
    assert!(head.height < head.tree_size, "{} blocks", head.height);
    solo.stop();
    let view = ledger.view().unwrap();
    let blocks: Vec<_> = (1..=head.height)
        .map(|height| view.block(height).unwrap().unwrap())
        .collect();
    assert!(blocks.iter().all(|block| !block.leaves.is_empty()));
    let replayed = replay(&genesis, &blocks).unwrap();
    assert_eq!(replayed.state_hash().digest(), head.state_hash);
}

#[test]
fn refusals_reach_the_sender_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis(&["node"]);
    let ledger = create(dir.path(), &genesis);
    let solo = start(&ledger, SystemClock);
    let good = sign(&genesis, "pat", 1, register("pat"));
    submit(&solo, &good).unwrap();
    let refused = |result| match result {
        Err(SubmitError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(submit(&solo, &good)),
        Refusal::Duplicate { index: 0 }
    );
    assert_eq!(
        refused(submit(&solo, &sign(&genesis, "pat", 9, bag(1)))),
        Refusal::WrongSequence {
            expected: 2,
            found: 9
        }
    );
    let mut forged = sign(&genesis, "pat", 2, bag(1));
    forged.signature.0[9] ^= 1;
    assert_eq!(refused(submit(&solo, &forged)), Refusal::BadSignature);
    assert!(matches!(
        refused(solo.submit(vec![1, 2, 3])),
        Refusal::Malformed(_)
    ));
    assert!(matches!(
        refused(solo.submit(vec![0; ledger::MAX_OPERATION + 1])),
        Refusal::TooLarge { .. }
    ));
    // nothing of this made a block
    assert_eq!(solo.head().unwrap().header.height, 1);
    submit(&solo, &sign(&genesis, "pat", 2, bag(1))).unwrap();
}

/// A clock that waits for permission: holds the worker while the queue fills.
struct Gate(mpsc::Receiver<()>);

impl Clock for Gate {
    fn now(&self) -> Millis {
        let _ = self.0.recv();
        Millis(2_000_000)
    }
}

#[test]
fn a_full_queue_refuses_and_shutdown_answers_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis(&["node"]);
    let ledger = create(dir.path(), &genesis);
    let (open, gate) = mpsc::channel();
    let limits = Limits {
        queue: 2,
        ..Limits::default()
    };
    let solo = Solo::start(Arc::clone(&ledger), secret("node"), Gate(gate), limits).unwrap();
    let solo = Arc::new(solo);
    let (answers, results) = mpsc::channel();
    let mut busy = 0;
    for number in 0..12 {
        let name = format!("p{number}");
        let operation = sign(&genesis, &name, 1, register(&name));
        let (solo, answers) = (Arc::clone(&solo), answers.clone());
        thread::spawn(move || {
            let result = solo.submit(operation.to_bytes().0);
            drop(solo);
            let _ = answers.send(result);
        });
    }
    drop(answers);
    // One group in hand (at least one operation), two waiting: the rest is refused.
    while busy < 12 - 2 - 3 {
        match results.recv().unwrap() {
            Err(SubmitError::Busy { .. }) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    drop(open); // the clock runs
    let mut rest: Vec<_> = results.iter().collect();
    rest.retain(|result| !matches!(result, Err(SubmitError::Busy { .. })));
    assert!(!rest.is_empty());
    for result in rest {
        assert_eq!(result.unwrap().outcome, Outcome::Ok);
    }
}

#[test]
fn block_time_never_steps_back() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis(&["node"]);
    let ledger = create(dir.path(), &genesis);
    let hands = Arc::new(AtomicU64::new(1_000_000));
    let clock = {
        let hands = Arc::clone(&hands);
        move || Millis(hands.load(Ordering::SeqCst))
    };
    let solo = start(&ledger, clock);
    submit(&solo, &sign(&genesis, "pat", 1, register("pat"))).unwrap();
    assert_eq!(solo.head().unwrap().header.time, Millis(1_000_000));
    submit(&solo, &sign(&genesis, "pat", 2, bag(1))).unwrap();
    assert_eq!(solo.head().unwrap().header.time, Millis(1_000_001));
    hands.store(996_000, Ordering::SeqCst); // within the drift
    submit(&solo, &sign(&genesis, "pat", 3, bag(2))).unwrap();
    assert_eq!(solo.head().unwrap().header.time, Millis(1_000_002));
    hands.store(900_000, Ordering::SeqCst); // far behind: refused, nothing is lost
    let next = sign(&genesis, "pat", 4, bag(3));
    let refused = submit(&solo, &next);
    assert_eq!(
        refused,
        Err(SubmitError::Clock {
            behind: 100_002,
            limit: 5_000
        })
    );
    hands.store(2_000_000, Ordering::SeqCst);
    submit(&solo, &next).unwrap();
    assert_eq!(solo.head().unwrap().header.time, Millis(2_000_000));
}

#[test]
fn who_may_start() {
    let dir = tempfile::tempdir().unwrap();
    let alone = create(dir.path(), &genesis(&["node"]));
    let limits = Limits::default();
    let stranger = Solo::start(alone, secret("other"), SystemClock, limits);
    assert_eq!(stranger.err(), Some(StartError::NotValidator));
    let dir = tempfile::tempdir().unwrap();
    let several = create(dir.path(), &genesis(&["node", "n2"]));
    let one = Solo::start(several, secret("node"), SystemClock, limits);
    assert_eq!(one.err(), Some(StartError::NotAlone(2)));
}

const CHILD: &str = "MEDSHARE_CONSENSUS_TEST_CHILD";

/// Not a test of its own: the process whose files may not grow. It logs until it is
/// refused, and then shows that it still reads.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let genesis = genesis(&["node"]);
    let path = Path::new(&dir).join("ledger.redb");
    let ledger = Arc::new(Ledger::open(&path, &genesis, OpenOptions::default()).unwrap());
    let solo = start(&ledger, SystemClock);
    let out = std::io::stdout();
    for number in 0.. {
        let name = format!("patient {number}");
        let operation = sign(&genesis, &name, 1, register(&name));
        match submit(&solo, &operation) {
            Ok(receipt) => writeln!(out.lock(), "acknowledged {}", receipt.id).unwrap(),
            Err(SubmitError::Storage(reason)) => {
                writeln!(out.lock(), "refused {reason}").unwrap();
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    for _ in 0..3 {
        let view = ledger.view().unwrap();
        let size = view.head().unwrap().header.tree_size;
        let leaf = view.leaf(size - 1).unwrap().unwrap();
        assert!(leaf.outcome.is_ok());
        writeln!(out.lock(), "reads {size}").unwrap();
        drop(view);
        let again = sign(&genesis, "one more", 1, register("one more"));
        let refused = submit(&solo, &again);
        assert!(
            matches!(refused, Err(SubmitError::Storage(_))),
            "{refused:?}"
        );
    }
}

/// A file-size limit stands in for a full disk: the write fails with an error of the
/// operating system, as it does when the disk is full.
#[test]
#[cfg(unix)]
fn a_full_disk_refuses_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let genesis = genesis(&["node"]);
    drop(create(dir.path(), &genesis));
    let start_size = std::fs::metadata(dir.path().join("ledger.redb"))
        .unwrap()
        .len();
    let blocks = start_size / 512 + 512;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut process = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut acknowledged, mut refused, mut reads) = (Vec::new(), 0, 0);
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, id)) = line.split_once("acknowledged ") {
            acknowledged.push(id.parse::<OperationId>().unwrap());
        }
        refused += usize::from(line.contains("refused "));
        reads += usize::from(line.starts_with("reads "));
    }
    assert!(process.wait().unwrap().success());
    assert_eq!((refused, reads), (1, 3));
    assert!(!acknowledged.is_empty());
    // with room again, everything is there and work goes on
    let path = dir.path().join("ledger.redb");
    let ledger = Arc::new(Ledger::open(&path, &genesis, OpenOptions::default()).unwrap());
    let view = ledger.view().unwrap();
    for id in &acknowledged {
        assert!(view.operation(*id).unwrap().is_some());
    }
    assert_eq!(
        view.head().unwrap().header.tree_size,
        acknowledged.len() as u64
    );
    drop(view);
    let solo = start(&ledger, SystemClock);
    submit(&solo, &sign(&genesis, "one more", 1, register("one more"))).unwrap();
}
