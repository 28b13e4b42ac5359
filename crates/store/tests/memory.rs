//! Memory stays small whatever the size of the file: one test, so that nothing else runs
//! in its process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    io::{self, Read},
    time::Duration,
};
use store::{
    Absent, BlockStore, Embedded,
    unixfs::{Profile, Reader, add},
};

/// Most resident memory that this process may ever have had, in KiB.
const LIMIT: u64 = 64 << 10;

fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    words[1].parse().unwrap()
}

/// A file that is nowhere in memory; no two of its words are equal.
struct Generated {
    next: u64,
    words: u64,
}

impl Read for Generated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        for word in out.chunks_exact_mut(8) {
            if self.next == self.words {
                break;
            }
            let mixed = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            word.copy_from_slice(&(mixed ^ (mixed >> 29)).to_le_bytes());
            self.next += 1;
            done += 8;
        }
        Ok(done)
    }
}

fn generated(bytes: u64) -> Generated {
    Generated {
        next: 0,
        words: bytes / 8,
    }
}

fn put(store: &Embedded, profile: Profile, bytes: u64) -> base::cid::Cid {
    let mut batch = store.batch();
    let root = add(profile, generated(bytes), &mut *batch).unwrap().cid;
    batch.commit().unwrap();
    root
}

fn check(store: &Embedded, root: base::cid::Cid, bytes: u64) {
    let mut reader = Reader::open(store, root).unwrap();
    assert_eq!(reader.size(), bytes);
    let (mut held, mut made) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut source = generated(bytes);
    loop {
        let count = reader.read(&mut held).unwrap();
        if count == 0 {
            return;
        }
        source.read_exact(&mut made[..count]).unwrap();
        assert!(held[..count] == made[..count]);
    }
}

#[test]
fn memory_is_bounded_for_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let packs = || fs::read_dir(folder.path().join("packs")).unwrap().count();

    // More than one pack takes.
    let large = (1 << 30) + (24 << 20);
    let root = put(&store, Profile::UNIXFS_V1_2025, large);
    assert_eq!(packs(), 2);
    store.pin(&root).unwrap();
    check(&store, root, large);
    assert!(peak() < LIMIT, "{} KiB for a large file", peak());

    // More blocks than a batch keeps in memory.
    let many = Profile::UNIXFS_V1_2025.resized(64, 1024).unwrap();
    let bytes = 70_000 * 64;
    let root = put(&store, many, bytes);
    check(&store, root, bytes);
    store.pin(&root).unwrap();
    assert_eq!(put(&store, many, bytes), root); // all there already
    assert!(peak() < LIMIT, "{} KiB for many blocks", peak());

    // One that is dropped leaves nothing, though its blocks went through the index.
    let known = packs();
    let mut batch = store.batch();
    let other = Generated {
        next: 1 << 40,
        words: (1 << 40) + bytes / 8,
    };
    let dropped = add(many, other, &mut *batch).unwrap().cid;
    drop(batch);
    assert!(!store.has(&dropped).unwrap());
    assert_eq!(packs(), known);

    // And all of it goes with its pin.
    for (root, _) in store.pins().unwrap() {
        store.unpin(&root).unwrap();
    }
    store.gc(Duration::ZERO, Absent::Refused).unwrap();
    assert_eq!(packs(), 0);
    assert!(peak() < LIMIT, "{} KiB in the end", peak());
}
