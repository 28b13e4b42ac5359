//! What was acknowledged is there: after kill -9, after reopening, and only for who may
//! open it.

use base::{
    genesis::{Genesis, Policy},
    operation::Bag,
};
use database::{FileDevice, Tables};
use ledger::{CreateError, Ledger, OpenError, OpenOptions, TABLES_VERSION, check_batch};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use crate::world::*;

const CHILD: &str = "MEDSHARE_LEDGER_TEST_CHILD";

/// Not a test of its own: the process that gets killed. It opens the ledger that the
/// variable names and prints each id once it is committed.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let genesis = genesis(&["node"], &[], Policy::default());
    let ledger = Ledger::open(&PathBuf::from(path), &genesis, OpenOptions::default()).unwrap();
    let mut world = World::empty(genesis); // only to sign
    let start = ledger.view().unwrap().head().unwrap().header;
    world.sequences.insert(
        id("node"),
        ledger.view().unwrap().sequence(id("node")).unwrap(),
    );
    let mut time = start.time;
    loop {
        let version = world.sequence("node") + 1;
        let view = ledger.view().unwrap();
        let mut batch = Vec::new();
        for _ in 0..5 {
            // Fails its role check: a leaf all the same.
            batch.push(
                world
                    .sign(
                        "node",
                        Bag {
                            version,
                            commitment: digest("bag"),
                        },
                    )
                    .to_bytes()
                    .0,
            );
        }
        let checked = check_batch(batch, ledger.validators().chain(), &view).unwrap();
        let checked = checked.into_iter().map(Result::unwrap).collect();
        time = time.plus(1);
        let pending = ledger.propose(checked, time, id("node")).unwrap();
        let certificate = pending.header().certify(&secret("node"));
        for receipt in ledger.commit(pending, certificate).unwrap() {
            println!("acknowledged {} {}", receipt.id, receipt.index);
        }
    }
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    let genesis = genesis(&["node"], &[], Policy::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    drop(Ledger::create(&path, &genesis, OpenOptions::default()).unwrap());
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::child", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = acknowledged.len() + 20 + 17 * round;
        while acknowledged.len() < wanted {
            let line = lines.next().expect("the child ended by itself").unwrap();
            acknowledged.extend(parse(&line));
        }
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        // what was still in the pipe had been acknowledged too
        for line in lines.map_while(Result::ok) {
            acknowledged.extend(parse(&line));
        }
        let ledger = Ledger::open(&path, &genesis, OpenOptions::default()).unwrap();
        let view = ledger.view().unwrap();
        for (id, index) in &acknowledged {
            let (found, leaf) = view.operation(id.parse().unwrap()).unwrap().unwrap();
            assert_eq!(found, *index);
            let receipt = view.receipt(id.parse().unwrap()).unwrap().unwrap();
            receipt
                .verify(&ledger.validators(), &leaf.operation)
                .unwrap();
        }
        let head = view.head().unwrap().header;
        assert!(head.tree_size >= acknowledged.len() as u64);
        assert_eq!(
            view.recompute_state_hash().unwrap().digest(),
            head.state_hash
        );
    }
}

fn parse(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_once("acknowledged ")?.1.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[test]
fn opening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    let good = genesis(&["node"], &[("mercy", None)], Policy::default());
    let options = OpenOptions::default();
    assert!(matches!(
        Ledger::open(&path, &good, options),
        Err(OpenError::Missing(_))
    ));
    let first = Ledger::create(&path, &good, options).unwrap();
    assert!(matches!(
        Ledger::create(&path, &good, options),
        Err(CreateError::Exists(_))
    ));
    assert!(matches!(
        Ledger::open(&path, &good, options),
        Err(OpenError::Locked)
    ));
    drop(first);
    let other = genesis(&["node"], &[], Policy::default());
    assert!(matches!(
        Ledger::open(&path, &other, options),
        Err(OpenError::OtherGenesis)
    ));
    drop(Ledger::open(&path, &good, options).unwrap());
    newer_tables_stay_as_they_are(&path, &good);
    // a file that is no ledger
    let foreign = dir.path().join("foreign");
    fs::write(&foreign, vec![7; 10_000]).unwrap();
    assert!(Ledger::open(&foreign, &good, options).is_err());
    fs::write(&foreign, b"").unwrap();
    assert!(Ledger::open(&foreign, &good, options).is_err());
}

/// Closed in peace, and as a crash leaves it.
fn newer_tables_stay_as_they_are(path: &Path, genesis: &Genesis) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    let device = Arc::new(FileDevice::new(&copy));
    let tables = Tables::open(device, 1 << 20, TABLES_VERSION).unwrap();
    database::write_version(&tables.handle().unwrap(), TABLES_VERSION + 1).unwrap();
    let crashed = fs::read(&copy).unwrap();
    drop(tables);
    for bytes in [fs::read(&copy).unwrap(), crashed] {
        fs::write(&copy, &bytes).unwrap();
        let refused = Ledger::open(&copy, genesis, OpenOptions::default()).err();
        let Some(OpenError::Version(version)) = refused else {
            panic!("{refused:?}");
        };
        let known = TABLES_VERSION;
        assert_eq!(
            (version.found, version.known),
            (u64::from(known) + 1, known)
        );
        assert_eq!(fs::read(&copy).unwrap(), bytes);
    }
}

#[test]
fn genesis_objects_that_cannot_start_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let create = |genesis| {
        Ledger::create(&dir.path().join("l"), &genesis, OpenOptions::default())
            .err()
            .map(|error| error.to_string())
    };
    let good = genesis(&["node"], &[("mercy", None)], Policy::default());
    let mut bad = good.clone();
    bad.validators.clear();
    assert!(create(bad).unwrap().contains("validator"));
    let mut bad = good.clone();
    bad.validators.push(bad.validators[0].clone());
    assert!(create(bad).unwrap().contains("twice"));
    let mut bad = good.clone();
    bad.institutions.push(bad.institutions[0]);
    assert!(create(bad).unwrap().contains("twice"));
    let mut bad = good.clone();
    bad.policy.tiers = vec![2, 1];
    assert!(create(bad).unwrap().contains("policy"));
    assert!(create(good).is_none());
}

/// Digests of new operations wait for their turn in the table, and no longer: 256 turns, one
/// with every small block, its own among them.
#[test]
fn what_was_merged_waits_no_longer() {
    let mut world = World::empty(genesis(&["node"], &[], Policy::default()));
    for version in 1..=300 {
        let commitment = digest("bag");
        let bag = Bag {
            version,
            commitment,
        };
        world.send("node", bag); // a leaf, though it fails
    }
    let path = world.dir.path().join("ledger.redb");
    world.ledger = None;
    let tables = Tables::open(Arc::new(FileDevice::new(&path)), 1 << 20, TABLES_VERSION);
    let handle = tables.unwrap().handle().unwrap();
    let transaction = redb::ReadableDatabase::begin_read(&**handle).unwrap();
    let waiting = redb::TableDefinition::<u64, &[u8]>::new("waiting");
    let waiting = transaction.open_table(waiting).unwrap();
    let blocks: Vec<u64> = redb::ReadableTable::iter(&waiting)
        .unwrap()
        .map(|row| row.unwrap().0.value())
        .collect();
    assert_eq!(blocks, (46..=300).collect::<Vec<u64>>());
}
