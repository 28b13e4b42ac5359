//! `cargo xtask bench network`: operations of several validators beside CometBFT on as many
//! processes, into `docs/performance.md`.
//!
//! Ours is measured by the test `figures` of `crates/medshare/tests/network`; CometBFT's
//! clients do here what ours do there: each sends the next when the one before is committed.

mod comet;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::{components, document, run};

const USAGE: run::Usage = run::Usage("bench network [--seconds N]");

/// One measurement.
pub(super) struct Figure {
    who: String,
    clients: u64,
    per_second: f64,
    p50: f64,
    p99: f64,
}

/// What one run of ours gave.
#[derive(Default)]
struct Ours {
    figures: Vec<Figure>,
    /// Bytes of one operation.
    bytes: usize,
    /// From its start to its first signature, seconds.
    recovery: Option<f64>,
}

pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let seconds: u64 = match arguments {
        [] => 20,
        ["--seconds", number] => number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .context(USAGE)?,
        _ => bail!(USAGE),
    };
    let cometbft = components::component("CometBFT")?;
    let ours = ours(seconds)?;
    let (_, program) = (cometbft.variables.first()).context("CometBFT has no program")?;
    let mut all = ours.figures;
    for clients in CLIENTS {
        all.push(comet::measure(program, clients, ours.bytes, seconds)?);
    }
    let section = section(&all, ours.bytes, ours.recovery, &cometbft.version)?;
    println!("{section}");
    document::write(document::PERFORMANCE, "network", &section)?;
    println!("written to {}", document::PERFORMANCE);
    Ok(())
}

fn ours(seconds: u64) -> Result<Ours> {
    let mut command = run::cargo();
    command
        .args(["test", "--release", "--locked", "--workspace"])
        .args(["--features", "medshare/full", "--test", "network", "--"])
        .args(["--ignored", "--nocapture", "--exact", "figures::figures"])
        .env("FIGURES_SECONDS", seconds.to_string())
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut ours = Ours::default();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        let Some(told) = line
            .find('{')
            .and_then(|at| serde_json::from_str(&line[at..]).ok())
        else {
            continue;
        };
        take(&mut ours, &told);
    }
    match child.wait()?.success() && !ours.figures.is_empty() {
        true => Ok(ours),
        false => bail!("the measurement failed"),
    }
}

fn take(ours: &mut Ours, told: &Value) {
    if let Some(seconds) = told["voted_seconds"].as_f64() {
        ours.recovery = Some(seconds);
    }
    let figure = || {
        Some(Figure {
            who: match told["validators"].as_u64()? {
                1 => "medshare, one node that decides alone".into(),
                count => format!("medshare, {count} validators"),
            },
            clients: told["clients"].as_u64()?,
            per_second: told["operations_per_second"].as_f64()?,
            p50: told["p50_ms"].as_f64()?,
            p99: told["p99_ms"].as_f64()?,
        })
    };
    if let Some(figure) = figure() {
        ours.bytes = told["bytes"].as_u64().unwrap_or_default() as usize;
        ours.figures.push(figure);
    }
}

fn section(
    figures: &[Figure],
    bytes: usize,
    recovery: Option<f64>,
    cometbft: &str,
) -> Result<String> {
    let mut text = format!(
        "Operations of {bytes} bytes, durable when acknowledged; each client sends the next when the one before is\n\
         acknowledged. Ours are signed by their clients and verified by each validator; CometBFT's key-value store\n\
         verifies nothing. {cometbft}: 4 processes, `persistent_kvstore`, `timeout_commit` 0, the best of blocks of at most\n\
         64 KiB, 1 MiB and 4 MiB. All processes and clients share this machine's cores.\n\n\
         | | clients | operations/s | p50 ms | p99 ms |\n\
         | --- | ---: | ---: | ---: | ---: |\n"
    );
    for figure in figures {
        let Figure {
            who,
            clients,
            per_second,
            p50,
            p99,
        } = figure;
        writeln!(
            text,
            "| {who} | {clients} | {per_second:.0} | {p50:.1} | {p99:.1} |"
        )?;
    }
    if let Some(seconds) = recovery {
        writeln!(
            text,
            "\nA validator that was killed under load signs a block again {seconds:.1} s after it is started."
        )?;
    }
    Ok(text)
}

/// As the test `figures` has them.
const CLIENTS: [u64; 3] = [8, 64, 256];
