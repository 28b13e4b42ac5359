//! The store on disk: what goes in comes out or is an error; pins; collection.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use harness::content;
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

/// The packs of a store, with their bytes.
fn packs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder.join("packs")).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Where these bytes lie, once, in the packs.
fn find(folder: &Path, bytes: &[u8]) -> Option<(PathBuf, usize)> {
    let mut found = packs(folder).into_iter().flat_map(|(path, pack)| {
        let windows = pack.windows(bytes.len());
        let places = windows.enumerate().filter(|(_, window)| *window == bytes);
        let places: Vec<_> = places.map(|(at, _)| (path.clone(), at)).collect();
        places
    });
    let first = found.next();
    assert_eq!(found.next(), None, "it lies there twice");
    first
}

/// Writes over what lies at a place of a file, and cuts the file there if asked to.
fn spoil(path: &Path, at: usize, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes[at..]);
    fs::write(path, bytes).unwrap();
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
    assert_eq!(packs(folder.path()), [], "its bytes are gone with it");
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
    store.pin(&root).unwrap();
    assert!(walk::verify(&store, root).faults.is_empty());
    let leaf = raw(&bytes[200..300]);
    let read = || {
        let mut out = Vec::new();
        let read = io::Read::read_to_end(&mut Reader::open(&store, root).unwrap(), &mut out);
        read.map(|_| out)
    };
    let check_damage = || {
        let error = read().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(&leaf.to_string()), "{error}");
        let faults = walk::verify(&store, root).faults;
        assert!(matches!(faults[..], [GetError::Damaged(cid)] if cid == leaf));
        put(&store, &bytes[200..300]);
        assert_eq!(read().unwrap(), bytes);
    };
    let damages: [fn(&mut [u8]); 3] = [
        |bytes| bytes[17] ^= 1,
        |bytes| bytes[..100].fill(0),
        |bytes| bytes[99] = !bytes[99],
    ];
    for damage in damages {
        let (file, at) = find(folder.path(), &bytes[200..300]).unwrap();
        spoil(&file, at, damage);
        check_damage();
        // What was damaged is cleared away in the end.
        store.gc(Duration::ZERO, Absent::Refused).unwrap();
    }
    let (file, at) = find(folder.path(), &bytes[200..300]).unwrap();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..at + 50]).unwrap();
    let report = walk::verify(&store, root);
    assert!(matches!(report.faults[..], [GetError::Damaged(_), ..]));
    fs::remove_file(&file).unwrap();
}

