//! Every decoder of bytes from outside under libFuzzer.
//!
//! `cargo-fuzz` is installed into the target folder. libFuzzer needs compiler flags that
//! stable cargo hides: the nightly toolchain is used where there is one, else the stable
//! compiler with its gate opened for this build alone.

use anyhow::{Context, Result, bail};
use std::process::Command;

use crate::run;

/// Runs one or all targets for a number of seconds each (60 by default).
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (seconds, wanted) = match arguments {
        [] => (60, None),
        [seconds] => (parse(seconds)?, None),
        [seconds, target] => (parse(seconds)?, Some(*target)),
        _ => bail!("usage: cargo xtask fuzz [SECONDS] [TARGET]"),
    };
    let tools = run::root().join("target/tools");
    if !tools.join("bin/cargo-fuzz").exists() {
        println!("installing cargo-fuzz into target/tools");
        run::must(
            run::cargo()
                .args(["install", "cargo-fuzz", "--locked", "--root"])
                .arg(&tools),
        )?;
    }
    let targets = targets()?;
    if let Some(name) = wanted
        && !targets.iter().any(|target| target == name)
    {
        bail!("no fuzz target {name}; there are: {}", targets.join(", "));
    }
    for target in targets
        .iter()
        .filter(|target| wanted.is_none_or(|name| name == *target))
    {
        println!("\n== fuzz {target} for {seconds} s");
        let mut command = Command::new(tools.join("bin/cargo-fuzz"));
        command.current_dir(run::root()).args(["run", target, "--"]);
        command.arg(format!("-max_total_time={seconds}"));
        command.args([
            "-max_len=65536",
            "-rss_limit_mb=2048",
            "-timeout=10",
            "-print_final_stats=1",
        ]);
        open_compiler(&mut command);
        run::must(&mut command)?;
    }
    Ok(())
}

fn parse(text: &str) -> Result<u64> {
    text.parse()
        .with_context(|| format!("{text:?} is no number of seconds"))
}

fn targets() -> Result<Vec<String>> {
    let manifest: toml::Table =
        std::fs::read_to_string(run::root().join("fuzz/Cargo.toml"))?.parse()?;
    let bins = manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .context("fuzz has no targets")?;
    Ok(bins
        .iter()
        .filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned))
        .collect())
}

fn open_compiler(command: &mut Command) {
    let nightly = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .output()
        .is_ok_and(|done| done.status.success());
    if nightly {
        command.env("RUSTUP_TOOLCHAIN", "nightly");
    } else {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
}
