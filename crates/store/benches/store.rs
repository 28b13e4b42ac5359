//! Put and get of a file beside SHA-256 of the same bytes, in one run.
//!
//! `add`, hashing alone; `put`, durable, every block synced; `put again`, all blocks there
//! already; `get`, every block hashed again. 64 MiB in blocks of 1 MiB, and single small
//! blocks. Put is bounded by the disk, get by SHA-256 and memory.
#![allow(clippy::unwrap_used, missing_docs)]

use base::cid;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest as _, Sha256};
use std::{hint::black_box, io::Read as _};
use store::{
    BlockStore as _, Embedded,
    unixfs::{HashOnly, Profile, Reader, add},
};

const SIZE: usize = 64 << 20;

/// Bytes that no disk can compress or share, other ones for each `seed`.
fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..size / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

fn put(store: &Embedded, file: &[u8]) -> cid::Cid {
    let mut batch = store.batch();
    let built = add(Profile::UNIXFS_V1_2025, file, &mut *batch).unwrap();
    batch.commit().unwrap();
    built.cid
}

fn files(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let file = bytes(SIZE, 0);
    let root = put(&store, &file);
    let mut group = criterion.benchmark_group("store 64 MiB");
    group
        .throughput(Throughput::Bytes(SIZE as u64))
        .sample_size(10);
    group.bench_function("sha256", |bench| {
        bench.iter(|| Sha256::digest(black_box(&file)));
    });
    group.bench_function("add", |bench| {
        bench.iter(|| add(Profile::UNIXFS_V1_2025, &file[..], HashOnly).unwrap());
    });
    let mut seed = 0;
    group.bench_function("put", |bench| {
        let fresh = || {
            seed += 1;
            bytes(SIZE, seed)
        };
        let new = |file: Vec<u8>| {
            let root = put(&store, &file);
            (root, file)
        };
        bench.iter_batched(fresh, new, BatchSize::PerIteration);
    });
    group.bench_function("put again", |bench| bench.iter(|| put(&store, &file)));
    let mut out = vec![0; 1 << 20];
    group.bench_function("get", |bench| {
        bench.iter(|| {
            let mut reader = Reader::open(&store, root).unwrap();
            while reader.read(&mut out).unwrap() > 0 {}
        });
    });
    group.finish();
}

fn blocks(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let block = bytes(4096, 1);
    let name = cid::of_block(cid::RAW, &block);
    store.put(&name, &block).unwrap();
    let mut group = criterion.benchmark_group("store 4 KiB");
    group.sample_size(20);
    group.bench_function("sha256", |bench| {
        bench.iter(|| Sha256::digest(black_box(&block)));
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
    group.bench_function("get", |bench| bench.iter(|| store.get(&name).unwrap()));
    group.finish();
}

criterion_group!(benches, files, blocks);
criterion_main!(benches);
