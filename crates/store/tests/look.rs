//! A store that is looked at stays as it is, to the byte; an index that is lost is made anew
//! from the packs, and nothing else changes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use base::cid::{self, Cid};
use harness::{FaultDisk, content};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use store::{
    Absent, BlockStore, Embedded, GetError,
    embedded::OpenError,
    scrub::{Flaw, Outcome, ScrubReport},
    unixfs::{Profile, add},
    walk,
};

fn put_file(store: &Embedded, bytes: &[u8]) -> Cid {
    let mut batch = store.batch();
    let profile = Profile::UNIXFS_V1_2025.resized(100, 4).unwrap();
    let built = add(profile, bytes, &mut *batch).unwrap();
    batch.commit().unwrap();
    built.cid
}

/// Every file under a folder but the lock, with its bytes.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else if !path.ends_with("lock") {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

fn scrub(store: &Embedded) -> ScrubReport {
    let nobody = |_: &Cid, _: &[Cid]| None;
    store.scrub(&nobody, u64::MAX, &|| false).unwrap()
}

/// Flips a byte `shift` before or behind where `bytes` begin in the packs.
fn flip(folder: &Path, bytes: &[u8], shift: isize) {
    for entry in fs::read_dir(folder.join("packs")).unwrap() {
        let path = entry.unwrap().path();
        let mut pack = fs::read(&path).unwrap();
        let found = pack.windows(bytes.len()).position(|window| window == bytes);
        if let Some(at) = found {
            pack[at.checked_add_signed(shift).unwrap()] ^= 8;
            return fs::write(&path, pack).unwrap();
        }
    }
    panic!("the bytes are in no pack");
}

/// Two files, one of them pinned twice, one that was let go, and one that nobody pinned.
struct Kept {
    folder: tempfile::TempDir,
    twice: Cid,
    once: Cid,
    gone: Cid,
    loose: Cid,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let file = |seed: usize| put_file(&store, &content(4000)[seed * 900..][..880]);
        let kept = Self {
            twice: file(0),
            gone: file(1),
            once: file(2),
            loose: file(3),
            folder,
        };
        for root in [&kept.twice, &kept.twice, &kept.once, &kept.gone] {
            store.pin(root).unwrap();
        }
        store.unpin(&kept.gone).unwrap();
        assert!(!store.has(&kept.gone).unwrap());
        kept
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn pins(&self) -> [(Cid, u64); 2] {
        [(self.twice, 2), (self.once, 1)]
    }
}

#[test]
fn a_look_leaves_no_trace() {
    let kept = Kept::new();
    let stray = kept.path().join("packs/00000000000000ff.pack");
    fs::write(&stray, "medshare-pack 2\nhalf a blo").unwrap();
    flip(kept.path(), &content(4000)[100..200], 50); // in a block of `twice`
    flip(kept.path(), &content(4000)[1800..1900], -3); // before one of `once`
    let before = snapshot(kept.path());
    let looked = Embedded::look(kept.path()).unwrap();
    assert_eq!(looked.leftovers, std::slice::from_ref(&stray));
    let report = scrub(&looked.store);
    // The one that was mended is hashed where it lay and where it lies.
    assert_eq!(looked.blocks + 1, report.blocks);
    let outcomes: Vec<_> = report.findings.iter().map(|found| &found.outcome).collect();
    assert_eq!(outcomes.len(), 2, "{report:?}");
    assert!(outcomes.contains(&&Outcome::NoCopy));
    assert!(outcomes.contains(&&Outcome::Repaired));
    // Everything is done to the one in memory alone.
    looked.store.unpin(&kept.once).unwrap();
    put_file(&looked.store, b"another file");
    looked.store.gc(Duration::ZERO, Absent::Allowed).unwrap();
    assert!(looked.store.get(&kept.loose).is_err());
    drop(looked);
    assert!(before == snapshot(kept.path()));

    // The same, for good.
    let store = Embedded::open(kept.path()).unwrap();
    assert!(!stray.exists());
    let again = scrub(&store);
    assert_eq!(again.repaired, 1);
    let flaws: Vec<_> = scrub(&store).findings.iter().map(|it| it.flaw).collect();
    assert_eq!(flaws, [Flaw::Damaged]);
    store.get(&kept.loose).unwrap();
}

type Harm = fn(&Path);

