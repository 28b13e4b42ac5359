//! A full disk and lost power, at every operation of the store in turn.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use harness::{FaultDisk, content};
use proptest::{collection::vec, prelude::*};
use std::{sync::Arc, time::Duration};
use store::{
    Absent, BlockStore, Embedded, GetError, PutError, car,
    unixfs::{Profile, add},
    walk,
};

fn profile() -> Profile {
    Profile::UNIXFS_V1_2025.resized(64, 3).unwrap()
}

fn put_file(store: &Embedded, bytes: &[u8]) -> Result<Cid, PutError> {
    let mut batch = store.batch();
    let built = add(profile(), bytes, &mut *batch)
        .map_err(|error| *error.into_inner().unwrap().downcast::<PutError>().unwrap())?;
    batch.commit()?;
    Ok(built.cid)
}

/// Every block that the index knows is whole, and no root misses one.
fn is_sound(store: &Embedded) -> bool {
    let nobody = |_: &Cid, _: &[Cid]| None;
    let report = store.scrub(&nobody, u64::MAX, &|| false).unwrap();
    report.complete && report.findings.is_empty()
}

/// A new store and a first file in it; how many operations `work` takes.
fn prepared() -> (FaultDisk, Embedded, Cid) {
    let disk = FaultDisk::default();
    let store = Embedded::open_on(Arc::new(disk.clone()), "/store").unwrap();
    let root = put_file(&store, &content(500)).unwrap();
    store.pin(&root).unwrap();
    store.pin(&root).unwrap(); // so that one can be taken away
    (disk, store, root)
}

type Work = fn(&Embedded, Cid) -> Result<(), PutError>;

const WORKS: [(&str, Work); 4] = [
    ("put", |store, _| {
        store.put(&cid::of_block(cid::RAW, b"new"), b"new")
    }),
    ("file", |store, _| put_file(store, &content(2000)).map(drop)),
    ("pin", |store, root| store.pin(&root).map(drop)),
    ("unpin", |store, root| store.unpin(&root).map(drop)),
];

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    for (name, work) in WORKS {
        for fail in 0.. {
            let (disk, store, root) = prepared();
            disk.full_from(Some(disk.operations() + fail));
            let pins = store.pins().unwrap();
            let done = work(&store, root);
            disk.full_from(None);
            assert!(is_sound(&store), "{name} {fail}");
            assert!(
                walk::verify(&store, root).faults.is_empty(),
                "{name} {fail}"
            );
            let Err(error) = done else {
                assert!(fail > 0, "{name} was never stopped");
                break;
            };
            assert!(matches!(error, PutError::Full(_)), "{name} {fail}: {error}");
            // What fails in its last step may count all the same.
            let (count, before) = (store.pins().unwrap()[0].1, pins[0].1);
            match name {
                "pin" => assert!([before, before + 1].contains(&count), "{fail}"),
                "unpin" => assert!([before, before - 1].contains(&count), "{fail}"),
                _ => assert_eq!(count, before, "{name} {fail}"),
            }
            // With room again the same work succeeds, and what the attempt left goes.
            work(&store, root).unwrap();
            while store.unpin(&root).is_ok() {}
            store.gc(Duration::ZERO, Absent::Refused).unwrap();
            assert_eq!(disk.packs(), [], "{name} {fail}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The power goes at any operation: what was acknowledged before is there, what was
    /// under way is whole or absent, and the store opens again.
    #[test]
    fn lost_power(which in 0..WORKS.len(), fail in 0..90u64, keep in vec(any::<bool>(), 64)) {
        let (name, work) = WORKS[which];
        let (disk, store, root) = prepared();
        let pins = store.pins().unwrap()[0].1;
        disk.dead_from(Some(disk.operations() + fail));
        let done = work(&store, root);
        drop(store);
        let mut keep = keep.iter().cycle().copied();
        disk.crash(|| keep.next().unwrap());
        let store = Embedded::open_on(Arc::new(disk.clone()), "/store").unwrap();
        prop_assert!(is_sound(&store), "{} {}", name, fail);
        prop_assert!(walk::verify(&store, root).faults.is_empty());
        let pins_now = store.pins().unwrap().first().map_or(0, |(_, count)| *count);
        match (name, done.is_ok()) {
            ("pin", true) => prop_assert_eq!(pins_now, pins + 1),
            ("unpin", true) => prop_assert_eq!(pins_now, pins - 1),
            ("pin" | "unpin", false) => prop_assert!(pins_now.abs_diff(pins) <= 1),
            (_, _) => prop_assert_eq!(pins_now, pins),
        }
        if done.is_ok() && name == "file" {
            let root = add(profile(), &content(2000)[..], store::unixfs::HashOnly).unwrap().cid;
            prop_assert!(walk::verify(&store, root).faults.is_empty());
        }
    }
}

/// The same while the store is first laid out.
#[test]
fn lost_power_at_the_first_start() {
    for fail in 0..200 {
        let disk = FaultDisk::default();
        disk.dead_from(Some(fail));
        let opened = Embedded::open_on(Arc::new(disk.clone()), "/store").is_ok();
        disk.crash(|| fail % 2 == 0);
        let store = Embedded::open_on(Arc::new(disk.clone()), "/store").unwrap();
        put_file(&store, &content(300)).unwrap();
        assert!(is_sound(&store));
        if opened {
            return;
        }
    }
    panic!("the store never opened");
}

#[test]
fn a_failed_import_stores_nothing() {
    let (_, source, root) = prepared();
    let mut bytes = Vec::new();
    car::export(&source, root, &mut bytes).unwrap();
    for fail in 0.. {
        let disk = FaultDisk::default();
        let store = Embedded::open_on(Arc::new(disk.clone()), "/store").unwrap();
        disk.full_from(Some(disk.operations() + fail));
        let imported = car::import(&store, &bytes[..], u64::MAX);
        disk.full_from(None);
        let Err(error) = imported else {
            assert!(fail > 3);
            return;
        };
        assert!(
            matches!(error, car::ImportError::Store(PutError::Full(_))),
            "{error}"
        );
        // All or nothing: all if it was the very last step that failed.
        let faults = walk::verify(&store, root).faults;
        assert!(faults.is_empty() || matches!(faults[..], [GetError::Missing(cid)] if cid == root));
        let collected = store.gc(Duration::ZERO, Absent::Refused).unwrap();
        assert_eq!(collected.deleted == 0, !faults.is_empty(), "{fail}");
        drop(store);
        let store = Embedded::open_on(Arc::new(disk.clone()), "/store").unwrap();
        store.gc(Duration::ZERO, Absent::Refused).unwrap();
        assert_eq!(disk.packs(), [], "{fail}");
    }
}

/// A disk that hands back other bytes than it took is found out by the read.
#[test]
fn rot_is_found() {
    let (disk, store, root) = prepared();
    let bytes = store.get(&root).unwrap();
    disk.damage_block(&bytes, |bytes| bytes[3] ^= 1);
    assert!(matches!(store.get(&root), Err(GetError::Damaged(cid)) if cid == root));
}
