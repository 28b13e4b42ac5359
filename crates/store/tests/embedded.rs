//! The store on disk: what goes in comes out or is an error; pins; collection.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use harness::content;
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use store::{
    Absent, BlockStore, Embedded, GcError, GetError, MAX_BLOCK, PutError,
    embedded::OpenError,
    unixfs::{Profile, Reader, add},
    walk,
};

fn raw(bytes: &[u8]) -> Cid {
    cid::of_block(cid::RAW, bytes)
}

fn put(store: &Embedded, bytes: &[u8]) -> Cid {
    let cid = raw(bytes);
    store.put(&cid, bytes).unwrap();
    cid
}

fn put_file(store: &Embedded, bytes: &[u8]) -> Cid {
    let mut batch = store.batch();
    let profile = Profile::UNIXFS_V1_2025.resized(100, 4).unwrap();
    let built = add(profile, bytes, &mut *batch).unwrap();
    batch.commit().unwrap();
    built.cid
}

fn path(folder: &Path, cid: &Cid) -> PathBuf {
    let shard = format!("{:02x}", cid.hash().digest()[31]);
    let name = Cid::new_v1(cid.codec(), *cid.hash()).to_string();
    folder.join("blocks").join(shard).join(name)
}

#[test]
fn what_goes_in_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let block = content(MAX_BLOCK);
    let cid = {
        let store = Embedded::open(folder.path()).unwrap();
        let cid = put(&store, &block);
        store.put(&cid, &block).unwrap(); // again is no error
        cid
    };
    let store = Embedded::open(folder.path()).unwrap();
    assert!(store.has(&cid).unwrap());
    assert_eq!(store.get(&cid).unwrap(), block);
    assert!(store.delete(&cid).unwrap());
    assert!(!store.delete(&cid).unwrap());
    assert!(!store.has(&cid).unwrap());
    assert!(matches!(store.get(&cid), Err(GetError::Missing(missing)) if missing == cid));
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn both_forms_of_a_cid_name_one_block() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let bytes = b"\x0a\x04\x08\x02\x18\x00";
    let one = cid::of_block(cid::DAG_PB, bytes);
    let zero = Cid::new_v0(*one.hash()).unwrap();
    assert_eq!(
        zero.to_string(),
        "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"
    );
    store.put(&zero, bytes).unwrap();
    assert_eq!(store.get(&one).unwrap(), bytes);
    store.pin(&zero).unwrap();
    assert_eq!(store.unpin(&one).unwrap(), 0);
}

#[test]
fn what_is_not_kept_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let cid = raw(b"this");
    assert!(matches!(store.put(&cid, b"that"), Err(PutError::Mismatch(named)) if named == cid));
    let large = vec![0; MAX_BLOCK + 1];
    assert!(matches!(
        store.put(&raw(&large), &large),
        Err(PutError::TooLarge { .. })
    ));
    let identity = Cid::try_from("bafkqaaa").unwrap();
    assert!(matches!(
        store.put(&identity, b""),
        Err(PutError::Unsupported(_))
    ));
    assert!(matches!(
        store.get(&identity),
        Err(GetError::Unsupported(_))
    ));
    assert!(matches!(
        store.pin(&identity),
        Err(PutError::Unsupported(_))
    ));
    let foreign_codec = cid::of_block(0x0129, b"{}");
    assert!(matches!(
        store.put(&foreign_codec, b"{}"),
        Err(PutError::Unsupported(_))
    ));
    assert!(matches!(store.unpin(&cid), Err(PutError::NotPinned(_))));
    assert!(store.pins().unwrap().is_empty());
    assert!(!store.has(&cid).unwrap());
}

#[test]
fn damage_is_named_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let bytes = content(5000);
    let root = put_file(&store, &bytes);
    assert!(walk::verify(&store, root).faults.is_empty());
    let leaf = raw(&bytes[200..300]);
    let file = path(folder.path(), &leaf);
    let read = || {
        let mut out = Vec::new();
        let read = io::Read::read_to_end(&mut Reader::open(&store, root).unwrap(), &mut out);
        read.map(|_| out)
    };
    for damage in [vec![], vec![7; 100], vec![0; MAX_BLOCK + 1]] {
        fs::write(&file, damage).unwrap();
        let error = read().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(&leaf.to_string()), "{error}");
        let faults = walk::verify(&store, root).faults;
        assert!(matches!(faults[..], [GetError::Damaged(cid)] if cid == leaf));
        put(&store, &bytes[200..300]);
        assert_eq!(read().unwrap(), bytes);
    }
    fs::remove_file(&file).unwrap();
    let error = read().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains(&leaf.to_string()), "{error}");
}

