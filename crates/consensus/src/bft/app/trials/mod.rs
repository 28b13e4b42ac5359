//! The application without engine and network: a driver plays the engine and the network in
//! drawn, hostile orders, within what the engine promises, and holds the application to what
//! it promises. A run is named by its number: `TRIAL_SEED=7 TRIAL_RUNS=1` is run 7 again.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../../../ledger/tests/stateful/device.rs"]
mod device;
mod foreign;
mod halt;
mod once;
mod people;
mod play;
#[path = "../../../../../ledger/tests/stateful/random.rs"]
mod random;
mod replaced_key;
mod rig;
mod two;
mod watching;

use play::{Play, Seen};
use std::{panic, time::Instant};

#[test]
fn hostile_orders() {
    many(random::wanted("TRIAL_RUNS", 150));
}

#[test]
#[ignore = "the long form: cargo xtask chaos"]
fn long() {
    many(random::wanted("TRIAL_RUNS", 10_000));
}

fn many(runs: u64) {
    let first = random::wanted("TRIAL_SEED", 1);
    let (begun, mut all) = (Instant::now(), Seen::default());
    for seed in first..first + runs {
        let seen = panic::catch_unwind(|| Play::run(seed)).unwrap_or_else(|panic| {
            eprintln!("TRIAL_SEED={seed} TRIAL_RUNS=1");
            panic::resume_unwind(panic)
        });
        all.add(&seen);
    }
    println!("{runs} schedules in {:?}: {all:?}", begun.elapsed());
    // What never happens shows nothing.
    let counts = [
        all.blocks,
        all.acknowledged,
        all.restarts,
        all.asked_again,
        all.synced,
        all.refused,
        all.lost_parts,
    ];
    assert!(counts.iter().all(|count| *count >= runs / 4), "{all:?}");
}
