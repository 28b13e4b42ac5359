//! Put and get of a file beside SHA-256 and beside writing the same bytes with one sync,
//! in one run and on one disk.
//!
//! 256 MiB in blocks of 1 MiB: `write`, the bytes alone, one sync at the end; `add`, into
//! the store, durable; `add again`, all blocks there already; `names`, the CIDs alone;
//! `get`, every block hashed again. Single blocks of 4 KiB: `write`, a file made durable;
//! `put`, one thread; `put by 8`, one of eight threads at once; `get`.
#![allow(clippy::unwrap_used, missing_docs)]

use base::cid::{self, Cid};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    hint::black_box,
    io::{Read as _, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};
use store::{
    BlockStore as _, Embedded,
    unixfs::{HashOnly, Profile, Reader, add},
};

const SIZE: usize = 256 << 20;
const PORTION: usize = 1 << 20;

/// Bytes that no disk can compress or share, other ones for each `seed`.
fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

/// A file of other bytes each time, and what was made of the last one cleared away first.
fn fresh<'a>(seed: &'a mut u64, clear: impl Fn() + 'a) -> impl FnMut() -> Vec<u8> + 'a {
    move || {
        clear();
        *seed += 1;
        bytes(SIZE, *seed)
    }
}

fn write(path: &Path, file: &[u8]) {
    let mut out = File::create(path).unwrap();
    for portion in file.chunks(PORTION) {
        out.write_all(portion).unwrap();
    }
    out.sync_all().unwrap();
}

fn put(store: &Embedded, file: &[u8]) -> Cid {
    let mut batch = store.batch();
    let built = add(Profile::UNIXFS_V1_2025, file, &mut *batch).unwrap();
    batch.commit().unwrap();
    built.cid
}

/// Deletes everything: what has a pin loses it.
fn clear(store: &Embedded) {
    for (root, _) in store.pins().unwrap() {
        store.unpin(&root).unwrap();
    }
}

fn files(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let plain = folder.path().join("plain");
    let store = Embedded::open(folder.path().join("store")).unwrap();
    let mut seed = 0;
    let mut group = criterion.benchmark_group("store 256 MiB");
    group
        .throughput(Throughput::Bytes(SIZE as u64))
        .sample_size(10);
    let file = bytes(SIZE, 0);
    group.bench_function("sha256", |bench| {
        bench.iter(|| Sha256::digest(black_box(&file)));
    });
    group.bench_function("names", |bench| {
        bench.iter(|| add(Profile::UNIXFS_V1_2025, &file[..], HashOnly).unwrap());
    });
    group.bench_function("write", |bench| {
        let gone = || drop(fs::remove_file(&plain));
        let fresh = fresh(&mut seed, gone);
        bench.iter_batched(fresh, |file| write(&plain, &file), BatchSize::PerIteration);
    });
    let _ = fs::remove_file(&plain);
    group.bench_function("add", |bench| {
        let fresh = fresh(&mut seed, || clear(&store));
        // The time of the pin, by which it is cleared away, is another matter: not measured.
        bench.iter_batched_ref(
            fresh_unpinned(fresh),
            |(file, pin)| *pin = Some(Pin(&store, put(&store, file))),
            BatchSize::PerIteration,
        );
    });
    clear(&store);
    let root = put(&store, &file);
    store.pin(&root).unwrap();
    group.bench_function("add again", |bench| bench.iter(|| put(&store, &file)));
    let mut out = vec![0; PORTION];
    group.bench_function("get", |bench| {
        bench.iter(|| {
            let mut reader = Reader::open(&store, root).unwrap();
            while reader.read(&mut out).unwrap() > 0 {}
        });
    });
    group.finish();
}

/// Pins a root when it is dropped.
struct Pin<'a>(&'a Embedded, Cid);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.pin(&self.1).unwrap();
    }
}

fn fresh_unpinned<'a>(
    mut fresh: impl FnMut() -> Vec<u8>,
) -> impl FnMut() -> (Vec<u8>, Option<Pin<'a>>) {
    move || (fresh(), None)
}

fn blocks(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = Embedded::open(folder.path().join("store")).unwrap();
    let block = bytes(4096, 1);
    let name = cid::of_block(cid::RAW, &block);
    store.put(&name, &block).unwrap();
    let mut group = criterion.benchmark_group("store 4 KiB");
    group.sample_size(20);
    group.bench_function("sha256", |bench| {
        bench.iter(|| Sha256::digest(black_box(&block)));
    });
    let mut number = 0;
    group.bench_function("write", |bench| {
        bench.iter(|| {
            number += 1;
            write(&folder.path().join(number.to_string()), &block);
        });
    });
    let mut seed = 1 << 32;
    let mut fresh = || {
        seed += 1;
        let block = bytes(4096, seed);
        (cid::of_block(cid::RAW, &block), block)
    };
    group.bench_function("put", |bench| {
        bench.iter_batched(
            &mut fresh,
            |(name, block)| store.put(&name, &block).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("put by 8", |bench| {
        bench.iter_custom(|count| together(&store, &mut fresh, count));
    });
    group.bench_function("get", |bench| bench.iter(|| store.get(&name).unwrap()));
    group.finish();
}

/// `count` blocks, put by eight threads at once.
fn together(store: &Embedded, fresh: &mut impl FnMut() -> (Cid, Vec<u8>), count: u64) -> Duration {
    let all: Vec<_> = (0..count).map(|_| fresh()).collect();
    let begun = Instant::now();
    thread::scope(|scope| {
        for share in all.chunks(all.len().div_ceil(8)) {
            scope.spawn(move || {
                for (name, block) in share {
                    store.put(name, block).unwrap();
                }
            });
        }
    });
    begun.elapsed()
}

criterion_group!(benches, files, blocks);
criterion_main!(benches);
