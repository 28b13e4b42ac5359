//! Timing test of decapsulation (part of test 10): genuine against damaged capsules.
//!
//! Welch's t over interleaved measurements. Machines are noisy: run by hand in release, never in CI.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use ibpre::*;

#[path = "../src/test_rng.rs"]
mod test_rng;
use test_rng::TestRng;

/// |t| of two samples, the slowest tenth of the whole left out (interrupts).
fn welch(samples: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = samples.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let limit = all[all.len() * 9 / 10];
    let [a, b] = samples.each_ref().map(|sample| {
        let kept: Vec<f64> = sample.iter().copied().filter(|&x| x < limit).collect();
        let n = kept.len() as f64;
        let mean = kept.iter().sum::<f64>() / n;
        let variance = kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    });
    ((a.0 - b.0) / (a.1 + b.1).sqrt()).abs()
}

#[test]
#[ignore = "a measurement for a quiet machine: cargo xtask statistics"]
fn decapsulation_takes_the_same_time_whatever_comes_out() {
    let rng = &mut TestRng::new(b"timing");
    let extractor = Extractor::new(&setup::<SetA>(rng));
    let sid = scope_id::<SetA>(b"scope");
    let scope = ScopeKey::new(extractor.public_params(), sid);
    let key = extractor.extract(sid, &mut BTreeSet::new(), rng).unwrap();
    let key = DecapsulationKey::new(&scope, &key, [1; 32]);
    let capsules: [Vec<Capsule<SetA>>; 2] = std::array::from_fn(|class| {
        (0..32)
            .map(|i| {
                let mut bytes = scope.encapsulate(rng).1.to_bytes();
                // Class 1: the lowest bits of 64 coefficients of y changed, everything else alike.
                for at in 0..64 * class {
                    bytes[2 + 5 * (at + i)] ^= 1;
                }
                Capsule::from_bytes(&bytes).unwrap()
            })
            .collect()
    });
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..40_000usize {
        let class = (round ^ round >> 5) & 1;
        let capsule = &capsules[class][round % 32];
        let start = Instant::now();
        black_box(key.decapsulate(black_box(capsule)));
        samples[class].push(start.elapsed().as_nanos() as f64);
    }
    let t = welch(&samples);
    println!("t = {t}");
    assert!(t < 4.5, "t = {t}");
}
