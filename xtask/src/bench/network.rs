//! `cargo xtask bench network`: operations of several validators beside CometBFT on as many
//! processes, and what the ledger's size does to them, into `docs/performance.md`.
//!
//! The measuring is done by `figures` and `growth` of `crates/medshare/tests/network`; this
//! tabulates.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use super::machine;
use crate::{components, document, run};

const USAGE: run::Usage = run::Usage("bench network [--seconds N] [--most OPERATIONS]");

pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let (mut seconds, mut most) = (20_u64, 1_000_000_u64);
    for pair in arguments.chunks(2) {
        let [name, number] = pair else { bail!(USAGE) };
        let number = number.parse().ok().filter(|number| *number > 0);
        match *name {
            "--seconds" => seconds = number.context(USAGE)?,
            "--most" => most = number.context(USAGE)?,
            _ => bail!(USAGE),
        }
    }
    let cometbft = components::component("CometBFT")?;
    let (_, program) = (cometbft.variables.first()).context("CometBFT has no program")?;
    let mut command = run::cargo();
    command
        .args(["test", "--release", "--locked", "--workspace"])
        .args(["--features", "medshare/full", "--test", "network", "--"])
        .args(["--ignored", "--nocapture", "--test-threads=1"])
        .args(["--exact", "figures::figures", "growth::growth"])
        .env("COMETBFT", program)
        .env("FIGURES_SECONDS", seconds.to_string())
        .env("FIGURES_MOST", most.to_string())
        .stdout(Stdio::piped());
    let before = machine::load();
    let mut child = command.spawn()?;
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        let object = line.find('{').map(|at| serde_json::from_str(&line[at..]));
        told.extend(object.and_then(Result::ok));
    }
    if !child.wait()?.success() {
        bail!("the measurement failed");
    }
    let section = format!(
        "{}\n\n{}\n{}",
        machine::when(&before)?,
        rates(&told, &cometbft.version, seconds)?,
        growth(&told)?
    );
    println!("{section}");
    document::write(document::PERFORMANCE, "network", &section)?;
    println!("written to {}", document::PERFORMANCE);
    Ok(())
}

fn number(object: &Value, name: &str) -> f64 {
    object[name].as_f64().unwrap_or_default()
}

/// Of several measurements with one name, which differ in the size of blocks, the best.
fn rates(told: &[Value], cometbft: &str, seconds: u64) -> Result<String> {
    let mut best: Vec<&Value> = Vec::new();
    for one in told.iter().filter(|one| one["clients"].is_u64()) {
        let rate = |one: &Value| number(one, "operations_per_second");
        let same =
            |other: &&mut &Value| other["who"] == one["who"] && other["clients"] == one["clients"];
        match best.iter_mut().find(same) {
            Some(other) if rate(other) < rate(one) => *other = one,
            Some(_) => {}
            None => best.push(one),
        }
    }
    let bytes = best.first().map_or(0.0, |one| number(one, "bytes"));
    let mut text = format!(
        "Operations of {bytes} bytes, durable when acknowledged; each client sends the next when the one before is\n\
         acknowledged; {seconds} s each. Ours are signed by their clients and verified by each validator. {cometbft}: 4\n\
         processes, `persistent_kvstore`, `timeout_commit` 0 and its pauses for wide networks taken out, the best of blocks\n\
         of at most 64 KiB, 1 MiB and 4 MiB; *signatures verified*: its clients verify each signature four times before they\n\
         send, as four validators would. All processes and clients share this machine's cores.\n\n\
         | | clients | operations/s | p50 ms | p99 ms |\n\
         | --- | ---: | ---: | ---: | ---: |\n"
    );
    for one in best {
        let who = one["who"].as_str().unwrap_or_default();
        if who.ends_with("operations") {
            continue; // of the other table
        }
        writeln!(
            text,
            "| {who} | {} | {:.0} | {:.1} | {:.1} |",
            number(one, "clients"),
            number(one, "operations_per_second"),
            number(one, "p50_ms"),
            number(one, "p99_ms"),
        )?;
    }
    for one in told.iter().filter(|one| one["recovery"] == true) {
        let seconds = number(one, "voted_seconds");
        writeln!(
            text,
            "\nA validator that was killed under load signs a block again {seconds:.1} s after it is started."
        )?;
    }
    Ok(text)
}

fn growth(told: &[Value]) -> Result<String> {
    let mut text = String::from(
        "The same four validators as their ledger grows; 8 clients for the latency. *Filled* by 256 clients with ever new\n\
         patients since the line above. *Signs*: a validator that was killed signs a block again, from the start of its\n\
         process, under load. *Synced*: a new node fetches, verifies and executes everything from one of them.\n\n\
         | operations | filled, operations/s | p50 ms | p99 ms | memory MiB | disk B/operation | answers s | signs s | synced, operations/s |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let latency = told.iter().filter(|one| {
        let who = one["who"].as_str().unwrap_or_default();
        who.ends_with("operations")
    });
    for (one, latency) in told.iter().filter(|one| one["size"].is_u64()).zip(latency) {
        let size = number(one, "size");
        writeln!(
            text,
            "| {size} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {:.2} | {:.2} | {:.0} |",
            number(one, "filled_per_second"),
            number(latency, "p50_ms"),
            number(latency, "p99_ms"),
            number(one, "memory_bytes") / f64::from(1 << 20),
            number(one, "disk_bytes") / size,
            number(one, "answers_seconds"),
            number(one, "votes_seconds"),
            number(one, "synced_per_second"),
        )?;
    }
    Ok(text)
}
