//! What the checks cost beside redb alone, in one run: writing, reading past the cache,
//! opening. `cargo bench -p medshare-database`.
#![allow(clippy::unwrap_used, missing_docs)]

use database::{FileDevice, Tables};
use redb::{Database, ReadableDatabase as _, TableDefinition};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const COMMITS: u64 = 100;
const EACH: u64 = 2_000;
const READS: u64 = 100_000;
const CACHE: usize = 4 << 20;

/// Scattered, as digests are.
fn key(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn commit(database: &Database, round: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        for number in round * EACH..(round + 1) * EACH {
            entries.insert(key(number), [number as u8; 300].as_slice())?;
        }
    }
    Ok(transaction.commit()?)
}

fn read(database: &Database) -> u64 {
    let view = database.begin_read().unwrap();
    let entries = view.open_table(ENTRIES).unwrap();
    (0..READS)
        .map(|at| {
            let number = key(at) % (COMMITS * EACH);
            let value = entries.get(key(number)).unwrap().unwrap();
            u64::from(value.value()[0])
        })
        .sum()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

fn checked(path: &Path) -> Tables {
    Tables::open(Arc::new(FileDevice::new(path)), CACHE, 1).unwrap()
}

fn main() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let (ours, theirs) = (folder.path().join("checked"), folder.path().join("redb"));
    let device = Arc::new(FileDevice::new(&ours));
    let tables = Tables::create(device, CACHE, 1, |database| commit(database, 0)).unwrap();
    let plain = || redb::Builder::new().set_cache_size(CACHE).create(&theirs);
    let database = plain().unwrap();
    commit(&database, 0).unwrap();
    let (mut write, mut write_alone) = (Duration::ZERO, Duration::ZERO);
    for round in 1..COMMITS {
        // By turns, so that both have the same disk.
        let handle = tables.handle().unwrap();
        write += timed(|| commit(&handle, round).unwrap()).1;
        write_alone += timed(|| commit(&database, round).unwrap()).1;
    }
    drop((tables, database));
    let (tables, open) = timed(|| checked(&ours));
    let (database, open_alone) = timed(|| plain().unwrap());
    let (mut get, mut get_alone) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..3 {
        let handle = tables.handle().unwrap();
        let (sum, took) = timed(|| read(&handle));
        let (sum_alone, took_alone) = timed(|| read(&database));
        assert_eq!(sum, sum_alone);
        (get, get_alone) = (get + took, get_alone + took_alone);
    }
    let size = std::fs::metadata(&ours).unwrap().len() as f64;
    let line = |what: &str, with: Duration, alone: Duration| {
        let ratio = with.as_secs_f64() / alone.as_secs_f64();
        println!("{what}: {with:.2?} with the checks, {alone:.2?} without: {ratio:.2}");
    };
    line("writing", write, write_alone);
    line("reading past the cache", get, get_alone);
    line("opening", open, open_alone);
    println!(
        "{:.0} MiB; verified at the start: {:.0} MiB/s",
        size / 1_048_576.0,
        size / 1_048_576.0 / open.as_secs_f64()
    );
    let mut next = Some(0);
    let ((), look) = timed(|| {
        while let Some(page) = next {
            next = tables.inspect(page, 1024).unwrap();
        }
    });
    println!(
        "a look in the background: {:.0} MiB/s",
        size / 1_048_576.0 / look.as_secs_f64()
    );
}
