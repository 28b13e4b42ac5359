//! Yardsticks of the statistical tests: sample sizes, seeds, bounds, and what becomes of a figure.
//!
//! An ordinary run takes fixed seeds and small samples. `cargo xtask statistics` sets
//! `IBPRE_STATISTICS` (how many times the sample) and `IBPRE_SEED` (fresh), and collects the figures
//! from lines of five fields: `statistic`, name, value, bound, verdict. Bounds are five standard
//! deviations for the sample at hand.

use crate::batch::{all_cores, in_blocks};
use crate::test_rng::TestRng;

/// How many times the sample of an ordinary run: 1 if nobody says otherwise.
pub(crate) fn scale() -> usize {
    std::env::var("IBPRE_STATISTICS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(1)
}

/// The generator of one test, or of one part of it: another one for every seed.
pub(crate) fn rng(label: &str) -> TestRng {
    let seed = std::env::var("IBPRE_SEED").unwrap_or_default();
    TestRng::new(format!("{label} {seed}").as_bytes())
}

/// What a chi-square statistic exceeds with the probability of five standard deviations
/// (Wilson and Hilferty's approximation).
pub(crate) fn chi_square_limit(degrees: usize) -> f64 {
    let k = 2.0 / (9.0 * degrees as f64);
    degrees as f64 * (1.0 - k + 5.0 * k.sqrt()).powi(3)
}

/// Records a figure that must not exceed its bound, and fails the test if it does.
pub(crate) fn below(name: &str, value: f64, bound: f64) {
    record(name, value, &format!("at most {bound:.6}"), value <= bound);
}

/// Records a figure that must be `expected`, give or take `tolerance`.
pub(crate) fn near(name: &str, value: f64, expected: f64, tolerance: f64) {
    let bound = format!("{expected:.6} ± {tolerance:.6}");
    record(name, value, &bound, (value - expected).abs() <= tolerance);
}

fn record(name: &str, value: f64, bound: &str, well: bool) {
    if std::env::var_os("IBPRE_SEED").is_some() {
        let verdict = if well { "ok" } else { "FAILED" };
        println!("statistic\t{name}\t{value:.6}\t{bound}\t{verdict}");
    }
    assert!(well, "{name}: {value}, not {bound}");
}

/// `part(0)`, `part(1)` .. on all cores; the results in order.
pub(crate) fn in_parallel<T: Send>(parts: usize, part: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let parts: Vec<usize> = (0..parts).collect();
    in_blocks(1, &parts, all_cores(), |&at| part(at))
}
