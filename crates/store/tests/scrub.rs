//! The scrubber: what rots is found, named, and repaired from a copy or reported; a byte
//! flipped anywhere never gives wrong bytes, and an index that is damaged is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use harness::{FaultDisk, content};
use std::{
    cell::{Cell, RefCell},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{
    Absent, BlockStore, Embedded, GetError,
    embedded::OpenError,
    scrub::{Flaw, Outcome, ScrubReport},
    unixfs::{Profile, add},
    walk,
};

fn open(disk: &FaultDisk) -> Result<Embedded, OpenError> {
    Embedded::open_on(Arc::new(disk.clone()), "/store")
}

fn put_file(store: &Embedded, bytes: &[u8]) -> Cid {
    let mut batch = store.batch();
    let profile = Profile::UNIXFS_V1_2025.resized(100, 3).unwrap();
    let built = add(profile, bytes, &mut *batch).unwrap();
    batch.commit().unwrap();
    built.cid
}

/// A store with a pinned file, and a replica of it.
fn pair() -> (FaultDisk, Embedded, Embedded, Cid) {
    let disk = FaultDisk::default();
    let (store, replica) = (open(&disk).unwrap(), open(&FaultDisk::default()).unwrap());
    let root = put_file(&store, &content(1500));
    assert_eq!(put_file(&replica, &content(1500)), root);
    store.pin(&root).unwrap();
    (disk, store, replica, root)
}

fn scrub(store: &Embedded, replica: &Embedded) -> ScrubReport {
    let repair = |cid: &Cid, _: &[Cid]| replica.get(cid).ok();
    store.scrub(&repair, u64::MAX, &|| false).unwrap()
}

#[test]
fn damage_is_repaired_from_a_replica() {
    let (disk, store, replica, root) = pair();
    let whole = scrub(&store, &replica);
    assert!(whole.complete && whole.findings.is_empty());
    assert_eq!(whole.blocks, walk::verify(&store, root).blocks);

    let leaf = cid::of_block(cid::RAW, &content(1500)[300..400]);
    disk.damage_block(&content(1500)[300..400], |bytes| bytes[50] ^= 4);
    // Nobody has a copy, then somebody has a wrong one, then the replica has it.
    let none = |_: &Cid, _: &[Cid]| None;
    let wrong = |_: &Cid, _: &[Cid]| Some(b"something else".to_vec());
    let outcomes = [
        (
            store.scrub(&none, u64::MAX, &|| false).unwrap(),
            Outcome::NoCopy,
        ),
        (
            store.scrub(&wrong, u64::MAX, &|| false).unwrap(),
            Outcome::WrongCopy,
        ),
        (scrub(&store, &replica), Outcome::Repaired),
    ];
    for (report, outcome) in outcomes {
        let [finding] = &report.findings[..] else {
            panic!("{report:?}");
        };
        assert_eq!((finding.cid, finding.flaw), (leaf, Flaw::Damaged));
        assert_eq!(finding.roots, [root]);
        assert_eq!(report.repaired, u64::from(outcome == Outcome::Repaired));
        assert_eq!(finding.outcome, outcome);
        assert_eq!((report.damaged, report.missing), (1, 0));
        assert!(report.complete);
    }
    assert!(walk::verify(&store, root).faults.is_empty());
    assert!(scrub(&store, &replica).findings.is_empty());
    // What was repaired belongs to its root as before.
    assert_eq!(store.unpin(&root).unwrap(), 0);
    assert!(!store.has(&leaf).unwrap());
}

#[test]
fn what_is_missing_is_fetched_with_all_it_links_to() {
    let (_, _, replica, root) = pair();
    let disk = FaultDisk::default();
    let store = open(&disk).unwrap();
    store.pin(&root).unwrap();
    let report = scrub(&store, &replica);
    assert!(report.missing > 15 && report.missing == report.repaired);
    assert!(walk::verify(&store, root).faults.is_empty());
    // An erased block is not missing: it was somebody's will.
    let leaf = cid::of_block(cid::RAW, &content(1500)[..100]);
    store.delete(&leaf).unwrap();
    assert!(scrub(&store, &replica).findings.is_empty());
    assert!(matches!(store.get(&leaf), Err(GetError::Missing(_))));
    // All of it belongs to the root.
    store.unpin(&root).unwrap();
    let left = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!((left.deleted, left.pinned), (0, 0));
    assert_eq!(disk.packs(), []);
}

#[test]
fn it_goes_on_where_it_was_stopped_and_keeps_to_its_rate() {
    let (disk, store, replica, root) = pair();
    let all = scrub(&store, &replica).blocks;
    let none = |_: &Cid, _: &[Cid]| None;
    let left = Cell::new(5_u32);
    let stop = || left.replace(left.get().saturating_sub(1)) == 0;
    let first = store.scrub(&none, u64::MAX, &stop).unwrap();
    assert_eq!((first.blocks, first.complete), (5, false));
    let asked = RefCell::new(0);
    let count = || {
        *asked.borrow_mut() += 1;
        false
    };
    let second = store.scrub(&none, u64::MAX, &count).unwrap();
    assert_eq!((second.blocks, second.complete), (all - 5, true));
    assert_eq!(*asked.borrow(), all - 5);

    // Some 3 KiB at 10 KiB a second.
    let begun = Instant::now();
    let slow = store.scrub(&none, 10 << 10, &|| false).unwrap();
    assert_eq!(slow.blocks, all);
    assert!(begun.elapsed() > Duration::from_millis(150));
    drop(store);
    assert!(walk::verify(open(&disk).unwrap(), root).faults.is_empty());
}

/// A byte flipped anywhere in a pack: nothing wrong is ever read; what is alive there is
/// found and repaired, what is dead does not matter.
#[test]
fn a_byte_flipped_anywhere_in_a_pack() {
    let (disk, store, _, root) = pair();
    let [(path, pack)] = &disk.packs()[..] else {
        panic!("one pack");
    };
    let mut found = 0;
    for at in 0..pack.len() {
        disk.damage(path, |bytes| bytes[at] ^= 0x10);
        for error in walk::verify(&store, root).faults {
            assert!(matches!(error, GetError::Damaged(_)), "{at}: {error}");
        }
        disk.damage(path, |bytes| bytes[at] ^= 0x10);
        if at % 7 == 0 {
            let (disk, store, replica, root) = pair();
            disk.damage(path, |bytes| bytes[at] ^= 0x10);
            let report = scrub(&store, &replica);
            found += report.damaged;
            assert!(report.damaged <= 1, "{at}");
            assert_eq!(report.damaged, report.repaired, "{at}");
            assert!(walk::verify(&store, root).faults.is_empty(), "{at}");
            assert!(scrub(&store, &replica).findings.is_empty(), "{at}");
        }
    }
    assert!(found > 300, "{found}");
}

/// A byte flipped anywhere in the index: the store is refused, or it is as it was.
#[test]
fn a_byte_flipped_anywhere_in_the_index() {
    let (disk, store, _, root) = pair();
    let before = store.pins().unwrap();
    drop(store);
    let path = Path::new("/store/index.redb");
    let whole = disk.files().remove(path).unwrap();
    let (mut refused, mut sound) = (0, 0);
    for at in (0..whole.len())
        .step_by(whole.len() / 400 + 1)
        .chain(0..400)
    {
        disk.damage(path, |bytes| bytes[at] ^= 0x04);
        match open(&disk) {
            Ok(store) => {
                sound += 1;
                assert_eq!(store.pins().unwrap(), before, "{at}");
                assert!(walk::verify(&store, root).faults.is_empty(), "{at}");
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("index"), "{at}: {error}");
            }
        }
        disk.damage(path, |bytes| bytes.clone_from(&whole));
    }
    assert!(refused > 20 && sound > 20, "{refused} {sound}");
}
