//! A real Kubo as the store of blocks: what goes in comes out, pins hold and let go, and what others keep in that
//! Kubo is theirs.

use crate::{
    cids::content,
    daemon::{Daemon, Repository},
    travel::{put_record, read_record},
};
use base::cid::{self, Cid};
use ipld_core::{ipld, ipld::Ipld};
use std::{collections::BTreeSet, fs, path::Path, time::Duration};
use store::{
    Absent, BlockStore as _, GcError, GetError, Kubo, MAX_BLOCK, PutError,
    kubo::{Endpoint, KuboSettings, OpenError},
    walk,
};

/// A store in a folder, on a running Kubo.
pub(crate) fn open(daemon: &Daemon, folder: &Path) -> Result<Kubo, OpenError> {
    Kubo::open(KuboSettings {
        endpoint: Endpoint::Tcp(daemon.api()),
        folder: folder.to_owned(),
        patience: Duration::from_secs(60),
    })
}

struct Fixture {
    daemon: Daemon,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> (Self, Kubo) {
        let fixture = Self {
            daemon: Repository::new().start(),
            folder: tempfile::tempdir().unwrap(),
        };
        let store = fixture.open();
        (fixture, store)
    }

    fn open(&self) -> Kubo {
        open(&self.daemon, self.folder.path()).unwrap()
    }

    /// What the Kubo holds, by digest.
    fn held(&self) -> BTreeSet<Vec<u8>> {
        let listed = self.daemon.ipfs(&["refs", "local"]);
        listed
            .lines()
            .map(|line| digest(&line.parse().unwrap()))
            .collect()
    }

    fn holds(&self, cid: &Cid) -> bool {
        self.held().contains(&digest(cid))
    }
}

fn digest(cid: &Cid) -> Vec<u8> {
    cid.hash().digest().to_vec()
}

fn raw(bytes: &[u8]) -> Cid {
    cid::of_block(cid::RAW, bytes)
}

