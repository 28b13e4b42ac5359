//! Every decoder that is fuzzed, on honest bytes, cut ones and spoilt ones, in process: what
//! `cargo xtask fuzz` looks for in minutes, in a second of every test run.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use decoders::{Decoder, LEDGER, TARGETS, Target, canonical, text};
use files::FILES;
use mutate::{Random, spoil};
use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
#[allow(clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]
mod decoders;
#[path = "../../../fuzz/src/files.rs"]
#[allow(clippy::expect_used, unreachable_pub)]
mod files;
#[cfg(feature = "peers")]
#[path = "../../../fuzz/src/peers.rs"]
#[allow(clippy::expect_used, unreachable_pub)]
mod peers;

#[path = "decoders/counted.rs"]
mod counted;
#[path = "decoders/mutate.rs"]
mod mutate;
#[path = "decoders/scan.rs"]
mod scan;
#[path = "decoders/sites.rs"]
mod sites;

/// Spoilt inputs for each seed.
const CHANGES: usize = 48;

fn targets() -> impl Iterator<Item = &'static Target> {
    let all = TARGETS.iter().copied().chain([&FILES]);
    #[cfg(feature = "peers")]
    let all = all.chain([&peers::PEERS]);
    all
}

#[test]
fn every_decoder_takes_a_seed_and_survives_its_ruins() {
    let mut idle = Vec::new();
    for target in targets() {
        let seeds = (target.seeds)();
        for decoder in target.decoders {
            let name = format!("{}/{}", target.name, decoder.name);
            let taken = seeds.iter().filter(|seed| (decoder.run)(seed)).count();
            if taken == 0 {
                idle.push(name);
            }
        }
        let mut random = Random::new(1);
        let (every, mut spoilt) = (slices(&seeds), Vec::new());
        for _ in 0..CHANGES * seeds.len() {
            spoil(&every, &mut random, &mut spoilt);
            target.run(&spoilt);
        }
    }
    assert!(idle.is_empty(), "no seed is taken by {idle:?}");
}

/// Inputs that once found a fault, by target, under `fuzz/regressions`.
#[test]
fn what_was_found_stays_fixed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions");
    for target in targets() {
        let Ok(files) = std::fs::read_dir(folder.join(target.name)) else {
            continue;
        };
        for file in files {
            target.run(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}

fn slices(seeds: &[Vec<u8>]) -> Vec<&[u8]> {
    seeds.iter().map(Vec::as_slice).collect()
}
