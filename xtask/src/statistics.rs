//! Tests too long or too noisy for every run: larger samples, other seeds, timing.

use anyhow::Result;
use std::fs::File;

use crate::run;

/// Runs the statistical tests of `ibpre` at many times their ordinary sample, then the
/// full-size noise test and the timing test, in release, on what should be a quiet machine.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let times = arguments.first().copied().unwrap_or("10");
    println!("== sampler and trapdoor, {times} times the sample");
    run::must(
        run::cargo()
            .args(TEST)
            .args(["--lib", "trapdoor"])
            .env("IBPRE_STATISTICS", times),
    )?;
    println!("\n== noise, full size");
    run::must(
        run::cargo()
            .args(TEST)
            .args(["--lib", "full_size", "--", "--ignored"]),
    )?;
    println!("\n== timing");
    run::must(
        run::cargo()
            .args(TEST)
            .args(["--test", "timing", "--", "--ignored", "--nocapture"]),
    )
}

/// Writes the known-answer vectors anew: keys and randomness by the crate, everything
/// that follows from them by the independent oracle.
pub(crate) fn vectors() -> Result<()> {
    run::must(
        run::cargo()
            .args(TEST)
            .args(["--lib", "write_keys", "--", "--ignored"]),
    )?;
    let tests = run::root().join("crates/ibpre/tests");
    for set in ["A", "B"] {
        let mut oracle = std::process::Command::new("python3");
        oracle
            .current_dir(&tests)
            .args(["oracle.py", &format!("vectors/keys-{set}.json")]);
        run::must(oracle.stdout(File::create(tests.join(format!("vectors/{set}.json")))?))?;
    }
    Ok(())
}

const TEST: [&str; 5] = ["test", "--locked", "--release", "--package", "ibpre"];
