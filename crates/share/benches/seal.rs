//! Seal and open into memory, beside AES-256-GCM and SHA-256 alone in the same run.
//!
//! The bound: one cipher pass and two hash passes shared perfectly between two cores,
//! that is half of (1/aes + 2/sha) a byte.
#![allow(clippy::unwrap_used, missing_docs)]

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest,
};
use base::RecordId;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use share::body::{self, BodyHeader, SEGMENT, padded};
use std::io::{self, Read};
use store::unixfs;

const LENGTH: usize = 64 << 20;

fn header() -> BodyHeader {
    BodyHeader {
        version: base::Version,
        suite: 1,
        record: RecordId([1; 32]),
        part: 0,
        size: padded(LENGTH as u64),
    }
}

fn seal(bytes: &[u8], sink: impl FnOnce(&mut dyn Read)) {
    let mut source = bytes;
    body::seal(
        &header(),
        &[7; 32],
        &mut source,
        LENGTH as u64,
        b"",
        |from| {
            sink(from);
            Ok(())
        },
    )
    .unwrap();
}

fn name_it(from: &mut dyn Read) {
    unixfs::add(unixfs::Profile::UNIXFS_V1_2025, from, unixfs::HashOnly).unwrap();
}

fn bench(c: &mut Criterion) {
    let bytes: Vec<u8> = (0..LENGTH).map(|at| ((at * 31) >> 5) as u8).collect();
    let mut sealed = Vec::new();
    seal(&bytes, |from| {
        from.read_to_end(&mut sealed).unwrap();
    });
    let mut group = c.benchmark_group("seal");
    group
        .throughput(Throughput::Bytes(LENGTH as u64))
        .sample_size(20);
    group.bench_function(BenchmarkId::new("yardstick", "aes-256-gcm"), |b| {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
        let mut buffer = bytes.clone();
        b.iter(|| {
            for segment in buffer.chunks_mut(SEGMENT) {
                let nonce = Nonce::assume_unique_for_key([0; 12]);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), segment);
                let _ = std::hint::black_box(tag.unwrap());
            }
        });
    });
    group.bench_function(BenchmarkId::new("yardstick", "sha-256"), |b| {
        b.iter(|| digest::digest(&digest::SHA256, &bytes));
    });
    group.bench_function("seal to memory", |b| b.iter(|| seal(&bytes, name_it)));
    group.bench_function("open from memory", |b| {
        b.iter(|| {
            let mut source = sealed.as_slice();
            body::open(
                &header(),
                &[7; 32],
                &mut source,
                LENGTH as u64,
                0,
                &mut io::sink(),
            )
            .unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
