//! What CI runs, stage by stage, with minutes for each and the sum of all tests.

use anyhow::{Context, Result, bail};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{constant_time, licences, run, setup, tidy};

type Stage = (&'static str, fn(&mut Tally) -> Result<()>);

const STAGES: &[Stage] = &[
    ("setup", |tally| {
        tally.not_run = setup::run()?;
        Ok(())
    }),
    ("fmt", |_| {
        run::must(run::cargo().args(["fmt", "--all", "--check"]))
    }),
    ("tidy", |_| tidy::run()),
    ("licences", |_| licences::run()),
    ("clippy", |_| run::must(run::cargo().args(CLIPPY))),
    ("package", |_| package()),
    ("tests", |tally| {
        tally.cargo_test(&[
            "--workspace",
            FULL[0],
            FULL[1],
            "--lib",
            "--bins",
            "--tests",
        ])
    }),
    ("doc tests", |tally| {
        tally.cargo_test(&["--workspace", FULL[0], FULL[1], "--doc"])
    }),
    ("constant time", |tally| {
        if tally.not_run.contains(&constant_time::NEEDS) {
            println!("not run: no {}", constant_time::NEEDS);
            return Ok(());
        }
        constant_time::run()
    }),
    ("demo", |_| {
        run::must(run::cargo().args(["run", "--locked", "--release", "--", "demo"]))
    }),
];

/// Everything that is built is checked, not only what the default features build.
const FULL: [&str; 2] = ["--features", "medshare/full"];

const CLIPPY: [&str; 9] = [
    "clippy",
    "--locked",
    "--workspace",
    FULL[0],
    FULL[1],
    "--all-targets",
    "--",
    "-D",
    "warnings",
];

/// Runs every stage; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let mut tally = Tally::default();
    let mut minutes = Vec::new();
    let mut result = Ok(());
    for (name, stage) in STAGES {
        println!("\n== {name}");
        let start = Instant::now();
        result = stage(&mut tally).with_context(|| format!("stage {name}"));
        minutes.push((*name, start.elapsed().as_secs_f64() / 60.0));
        if result.is_err() {
            break;
        }
    }
    println!("\n== minutes");
    for (name, spent) in &minutes {
        println!("{name:10} {spent:6.2}");
    }
    println!(
        "{:10} {:6.2}",
        "all",
        minutes.iter().map(|(_, spent)| spent).sum::<f64>()
    );
    for name in &tally.not_run {
        println!("not run: tests that need {name}");
    }
    println!("tests: {} passed, {} failed", tally.passed, tally.failed);
    result
}

/// Packs the publishable crate and builds it from the package, as a stranger would.
pub(crate) fn package() -> Result<()> {
    run::must(run::cargo().args(["package", "--package", "ibpre", "--allow-dirty", "--locked"]))
}

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    not_run: Vec<&'static str>,
}

impl Tally {
    /// `cargo test` with its output passed through and its summaries added up.
    fn cargo_test(&mut self, arguments: &[&str]) -> Result<()> {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn()?;
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines() {
                let line = line?;
                println!("{line}");
                if let Some(summary) = line.strip_prefix("test result: ") {
                    self.passed += count(summary, " passed");
                    self.failed += count(summary, " failed");
                }
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("cargo test {} failed", arguments.join(" "));
        }
        Ok(())
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = run::cargo();
    command
        .args(["test", "--locked", "--no-fail-fast"])
        .args(arguments);
    command
}

/// The number before `word` in a line such as `ok. 3 passed; 0 failed; ...`.
fn count(summary: &str, word: &str) -> u64 {
    summary
        .split(word)
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn summaries_are_read() {
        let line = "ok. 31 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(super::count(line, " passed"), 31);
        assert_eq!(super::count(line, " failed"), 2);
    }
}
