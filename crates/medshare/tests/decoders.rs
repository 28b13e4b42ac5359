//! Every decoder that is fuzzed, on honest bytes, cut ones and spoilt ones, in process: what
//! `cargo xtask fuzz` looks for in minutes, in a second of every test run.
#![allow(clippy::unwrap_used, missing_docs)]

use decoders::{Decoder, TARGETS, Target, canonical, text};
use files::FILES;
use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
#[allow(clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]
mod decoders;
#[path = "../../../fuzz/src/files.rs"]
#[allow(unreachable_pub)]
mod files;

/// Changes made to each seed.
const CHANGES: usize = 48;

fn targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().copied().chain([&FILES])
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
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for seed in &seeds {
            for _ in 0..CHANGES {
                target.run(&changed(seed, &mut random));
            }
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

/// The seed cut off, with a bit flipped, a byte put in, or a stretch repeated.
fn changed(seed: &[u8], random: &mut u64) -> Vec<u8> {
    let mut next = |below: usize| {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        (*random % below.max(1) as u64) as usize
    };
    let mut bytes = seed.to_vec();
    let at = next(bytes.len());
    match next(4) {
        0 => bytes.truncate(at),
        1 if !bytes.is_empty() => bytes[at] ^= 1 << next(8),
        2 => bytes.insert(at, next(256) as u8),
        _ => {
            let end = at + next(bytes.len() - at);
            bytes.extend_from_within(at..end);
        }
    }
    bytes
}