#[test]
fn a_lost_pack_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let block = content(5000);
    let cid = {
        let store = Embedded::open(folder.path()).unwrap();
        let cid = put(&store, &block);
        store.pin(&cid).unwrap();
        cid
    };
    for cut in [Some(3000), Some(10), None] {
        let (file, _) = find(folder.path(), &block).unwrap();
        match cut {
            Some(length) => fs::write(&file, &fs::read(&file).unwrap()[..length]).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let store = Embedded::open(folder.path()).unwrap();
        assert!(matches!(store.get(&cid), Err(GetError::Damaged(named)) if named == cid));
        put(&store, &block);
        assert_eq!(store.get(&cid).unwrap(), block);
        store.gc(Duration::ZERO, Absent::Refused).unwrap();
        drop(store);
        let store = Embedded::open(folder.path()).unwrap();
        assert_eq!(store.get(&cid).unwrap(), block);
    }
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
    let left_over = folder.path().join("packs/0000000000000017.pack");
    fs::write(&left_over, b"left over").unwrap();
    fs::write(folder.path().join("packs/letter.txt"), b"dear").unwrap();
    drop(Embedded::open(folder.path()).unwrap());
    assert!(!left_over.exists());
    assert!(folder.path().join("packs/letter.txt").exists(), "not ours");

    for version in [1, 9] {
        fs::write(
            folder.path().join("format"),
            format!("medshare-store {version}\n"),
        )
        .unwrap();
        let error = Embedded::open(folder.path()).unwrap_err();
        let newer = matches!(error, OpenError::Newer { found, known: 2, .. } if found == version);
        assert!(newer, "{error}");
    }

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
    let index = third.path().join("index.redb");
    for bad in [&b""[..], b"no index", &[0; 100_000]] {
        fs::write(&index, bad).unwrap();
        let error = Embedded::open(third.path()).unwrap_err();
        assert!(error.to_string().contains("index"), "{error}");
        assert_eq!(fs::read(&index).unwrap(), bad, "left as it was");
    }
    fs::remove_file(&index).unwrap();
    let error = Embedded::open(third.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
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
    assert_eq!(packs(folder.path()), []);
    let mut large = store.batch();
    for number in 0..5u8 {
        let bytes = vec![number; 1 << 20];
        large.put(&raw(&bytes), &bytes).unwrap();
    }
    assert_eq!(packs(folder.path()).len(), 1, "too much for memory");
    drop(large);
    assert_eq!(packs(folder.path()), []);
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

    // A pinned block that never came stops it unless allowed, an erased one does not.
    let late = cid::of_block(cid::RAW, b"late");
    store.pin(&late).unwrap();
    let stopped = store.gc(Duration::ZERO, Absent::Refused);
    assert!(matches!(stopped, Err(GcError::Block(GetError::Missing(cid))) if cid == late));
    let collected = store.gc(Duration::ZERO, Absent::Allowed).unwrap();
    assert_eq!((collected.absent, collected.deleted), (1, 0));
    store.put(&late, b"late").unwrap();
    assert!(store.delete(&late).unwrap());
    let collected = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!((collected.absent, collected.deleted), (0, 0));
    store.unpin(&late).unwrap();

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

/// Depth costs no stack, and what comes late joins the root at whatever depth it comes.
#[test]
fn a_tree_of_any_depth_is_pinned_and_let_go() {
    const DEPTH: usize = 20_000;
    let mut chain: Vec<(Cid, Vec<u8>)> = Vec::new();
    for depth in 0..DEPTH {
        let below: Vec<Cid> = chain.last().map(|(cid, _)| *cid).into_iter().collect();
        let bytes = base::codec::encode(&(depth as u64, below));
        chain.push((cid::of_object(&bytes), bytes));
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let late = DEPTH / 2;
    let mut batch = store.batch();
    for (_, (cid, bytes)) in chain.iter().enumerate().filter(|(at, _)| *at != late) {
        batch.put(cid, bytes).unwrap();
    }
    batch.commit().unwrap();
    let (root, bottom) = (chain[DEPTH - 1].0, chain[0].0);
    store.pin(&root).unwrap();
    assert_eq!(store.roots_of(&chain[late].0).unwrap(), [root]);
    assert_eq!(store.roots_of(&bottom).unwrap(), []);
    store.put(&chain[late].0, &chain[late].1).unwrap();
    assert_eq!(store.roots_of(&bottom).unwrap(), [root]);
    assert_eq!(store.unpin(&root).unwrap(), 0);
    assert!(chain.iter().all(|(cid, _)| !store.has(cid).unwrap()));
}

/// Two nodes whose bytes have changed places would make a circle if they were believed.
#[test]
fn swapped_blocks_are_damage_and_no_circle() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, root) = {
        let store = Embedded::open(folder.path()).unwrap();
        let inner = |number: u64, below: &[Cid]| {
            let bytes = base::codec::encode(&(number, "of one length", below));
            let cid = cid::of_object(&bytes);
            store.put(&cid, &bytes).unwrap();
            (cid, bytes)
        };
        let leaf = inner(1, &[raw(b"nothing")]);
        let one = inner(2, &[leaf.0]);
        let two = inner(3, &[one.0]);
        let root = put_object(&store, &[one.0, two.0]);
        (one, two, root)
    };
    let (file, first) = find(folder.path(), &one.1).unwrap();
    let (_, second) = find(folder.path(), &two.1).unwrap();
    spoil(&file, first, |bytes| {
        bytes[..two.1.len()].copy_from_slice(&two.1)
    });
    spoil(&file, second, |bytes| {
        bytes[..one.1.len()].copy_from_slice(&one.1)
    });
    let store = Embedded::open(folder.path()).unwrap();
    store.pin(&root).unwrap();
    assert!(matches!(store.get(&one.0), Err(GetError::Damaged(_))));
    assert!(matches!(store.get(&two.0), Err(GetError::Damaged(_))));
    let stopped = store.gc(Duration::ZERO, Absent::Refused);
    assert!(matches!(stopped, Err(GcError::Block(GetError::Damaged(_)))));
    // Put again, they are followed.
    store.put(&one.0, &one.1).unwrap();
    store.put(&two.0, &two.1).unwrap();
    assert_eq!(store.roots_of(&raw(b"nothing")).unwrap(), [root]);
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
                    let bytes = content(700 + 90 * (round + thread % 2));
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
    store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!(packs(folder.path()), []);
}