#[test]
fn one_process_and_no_foreign_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    assert!(matches!(
        Embedded::open(folder.path()),
        Err(OpenError::InUse(_))
    ));
    drop(store);
    fs::write(folder.path().join("tmp/17"), b"left over").unwrap();
    drop(Embedded::open(folder.path()).unwrap());
    assert!(!folder.path().join("tmp/17").exists());

    fs::write(folder.path().join("format"), b"medshare-store 9\n").unwrap();
    let error = Embedded::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("medshare-store 9"), "{error}");

    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("letter.txt"), b"dear").unwrap();
    assert!(matches!(
        Embedded::open(other.path()),
        Err(OpenError::Foreign { .. })
    ));
    assert_eq!(
        fs::read_dir(other.path()).unwrap().count(),
        1,
        "left as it was"
    );

    let third = tempfile::tempdir().unwrap();
    drop(Embedded::open(third.path()).unwrap());
    let pin = third.path().join("pins").join(raw(b"x").to_string());
    for bad in ["", "1 0\n", "1 x\n", "2 1\n", "1 1"] {
        fs::write(&pin, bad).unwrap();
        assert!(
            matches!(Embedded::open(third.path()), Err(OpenError::Foreign { .. })),
            "{bad:?}"
        );
    }
}

#[test]
fn a_batch_is_all_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let (one, two) = (raw(b"one"), raw(b"two"));
    let mut batch = store.batch();
    batch.put(&one, b"one").unwrap();
    batch.put(&one, b"one").unwrap();
    assert!(matches!(batch.put(&two, b"2"), Err(PutError::Mismatch(_))));
    assert!(!store.has(&one).unwrap());
    drop(batch);
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    let mut batch = store.batch();
    batch.put(&one, b"one").unwrap();
    batch.put(&two, b"two").unwrap();
    batch.commit().unwrap();
    assert_eq!(store.get(&two).unwrap(), b"two");
}

#[test]
fn collection_keeps_what_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let file = put_file(&store, &content(3000));
    let object = base::codec::encode(&BTreeMap::from([("body", file)]));
    let root = cid::of_object(&object);
    store.put(&root, &object).unwrap();
    let loose = put_file(&store, &content(900));
    assert_eq!(
        (store.pin(&root).unwrap(), store.pin(&root).unwrap()),
        (1, 2)
    );

    let young = store
        .gc(Duration::from_secs(3600), Absent::Refused)
        .unwrap();
    assert_eq!((young.deleted, young.recent > 0), (0, true));

    let collected = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert!(collected.deleted > 0 && collected.bytes > 0);
    assert!(matches!(store.get(&loose), Err(GetError::Missing(_))));
    assert!(walk::verify(&store, root).faults.is_empty());

    // Pins are counted and outlive the process.
    assert_eq!(store.unpin(&root).unwrap(), 1);
    drop(store);
    let store = Embedded::open(folder.path()).unwrap();
    assert_eq!(store.pins().unwrap(), [(root, 1)]);
    assert_eq!(
        store.gc(Duration::ZERO, Absent::Refused).unwrap().deleted,
        0
    );

    // A damaged node under a pin stops it; an absent one does unless allowed.
    let node = path(folder.path(), &file);
    let bytes = fs::read(&node).unwrap();
    fs::write(&node, b"rot").unwrap();
    let stopped = store.gc(Duration::ZERO, Absent::Allowed);
    assert!(matches!(stopped, Err(GcError::Block(GetError::Damaged(cid))) if cid == file));
    fs::remove_file(&node).unwrap();
    let stopped = store.gc(Duration::ZERO, Absent::Refused);
    assert!(matches!(stopped, Err(GcError::Block(GetError::Missing(cid))) if cid == file));
    store.put(&file, &bytes).unwrap();
    assert!(walk::verify(&store, root).faults.is_empty());
    let leaf = raw(&content(3000)[..100]);
    store.delete(&leaf).unwrap();
    let collected = store.gc(Duration::ZERO, Absent::Allowed).unwrap();
    assert_eq!((collected.absent, collected.deleted), (1, 0));

    assert_eq!(store.unpin(&root).unwrap(), 0);
    assert!(!store.has(&root).unwrap(), "deleted with the last pin");
    let collected = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!((collected.pinned, collected.deleted), (0, 0));
}

/// A tree of two levels over bytes that are their own, under an object.
fn put_object(store: &Embedded, files: &[Cid]) -> Cid {
    let object = base::codec::encode(&files);
    let root = cid::of_object(&object);
    store.put(&root, &object).unwrap();
    root
}

