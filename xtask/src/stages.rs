//! What CI runs, stage by stage, with minutes for each and the sum of all tests.

use anyhow::{Context, Result};
use std::time::Instant;

use crate::{constant_time, e2e, interop, licences, run, setup, site, tally::Tally, tidy};

type Stage = (&'static str, fn(&mut Tally) -> Result<()>);

const STAGES: &[Stage] = &[
    ("setup", |tally| {
        tally.missing = setup::run()?;
        Ok(())
    }),
    ("fmt", |_| {
        run::must(run::cargo().args(["fmt", "--all", "--check"]))
    }),
    ("tidy", |_| tidy::run()),
    ("licences", |_| licences::run()),
    ("clippy", |_| run::must(run::cargo().args(CLIPPY))),
    // As they are shipped: without what tests alone switch on.
    ("shipped", |_| {
        for features in ["default", "full"] {
            let checked = ["clippy", "--locked", "--package", "medshare"];
            let rest = ["--features", features, "--", "-D", "warnings"];
            run::must(run::cargo().args(checked).args(rest))?;
        }
        Ok(())
    }),
    ("package", |_| package()),
    ("tests", |tally| {
        tally.cargo_test(
            &[
                "--workspace",
                "--features",
                FULL,
                "--lib",
                "--bins",
                "--tests",
            ],
            [],
        )
    }),
    ("doc tests", |tally| {
        tally.cargo_test(&["--workspace", "--features", FULL, "--doc"], [])
    }),
    ("docs", site::make),
    ("interop", |tally| {
        interop::ipfs(tally, None)?;
        interop::chains(tally, None)?;
        interop::api_short(tally)
    }),
    ("e2e", |tally| e2e::pages(tally, false)),
    ("constant time", |tally| {
        if tally.missing.contains_key(constant_time::NEEDS) {
            println!("not run: no {}", constant_time::NEEDS);
            return Ok(());
        }
        constant_time::run()
    }),
    ("demo", |_| {
        let demo = ["run", "--locked", "--release", "--", "demo"];
        run::must(run::cargo().args(demo))?;
        // What this build cannot do it says.
        let several = demo.into_iter().chain(["--validators", "4"]);
        let lacks = "build with --features full";
        run::must_fail(run::cargo().args(several), 3, lacks)
    }),
];

/// Everything that is built is checked, not only what the default features build.
const FULL: &str = "medshare/full";

const CLIPPY: [&str; 9] = [
    "clippy",
    "--locked",
    "--workspace",
    "--features",
    FULL,
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
    tally.print();
    result
}

/// Packs the publishable crate and builds it from the package, as a stranger would.
pub(crate) fn package() -> Result<()> {
    run::must(run::cargo().args(["package", "--package", "ibpre", "--allow-dirty", "--locked"]))
}