#[test]
fn what_goes_in_comes_out_and_what_is_wrong_is_refused() {
    let (fixture, store) = Fixture::new();
    assert!(store.version().contains("0.39"), "{}", store.version());
    let largest = content(MAX_BLOCK);
    let cid = raw(&largest);
    store.put(&cid, &largest).unwrap();
    store.put(&cid, &largest).unwrap(); // again is no error
    assert_eq!(store.get(&cid).unwrap(), largest);
    assert_eq!(store.size(&cid).unwrap(), Some(MAX_BLOCK as u64));
    assert!(store.delete(&cid).unwrap());
    assert!(!store.delete(&cid).unwrap());
    assert_eq!(store.size(&cid).unwrap(), None);
    assert!(matches!(store.get(&cid), Err(GetError::Missing(missing)) if missing == cid));

    assert!(matches!(
        store.put(&cid, b"other"),
        Err(PutError::Mismatch(_))
    ));
    let large = content(MAX_BLOCK + 1);
    assert!(matches!(
        store.put(&raw(&large), &large),
        Err(PutError::TooLarge { .. })
    ));
    let other_codec = cid::of_block(0x0129, b"{}");
    assert!(matches!(
        store.put(&other_codec, b"{}"),
        Err(PutError::Unsupported(_))
    ));
    assert!(matches!(
        store.get(&other_codec),
        Err(GetError::Unsupported(_))
    ));
    // Kubo looks into what it is given: bytes that are no node of their codec stay out, with the rest of the batch.
    let before = fixture.held();
    let broken = cid::of_object(b"\xff");
    let mut batch = store.batch();
    batch.put(&broken, b"\xff").unwrap();
    batch.put(&raw(b"whole"), b"whole").unwrap();
    let refused = batch.commit().unwrap_err().to_string();
    assert!(refused.contains("import failed"), "{refused}");
    assert_eq!(fixture.held(), before);

    // Both forms of a CID name one block.
    let bytes = b"\x0a\x04\x08\x02\x18\x00";
    let one = cid::of_block(cid::DAG_PB, bytes);
    let zero = Cid::new_v0(*one.hash()).unwrap();
    store.put(&zero, bytes).unwrap();
    assert_eq!(store.get(&one).unwrap(), bytes);
    store.pin(&zero).unwrap();
    assert_eq!(store.pins().unwrap(), [(one, 1)]);
    assert_eq!(store.unpin(&one).unwrap(), 0);
    assert_eq!(store.get(&zero).unwrap_err().cid(), &zero);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let (fixture, store) = Fixture::new();
    let before = fixture.held();
    let mut batch = store.batch();
    batch.put(&raw(b"one"), b"one").unwrap();
    batch
        .put(&raw(&content(1 << 20)), &content(1 << 20))
        .unwrap();
    assert_eq!(store.size(&raw(b"one")).unwrap(), None);
    drop(batch);
    assert_eq!(fixture.held(), before);
    store.batch().commit().unwrap(); // of nothing

    let (root, files) = put_record(&store, 0);
    assert_eq!(read_record(&store, &root), files);
    assert!(
        walk::verify(&store as &dyn store::BlockStore, root)
            .faults
            .is_empty()
    );
    let left = fs::read_dir(fixture.folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kubo.redb"], "no file of a batch is left");
}

#[test]
fn a_pin_holds_against_kubos_own_collection_and_the_last_unpin_deletes_by_root() {
    let (fixture, store) = Fixture::new();
    let before = fixture.held();
    let (one, files) = put_record(&store, 0);
    let (two, _) = put_record(&store, 1); // shares the empty file
    assert_eq!(store.pin(&one).unwrap(), 1);
    assert_eq!(store.pin(&one).unwrap(), 2);
    assert_eq!(store.pin(&two).unwrap(), 1);
    let mut pins = [(one, 2), (two, 1)];
    pins.sort_by_key(|(root, _)| digest(root));
    assert_eq!(store.pins().unwrap(), pins);
    let shared = raw(b"");
    let mut both = [one, two];
    both.sort_by_key(digest);
    assert_eq!(store.roots_of(&shared).unwrap(), both);
    assert_eq!(store.roots_of(&one).unwrap(), [one]);
    assert_eq!(store.roots_of(&raw(b"elsewhere")).unwrap(), []);

    fixture.daemon.ipfs(&["repo", "gc"]);
    assert_eq!(read_record(&store, &one), files);

    assert_eq!(store.unpin(&one).unwrap(), 1);
    assert_eq!(read_record(&store, &one), files);
    assert_eq!(store.unpin(&one).unwrap(), 0);
    assert_eq!(store.size(&one).unwrap(), None, "at once");
    assert_eq!(
        store.size(&shared).unwrap(),
        Some(0),
        "the other record's, too"
    );
    assert!(matches!(store.unpin(&one), Err(PutError::NotPinned(root)) if root == one));
    assert_eq!(store.unpin(&two).unwrap(), 0);
    assert_eq!(fixture.held(), before, "nothing of either is left");
    assert_eq!(fixture.daemon.ipfs(&["pin", "ls", "--type=direct"]), "");
}

#[test]
fn a_pin_counts_for_what_comes_later() {
    let (fixture, store) = Fixture::new();
    let leaf = raw(b"leaf");
    let object = |value: Ipld| {
        let bytes = serde_ipld_dagcbor::to_vec(&value).unwrap();
        (cid::of_object(&bytes), bytes)
    };
    let (middle, middle_bytes) = object(ipld!({"leaf": leaf}));
    let (root, root_bytes) = object(ipld!({"middle": middle}));
    store.put(&root, &root_bytes).unwrap();
    store.pin(&root).unwrap();
    assert_eq!(store.roots_of(&middle).unwrap(), [root]);
    assert_eq!(store.roots_of(&leaf).unwrap(), [], "nobody knows that yet");
    store.put(&middle, &middle_bytes).unwrap();
    assert_eq!(store.roots_of(&leaf).unwrap(), [root]);
    let absent = store.gc(Duration::ZERO, Absent::Refused).unwrap_err();
    assert!(matches!(absent, GcError::Block(GetError::Missing(missing)) if missing == leaf));
    store.put(&leaf, b"leaf").unwrap();
    fixture.daemon.ipfs(&["repo", "gc"]);
    let collected = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!(
        (collected.pinned, collected.absent, collected.deleted),
        (3, 0, 0)
    );
    assert_eq!(store.get(&leaf).unwrap(), b"leaf");

    // A hole that is made does no harm, and is healed.
    assert!(store.delete(&middle).unwrap());
    let collected = store.gc(Duration::ZERO, Absent::Allowed).unwrap();
    assert_eq!((collected.pinned, collected.absent), (2, 1));
    store.put(&middle, &middle_bytes).unwrap();
    assert_eq!(store.unpin(&root).unwrap(), 0);
    // What was put again is as good as new until a collection finds it old.
    assert_eq!(store.size(&leaf).unwrap(), None);
    store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!(store.size(&middle).unwrap(), None);
}

#[test]
fn collection_takes_what_was_never_pinned_and_nobody_elses() {
    let (fixture, store) = Fixture::new();
    let theirs = fixture.daemon.ipfs_bytes(
        &["add", "-Q", "--pin=false", "--cid-version=1"],
        b"the operator's own",
    );
    let theirs: Cid = String::from_utf8(theirs).unwrap().trim().parse().unwrap();
    store.put(&raw(b"left over"), b"left over").unwrap();
    let (root, files) = put_record(&store, 0);
    store.pin(&root).unwrap();
    let young = store
        .gc(Duration::from_secs(3600), Absent::Refused)
        .unwrap();
    assert_eq!((young.recent, young.deleted), (1, 0));
    assert!(fixture.holds(&raw(b"left over")));
    let old = store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!((old.recent, old.deleted, old.bytes), (0, 1, 9));
    assert!(!fixture.holds(&raw(b"left over")));
    assert!(fixture.holds(&theirs));
    assert_eq!(read_record(&store, &root), files);
}

#[test]
fn another_pin_in_that_kubo_is_respected_and_told() {
    let (fixture, store) = Fixture::new();
    let (root, files) = put_record(&store, 0);
    fixture.daemon.ipfs(&["pin", "add", &root.to_string()]); // the operator's own
    store.pin(&root).unwrap();
    let refused = store.unpin(&root).unwrap_err().to_string();
    assert!(
        refused.contains("Kubo keeps") && refused.contains("pinned"),
        "{refused}"
    );
    assert_eq!(store.pins().unwrap(), []);
    assert_eq!(read_record(&store, &root), files);
    assert!(
        store.gc(Duration::ZERO, Absent::Refused).is_err(),
        "still kept"
    );
    let refused = store.delete(&root).unwrap_err().to_string();
    assert!(refused.contains("Kubo keeps 1"), "{refused}");
    fixture.daemon.ipfs(&["pin", "rm", &root.to_string()]);
    store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!(store.size(&root).unwrap(), None);
}

#[test]
fn kubos_own_collection_before_the_pin_is_noticed() {
    let (fixture, store) = Fixture::new();
    let (root, files) = put_record(&store, 0);
    fixture.daemon.ipfs(&["repo", "gc"]);
    let lost = store.pin(&root).unwrap_err().to_string();
    assert!(
        lost.contains("Kubo lost block") && lost.contains("--enable-gc"),
        "{lost}"
    );
    assert_eq!(store.pins().unwrap(), []);
    put_record(&store, 0);
    store.pin(&root).unwrap();
    assert_eq!(read_record(&store, &root), files);
}

#[test]
fn pins_that_somebody_took_or_left_are_set_right_at_the_next_start() {
    let (fixture, store) = Fixture::new();
    let (root, _) = put_record(&store, 0);
    store.pin(&root).unwrap();
    assert!(matches!(
        open(&fixture.daemon, fixture.folder.path()),
        Err(OpenError::InUse(_))
    ));
    drop(store);
    // Whose are the pins? A second node on the same Kubo would delete what is not its own.
    let elsewhere = tempfile::tempdir().unwrap();
    let taken = open(&fixture.daemon, elsewhere.path()).unwrap_err();
    assert!(
        matches!(&taken, OpenError::Taken(name) if name.starts_with("medshare-")),
        "{taken}"
    );

    let line = fixture
        .daemon
        .ipfs(&["pin", "ls", "--type=direct", "--names"]);
    let name = line
        .lines()
        .next()
        .unwrap()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    fixture
        .daemon
        .ipfs(&["pin", "rm", "-r=false", &root.to_string()]);
    fixture.daemon.ipfs_bytes(&["block", "put"], b"nobody's");
    let nobodys = raw(b"nobody's").to_string();
    fixture
        .daemon
        .ipfs(&["pin", "add", "-r=false", "--name", &name, &nobodys]);
    let store = fixture.open();
    let found = store.reconciled();
    assert_eq!(
        (found.pinned_again, found.absent, found.released),
        (1, 0, 1)
    );
    let pinned = fixture.daemon.ipfs(&["pin", "ls", "--type=direct"]);
    assert!(pinned.contains(&root.to_string()) && !pinned.contains(&nobodys));
}

#[test]
fn a_damaged_block_is_found_and_repaired_by_storing_it_again() {
    let (fixture, store) = Fixture::new();
    let bytes = content(5000);
    let cid = raw(&bytes);
    store.put(&cid, &bytes).unwrap();
    let blocks = fixture.daemon.repository().path().join("blocks");
    let mut damaged = 0;
    for shard in fs::read_dir(blocks)
        .unwrap()
        .filter_map(|entry| fs::read_dir(entry.unwrap().path()).ok())
    {
        for file in shard.map(|file| file.unwrap().path()) {
            if fs::read(&file).unwrap() == bytes {
                fs::write(&file, content(4999)).unwrap();
                damaged += 1;
            }
        }
    }
    assert_eq!(damaged, 1);
    assert!(matches!(store.get(&cid), Err(GetError::Damaged(found)) if found == cid));
    store.put(&cid, &bytes).unwrap();
    assert_eq!(store.get(&cid).unwrap(), bytes);
}
