//! A disk that is full, cannot be read or cannot be synced, at every point: what is
//! refused is refused with the reason, and once the disk is well the same process goes on
//! without a restart and without loss.

use base::{Millis, OperationId};
use consensus::{Limits, Sequencer as _, Solo, SubmitError};
use ledger::{Fault, Ledger, OpenOptions};
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    book::{genesis, operation, secret},
    disk::{Failure, Kind, LOTS, Lot, SimDevice, SimDisk},
    life::Life,
    power::Named,
    random::{Random, wanted},
};

/// What a full or broken disk says.
const ERRORS: [(Kind, io::ErrorKind); 4] = [
    (Kind::Room, io::ErrorKind::StorageFull),
    (Kind::Room, io::ErrorKind::Other),
    (Kind::Read, io::ErrorKind::Other),
    (Kind::Sync, io::ErrorKind::Other),
];

fn count(disk: &SimDisk, kind: Kind) -> u64 {
    match kind {
        Kind::Room => disk.counts().changes,
        Kind::Read => disk.counts().reads,
        Kind::Sync => disk.counts().syncs,
    }
}

/// Once, then for a while; then the disk is well.
#[test]
fn every_failure_is_survived() {
    let step = wanted("CRASH_STEP", 7);
    for (number, (kind, error)) in ERRORS.into_iter().enumerate() {
        let mut hit = true;
        let mut at = number as u64 % step;
        while hit {
            for times in [1, 40] {
                hit = one(kind, error, at, times);
            }
            at += step;
        }
        assert!(at > 2 * step, "{kind:?} was never reached");
    }
}

/// Whether the failure was reached at all.
fn one(kind: Kind, error: io::ErrorKind, at: u64, times: u64) -> bool {
    let _named = Named("failure at", at);
    let random = &mut Random::new(at * 2 + times);
    let mut life = Life::new();
    let node = life.start().unwrap();
    for _ in 0..6 {
        life.act(&node, random).unwrap();
    }
    let from = count(&life.disk, kind) + 1 + at;
    life.disk.fail(Failure {
        kind,
        from,
        times,
        error,
    });
    let mut refused = 0;
    for _ in 0..30 {
        refused += u64::from(life.act(&node, random).is_err());
        // Reading goes on, or says why not.
        if let Err(fault) = node.ledger.view().and_then(|view| view.head()) {
            assert!(matches!(fault, Fault::Storage(_)), "{fault}");
        }
    }
    let hit = count(&life.disk, kind) >= from;
    assert!(hit || refused == 0);
    life.disk.heal();
    // The same process goes on.
    for _ in 0..5 {
        life.commit(&node, random).unwrap();
        life.act(&node, random).unwrap();
    }
    life.check(&node, false);
    // And what it acknowledged is durable.
    drop(node);
    let lot = if random.coin() {
        Lot::Dropped
    } else {
        *random.pick(&LOTS)
    };
    life.disk.power_loss(lot, random);
    let node = life.start().unwrap();
    life.check(&node, true);
    life.commit(&node, random).unwrap();
    hit
}

fn sequencer(clock: impl consensus::Clock) -> (SimDisk, Solo) {
    let folder = Path::new("/srv/node");
    let disk = SimDisk::new(folder);
    let device = Arc::new(SimDevice::new(&disk, &folder.join("ledger.redb")));
    let ledger = Ledger::create_on(device, &genesis(), OpenOptions::default()).unwrap();
    let solo = Solo::start(Arc::new(ledger), secret("node"), clock, Limits::default());
    (disk, solo.unwrap())
}

/// Through the sequencer: the sender is told, readers read, and space is enough to go on.
#[test]
fn the_sequencer_refuses_with_the_reason() {
    let (disk, solo) = sequencer(|| Millis(2_000));
    let genesis = genesis();
    let submit = |sequence| solo.submit(operation(&genesis, "patient", sequence).to_bytes().0);
    submit(1).unwrap();
    let everything_fails = |kind, error| Failure {
        kind,
        from: 0,
        times: u64::MAX,
        error,
    };
    disk.fail(everything_fails(Kind::Room, io::ErrorKind::StorageFull));
    let refused = submit(2).unwrap_err();
    assert!(
        refused.to_string().contains("no storage space"),
        "{refused}"
    );
    disk.heal();
    submit(2).unwrap();
    // A sync that fails after all is written: nobody can tell, and nobody is told yes.
    disk.fail(everything_fails(Kind::Sync, io::ErrorKind::Other));
    let unknown = submit(3).unwrap_err();
    assert!(matches!(unknown, SubmitError::Unknown(_)), "{unknown}");
    assert!(solo.head().is_err(), "a block that is not durable is shown");
    disk.heal();
    let id = operation(&genesis, "patient", 3).to_bytes().1;
    let there = solo.ledger().view().unwrap().index_of(id).unwrap();
    match submit(3) {
        Ok(receipt) => assert!(there.is_none() && receipt.index == 2),
        Err(SubmitError::Refused(ledger::Refusal::Duplicate { index })) => {
            assert_eq!(there, Some(index));
        }
        other => panic!("{other:?}"),
    }
    submit(4).unwrap();
    // One failed read does not stop the node for good.
    disk.fail(Failure {
        times: 1,
        from: disk.counts().reads + 1,
        ..everything_fails(Kind::Read, io::ErrorKind::Other)
    });
    let _ = submit(5);
    let _ = submit(5);
    let id: OperationId = operation(&genesis, "patient", 5).to_bytes().1;
    let view = solo.ledger().view().unwrap();
    assert_eq!(view.index_of(id).unwrap(), Some(4));
}

/// The clock jumps to and fro: block time increases, nothing is lost, and a clock that is
/// set right is enough to go on.
#[test]
fn the_clock_jumps() {
    let hands = Arc::new(AtomicU64::new(1_000_000));
    let clock = {
        let hands = Arc::clone(&hands);
        move || Millis(hands.load(Ordering::SeqCst))
    };
    let (_, solo) = sequencer(clock);
    let genesis = genesis();
    let random = &mut Random::new(9);
    let (mut sequence, mut last, mut refused) = (0, 0, 0);
    for hour in 0..200 {
        let next = 1_000_000 + 300 * hour + random.below(12_000);
        hands.store(next, Ordering::SeqCst);
        let bytes = operation(&genesis, "patient", sequence + 1).to_bytes().0;
        match solo.submit(bytes) {
            Ok(_) => sequence += 1,
            Err(SubmitError::Clock { behind, limit }) => {
                assert!(behind > limit && behind == last - next);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
        let head = solo.head().unwrap().header;
        assert_eq!(head.tree_size, sequence);
        assert!(head.time.0 >= last, "time steps back");
        last = head.time.0;
    }
    assert!(sequence > 20 && refused > 20, "{sequence} {refused}");
    hands.store(last + 1, Ordering::SeqCst);
    let bytes = operation(&genesis, "patient", sequence + 1).to_bytes().0;
    solo.submit(bytes).unwrap();
}
