//! Seals and opens a body of many bytes through the real store on disk, and prints how
//! much resident memory it took: `stream [MiB] [folder]`, 2048 MiB by default.
//!
//! Fails (exit code 1) if the peak of resident memory grew by 64 MiB or more, or if what
//! comes out is not what went in.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use aws_lc_rs::digest;
use base::{Digest, RecordId};
use share::body::{self, BodyHeader, padded};
use std::{
    io::{self, Read, Write},
    path::Path,
    time::Instant,
};
use store::{BlockStore, Embedded, unixfs};

/// Bytes that no compressor or zero page explains away, made as they are read.
struct Source {
    left: u64,
    state: u64,
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = out
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        for chunk in out[..count].chunks_mut(8) {
            self.state = self
                .state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            chunk.copy_from_slice(&self.state.to_le_bytes()[..chunk.len()]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// A sink that hashes.
struct Hash(digest::Context);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mebibytes = arguments.next().map_or(2_048, |text| text.parse().unwrap());
    let folder = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    std::process::exit(i32::from(run(mebibytes, &folder) >= 64));
}

/// Seals and opens; by how many MiB the peak of resident memory grew.
pub fn run(mebibytes: u64, folder: &Path) -> u64 {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let length = mebibytes << 20;
    let header = BodyHeader {
        version: base::Version,
        suite: 1,
        record: RecordId([1; 32]),
        part: 0,
        size: padded(length),
    };
    let key = [7; 32];
    let before = peak();

    let start = Instant::now();
    let mut source = Source {
        left: length,
        state: 1,
    };
    let (cid, sealed) = body::seal(&header, &key, &mut source, length, b"", |from| {
        let mut batch = store.batch();
        let built = unixfs::add(unixfs::Profile::UNIXFS_V1_2025, from, &mut *batch)?;
        batch.commit().map_err(io::Error::other)?;
        Ok(built.cid)
    })
    .unwrap();
    report("seal", length, start);

    let start = Instant::now();
    let blocks: &dyn BlockStore = &store;
    let mut reader = unixfs::Reader::open(blocks, cid).unwrap();
    let mut hash = Hash(digest::Context::new(&digest::SHA256));
    let opened = body::open(&header, &key, &mut reader, length, 0, &mut hash).unwrap();
    report("open", length, start);
    assert_eq!(opened.digest, sealed.digest);
    assert_eq!(
        Digest(hash.0.finish().as_ref().try_into().unwrap()),
        sealed.digest
    );

    let grown = (peak() - before) >> 10;
    println!("resident memory grew by {grown} MiB at most (limit 64)");
    grown
}

fn report(what: &str, length: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {} MiB in {seconds:.2} s, {:.2} GiB/s",
        length >> 20,
        length as f64 / seconds / f64::from(1 << 30)
    );
}

/// VmHWM, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