#[test]
fn a_lost_index_is_made_anew_from_the_packs() {
    let harms: [Harm; 3] = [
        |folder| fs::remove_file(folder.join("index.redb")).unwrap(),
        |folder| {
            let path = folder.join("index.redb");
            let mut bytes = fs::read(&path).unwrap();
            bytes[4096 * 2..].fill(7);
            fs::write(path, bytes).unwrap();
        },
        |folder| {
            fs::remove_file(folder.join("index.redb")).unwrap();
            fs::remove_file(folder.join("format")).unwrap();
        },
    ];
    for harm in harms {
        let kept = Kept::new();
        let damaged = cid::of_block(cid::RAW, &content(4000)[100..200]);
        flip(kept.path(), &content(4000)[100..200], 50);
        harm(kept.path());
        let before = snapshot(kept.path());
        for _ in 0..2 {
            let refused = Embedded::open(kept.path()).err();
            assert!(matches!(refused, Some(OpenError::Damaged { .. })));
            assert!(Embedded::look(kept.path()).is_err());
        }
        assert!(before == snapshot(kept.path()), "refused untouched");

        Embedded::reindex(kept.path(), &kept.pins()).unwrap();
        let after = snapshot(kept.path());
        let packs = |files: &BTreeMap<PathBuf, Vec<u8>>| {
            let mut files = files.clone();
            files.retain(|path, _| path.extension().is_some_and(|end| end == "pack"));
            files
        };
        assert!(packs(&before) == packs(&after), "no pack changes");
        let aside = after.get(&kept.path().join("index.damaged"));
        assert_eq!(aside, before.get(&kept.path().join("index.redb")));

        let store = Embedded::open(kept.path()).unwrap();
        let mut pins = store.pins().unwrap();
        pins.sort();
        let mut expected = kept.pins();
        expected.sort();
        assert_eq!(pins, expected);
        assert!(walk::verify(&store, kept.once).faults.is_empty());
        assert!(walk::verify(&store, kept.loose).faults.is_empty());
        assert!(matches!(store.get(&kept.gone), Err(GetError::Missing(_))));
        // What is damaged is missed by who pins it, and nothing else is.
        let report = scrub(&store);
        let [finding] = &report.findings[..] else {
            panic!("{report:?}");
        };
        assert_eq!((finding.cid, finding.flaw), (damaged, Flaw::Missing));
        assert_eq!(finding.roots, [kept.twice]);
        // Nobody pins it, and it stays until somebody lets go of it.
        store.gc(Duration::ZERO, Absent::Allowed).unwrap();
        store.pin(&kept.loose).unwrap();
        assert!(walk::verify(&store, kept.loose).faults.is_empty());
        store.unpin(&kept.loose).unwrap();
        assert!(!store.has(&kept.loose).unwrap());
    }
}

/// A process that ends in the middle leaves what the next one can begin with.
#[test]
fn making_an_index_anew_can_be_repeated() {
    let kept = Kept::new();
    let index = kept.path().join("index.redb");
    fs::rename(&index, kept.path().join("index.damaged")).unwrap();
    fs::write(kept.path().join("index.new"), "half").unwrap();
    assert_eq!(
        Embedded::draft(kept.path()),
        kept.path().join("index.new"),
        "a leftover that is known"
    );
    Embedded::reindex(kept.path(), &kept.pins()).unwrap();
    assert!(!kept.path().join("index.new").exists());
    // Nothing that was set aside is replaced.
    fs::write(&index, "damaged").unwrap();
    Embedded::reindex(kept.path(), &kept.pins()).unwrap();
    assert_eq!(
        fs::read(kept.path().join("index.damaged-1")).unwrap(),
        b"damaged"
    );
    let store = Embedded::open(kept.path()).unwrap();
    assert!(scrub(&store).findings.is_empty());
    let busy = Embedded::reindex(kept.path(), &[]).err();
    assert!(matches!(busy, Some(OpenError::InUse(_))));
}

/// Whenever the power goes, either the old index is refused still, or the new one has all.
#[test]
fn the_power_may_go_while_an_index_is_made_anew() {
    let index = Path::new("/store/index.redb");
    let mut cut = 0;
    loop {
        let disk = FaultDisk::default();
        let open = || Embedded::open_on(Arc::new(disk.clone()), "/store");
        let reindex = |roots: &[_]| Embedded::reindex_on(Arc::new(disk.clone()), "/store", roots);
        let store = open().unwrap();
        let root = put_file(&store, &content(1_000));
        store.pin(&root).unwrap();
        drop(store);
        disk.damage(index, |bytes| bytes[4096..].fill(9));
        disk.dead_from(Some(disk.operations() + cut));
        let whole = reindex(&[(root, 1)]).is_ok();
        let mut keep = cut % 3;
        disk.crash(|| {
            keep = (keep * 5 + 1) % 7;
            keep % 2 == 0
        });
        if let Err(error) = open() {
            assert!(matches!(error, OpenError::Damaged { .. }), "{cut}: {error}");
            assert!(!whole, "{cut}: what was acknowledged is there");
            reindex(&[(root, 1)]).unwrap();
        }
        let store = open().unwrap();
        assert_eq!(store.pins().unwrap(), [(root, 1)], "{cut}");
        assert!(walk::verify(&store, root).faults.is_empty(), "{cut}");
        if whole {
            break;
        }
        cut += 1;
    }
    assert!(cut > 10, "{cut} steps");
}