#[test]
fn the_last_pin_takes_what_no_other_root_reaches() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let (own, shared) = (content(3000), content(2000)[100..].to_vec());
    let (own, shared) = (put_file(&store, &own), put_file(&store, &shared));
    let (one, two) = (
        put_object(&store, &[own, shared]),
        put_object(&store, &[shared]),
    );
    store.pin(&one).unwrap();
    store.pin(&two).unwrap();
    store.pin(&two).unwrap();
    let roots = |cid: &Cid| {
        let roots = store.roots_of(cid).unwrap();
        roots.into_iter().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(roots(&shared), [one, two].into());
    assert_eq!(roots(&own), [one].into());
    assert_eq!(roots(&one), [one].into());
    assert_eq!(roots(&raw(b"elsewhere")), [].into());
    let size = store.get(&shared).unwrap().len() as u64;
    assert_eq!(store.size(&shared).unwrap(), Some(size));
    assert_eq!(store.size(&raw(b"elsewhere")).unwrap(), None);

    assert_eq!(store.unpin(&one).unwrap(), 0);
    assert!(!store.has(&one).unwrap() && !store.has(&own).unwrap());
    assert!(walk::verify(&store, two).faults.is_empty());
    assert_eq!(roots(&shared), [two].into());
    assert_eq!(store.unpin(&two).unwrap(), 1);
    assert!(walk::verify(&store, two).faults.is_empty());
    assert_eq!(store.unpin(&two).unwrap(), 0);
    assert!(!store.has(&shared).unwrap());
    let left = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!((left.deleted, left.pinned), (0, 0));
}

/// Writers, readers, pins and collection at once: a pinned file is always whole.
#[test]
fn many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let store = &store;
            scope.spawn(move || {
                for round in 0..8 {
                    let own = (4 * round + thread) as u8;
                    let bytes: Vec<u8> = content(900).iter().map(|byte| byte ^ own).collect();
                    let root = put_file(store, &bytes);
                    store.pin(&root).unwrap();
                    let report = walk::verify(store, root);
                    assert!(report.faults.is_empty(), "{:?}", report.faults);
                    store.unpin(&root).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..20 {
                store.gc(Duration::from_secs(60), Absent::Refused).unwrap();
            }
        });
    });
    assert!(store.pins().unwrap().is_empty());
    let left = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!(left.deleted, 0, "unpinned, so gone");
}

#[derive(Clone, Debug)]
enum Action {
    Put(u8),
    Delete(u8),
    Pin(u8),
    Unpin(u8),
    Collect,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..6u8).prop_map(Action::Put),
        1 => (0..6u8).prop_map(Action::Delete),
        2 => (0..6u8).prop_map(Action::Pin),
        2 => (0..6u8).prop_map(Action::Unpin),
        1 => Just(Action::Collect),
        1 => Just(Action::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The store behaves as a map of blocks and a map of pins.
    #[test]
    fn as_two_maps(actions in prop::collection::vec(action(), 1..40)) {
        let disk = std::sync::Arc::new(harness::FaultDisk::default());
        let open = || Embedded::open_on(disk.clone(), "/store").unwrap();
        let mut store = open();
        let mut blocks = BTreeMap::new();
        let mut pins: BTreeMap<u8, u64> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Put(n) => {
                    store.put(&raw(&[n]), &[n]).unwrap();
                    blocks.insert(n, ());
                }
                Action::Delete(n) => {
                    prop_assert_eq!(store.delete(&raw(&[n])).unwrap(), blocks.remove(&n).is_some());
                }
                Action::Pin(n) => {
                    let count = pins.entry(n).or_default();
                    *count += 1;
                    prop_assert_eq!(store.pin(&raw(&[n])).unwrap(), *count);
                }
                Action::Unpin(n) => match pins.get_mut(&n) {
                    Some(count) => {
                        *count -= 1;
                        prop_assert_eq!(store.unpin(&raw(&[n])).unwrap(), *count);
                        if *count == 0 {
                            blocks.remove(&n);
                        }
                        pins.retain(|_, count| *count > 0);
                    }
                    None => prop_assert!(store.unpin(&raw(&[n])).is_err()),
                },
                Action::Collect => {
                    let collected = store.gc(Duration::ZERO, Absent::Allowed).unwrap();
                    let before = blocks.len();
                    blocks.retain(|n, ()| pins.contains_key(n));
                    prop_assert_eq!(collected.deleted as usize, before - blocks.len());
                    let absent = pins.keys().filter(|n| !blocks.contains_key(n)).count();
                    prop_assert_eq!(collected.absent as usize, absent);
                }
                Action::Reopen => store = open(),
            }
            for n in 0..6u8 {
                let held = store.get(&raw(&[n]));
                prop_assert_eq!(held.is_ok(), blocks.contains_key(&n));
            }
        }
        let held: BTreeMap<_, _> = store.pins().unwrap().into_iter().collect();
        prop_assert_eq!(held, pins.iter().map(|(n, count)| (raw(&[*n]), *count)).collect());
    }
}
