//! `cargo xtask e2e`: the pages in a real Chromium, which set-up installs.

use anyhow::{Result, bail};
use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::{components, copy, run, tally::Tally};

const USAGE: run::Usage = run::Usage("e2e [--short]");
/// What cannot be had on every machine.
const NEEDS: &str = "Chromium";

/// Every page in every light; `--short` is what the chore `test` runs.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let long = match arguments {
        [] => true,
        ["--short"] => false,
        _ => bail!(USAGE),
    };
    let mut tally = Tally::default();
    let done = pages(&mut tally, long);
    tally.print();
    done?;
    if run::ci() && !tally.missing.is_empty() {
        bail!("in CI nothing may be left out");
    }
    Ok(())
}

/// The tests in `crates/medshare/tests/browser`; pictures of every page are left under
/// `target/e2e`.
pub(crate) fn pages(tally: &mut Tally, long: bool) -> Result<()> {
    let component = match components::component(NEEDS) {
        Ok(component) => component,
        Err(error) => {
            let reason = format!("{error:#}");
            tally.missing.entry(NEEDS).or_insert(reason);
            return Ok(());
        }
    };
    println!("in {}", component.version);
    // The program as the other tests have it: nothing is compiled a second time.
    run::must(run::cargo().args([
        "test",
        "--locked",
        "--workspace",
        "--features",
        "medshare/full",
        "--test",
        "cli",
        "--no-run",
    ]))?;
    let root = run::root();
    let mut command = Command::new("node");
    command
        .current_dir(&root)
        .args(["--test", "--test-reporter=tap", SCRIPT])
        .envs(component.variables)
        .env("MEDSHARE_PROGRAM", copy::target().join("debug/medshare"))
        .env("MEDSHARE_SAMPLES", root.join("samples"))
        .env("MEDSHARE_PICTURES", copy::target().join("e2e"))
        .env("MEDSHARE_LONG", if long { "1" } else { "0" })
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            tally.tap(&line);
        }
    }
    if !child.wait()?.success() {
        bail!("a page does not hold in the browser");
    }
    Ok(())
}

const SCRIPT: &str = "crates/medshare/tests/browser/pages.test.mjs";
