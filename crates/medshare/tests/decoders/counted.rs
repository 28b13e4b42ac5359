//! Every decoder on its own seeds, spoilt, a given number of times, and a table of it.

use super::{decoders::Decoder, mutate::Random, mutate::spoil, targets};
use std::{
    cell::RefCell,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// What became of one decoder.
struct Row {
    place: usize,
    name: String,
    seeds: usize,
    runs: u64,
    accepted: u64,
    seconds: f64,
}

/// A number from the environment, for the long form.
fn wanted(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Short here; `cargo xtask fuzz decoders` runs it at length.
#[test]
fn every_decoder_counted() {
    let runs = wanted("DECODER_RUNS", 2_000);
    let only = std::env::var("DECODER_ONLY").unwrap_or_default();
    let seed = wanted("DECODER_SEED", 1);
    let seeds: Vec<_> = targets().map(|target| (target, (target.seeds)())).collect();
    let mut work = Vec::new();
    for (target, seeds) in &seeds {
        for decoder in target.decoders {
            let name = format!("{}/{}", target.name, decoder.name);
            if name.contains(&only) {
                work.push((name, decoder, seeds));
            }
        }
    }
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..wanted("DECODER_THREADS", 1) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, decoder, seeds)) = work.get(place) else {
                        break;
                    };
                    let row = count(name, decoder, seeds, (runs, seed, place));
                    println!("{}", row.line());
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| row.place);
    if let Ok(path) = std::env::var("DECODER_TABLE") {
        fs::write(path, table(&rows)).unwrap();
    }
    assert_eq!(rows.len(), work.len(), "a decoder panicked");
    // Ruins of honest bytes are not all refused at the first byte.
    let idle = rows
        .iter()
        .filter(|row| row.accepted == 0 && runs >= 1_000_000);
    let idle: Vec<_> = idle.map(|row| &row.name).collect();
    assert!(idle.is_empty(), "nothing spoilt was ever taken by {idle:?}");
}

fn count(
    name: &str,
    decoder: &Decoder,
    seeds: &[Vec<u8>],
    (runs, seed, place): (u64, u64, usize),
) -> Row {
    let own = seeds
        .iter()
        .map(Vec::as_slice)
        .filter(|it| (decoder.run)(it));
    let own: Vec<&[u8]> = own.collect();
    let mut random = Random::new(seed << 16 | place as u64);
    let input = RefCell::new(Vec::new());
    let mut accepted = 0;
    let (start, before) = (Instant::now(), processor());
    let done = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..runs {
            let mut bytes = input.borrow_mut();
            spoil(&own, &mut random, &mut bytes);
            accepted += u64::from((decoder.run)(&bytes));
        }
    }));
    if done.is_err() {
        let bytes = hex::encode(&*input.borrow());
        panic!("{name} does not survive {bytes}");
    }
    let wall = start.elapsed().as_secs_f64();
    Row {
        place,
        name: name.to_owned(),
        seeds: own.len(),
        runs,
        accepted,
        seconds: processor()
            .zip(before)
            .map_or(wall, |(now, then)| now - then),
    }
}

/// Processor time of this thread so far, in seconds, where the system tells it.
fn processor() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

impl Row {
    fn rate(&self) -> f64 {
        100.0 * self.accepted as f64 / self.runs.max(1) as f64
    }

    fn line(&self) -> String {
        let (name, runs, seconds, rate) = (&self.name, self.runs, self.seconds, self.rate());
        format!("{name:32} {runs:>10} executions {seconds:>8.1} s {rate:>7.2} % accepted")
    }
}

/// A row a decoder; `cargo xtask fuzz decoders` makes the table of them.
fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let each = 1e6 * row.seconds / row.runs.max(1) as f64;
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {:.2} % | {:.1} s | {each:.2} µs |",
            row.name,
            row.seeds,
            row.runs,
            row.rate(),
            row.seconds
        );
    }
    text
}
