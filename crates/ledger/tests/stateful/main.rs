//! The ledger beside a model of its rules: the same operations, valid and not, from few
//! accounts, while time moves; after every block both must say the same.
//!
//! Short by default; `cargo xtask fuzz stateful --runs N` runs it at length. A run is named
//! by its number: `STATEFUL_SEED=7 STATEFUL_RUNS=1` is the run 7 again.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agree;
mod device;
mod draw;
#[path = "../it/world/guards.rs"]
mod guards;
#[path = "../it/world/names.rs"]
mod names;
mod plain;
mod random;
mod run;

use names::*;
use random::wanted;
use run::{Seen, run};
use std::time::Instant;

/// Runs of this many blocks.
const RUNS: u64 = 10;
const BLOCKS: u64 = 260;

#[test]
fn ledger_and_model_agree() {
    let (first, runs) = (wanted("STATEFUL_SEED", 1), wanted("STATEFUL_RUNS", RUNS));
    let seconds = wanted("STATEFUL_SECONDS", u64::MAX);
    let blocks = wanted("STATEFUL_BLOCKS", BLOCKS);
    let mut seen = Seen::default();
    let mut done = 0;
    let start = Instant::now();
    while start.elapsed().as_secs() < seconds && (done < runs || seconds < u64::MAX) {
        run(first + done, blocks, &mut seen);
        done += 1;
        if done.is_multiple_of(100) {
            let (operations, seconds) = (seen.operations(), start.elapsed().as_secs());
            println!("{done} runs: {operations} operations, {seconds} s");
        }
    }
    println!("{done} runs from seed {first}");
    println!("{seen}");
    // What is never reached is not tested: every kind succeeded and failed.
    if blocks * done >= RUNS * BLOCKS {
        seen.check(done >= 1_000);
    }
}

/// A model that forgets a rule, or has one too many, is noticed: the comparison compares.
#[test]
fn a_wrong_model_is_noticed() {
    for error in run::ERRORS {
        let noticed = (1..40).any(|seed| run::disagrees(seed, 60, error));
        assert!(noticed, "{}", error.0);
    }
}
