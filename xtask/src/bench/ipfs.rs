//! `cargo xtask bench ipfs`: our store and nodes beside a real Kubo, into `docs/performance.md`.
//!
//! The measuring is done by `crates/store/benches/beside_kubo.rs`; this builds, runs and tabulates.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use super::machine;
use crate::{components, document, run};

const USAGE: run::Usage = run::Usage("bench ipfs [--rounds N]");

/// One figure of one round.
struct Figure {
    what: String,
    who: String,
    seconds: f64,
    before: Option<f64>,
    memory: Option<f64>,
}

pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let rounds: usize = match arguments {
        [] => 5,
        ["--rounds", number] => number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .context(USAGE)?,
        _ => bail!(USAGE),
    };
    let kubo = components::component("Kubo")?;
    let node = example()?;
    let mut command = run::cargo();
    command
        .args([
            "bench",
            "--locked",
            "--package",
            "medshare-store",
            "--features",
            "kubo,peers",
        ])
        .args(["--bench", "beside_kubo"])
        .env("MEDSHARE_ROUNDS", rounds.to_string())
        .env("MEDSHARE_EXAMPLE_NODE", node)
        .envs(kubo.variables)
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut figures = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        figures.extend(figure(&line));
    }
    if !child.wait()?.success() {
        bail!("the benchmark failed");
    }
    let section = section(&figures, &kubo.version, rounds)?;
    println!("\n{section}");
    document::write(document::PERFORMANCE, "ipfs", &section)?;
    println!("written to {}", document::PERFORMANCE);
    Ok(())
}

/// Builds the example `node`; cargo tells where it is.
fn example() -> Result<PathBuf> {
    let told = run::output(run::cargo().args([
        "build",
        "--locked",
        "--release",
        "--package",
        "medshare-store",
        "--features",
        "kubo,peers",
        "--example",
        "node",
        "--message-format",
        "json-render-diagnostics",
    ]))?;
    let executable = told.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.context("cargo names no example")
}

fn figure(line: &str) -> Option<Figure> {
    let told: Value = serde_json::from_str(line).ok()?;
    Some(Figure {
        what: told["what"].as_str()?.to_owned(),
        who: told["who"].as_str()?.to_owned(),
        seconds: told["seconds"].as_f64()?,
        before: told["before_kib"].as_f64(),
        memory: told["memory_kib"].as_f64(),
    })
}

/// A row of the table.
struct Row {
    what: &'static str,
    who: &'static str,
    /// MiB of the file.
    size: f64,
    against: Option<Against>,
}

/// Another figure of the run, and how many times faster than it the row's shall be at least.
struct Against(&'static str, &'static str, Option<f64>);

const fn row(what: &'static str, who: &'static str, against: Option<Against>) -> Row {
    Row {
        what,
        who,
        size: 256.0,
        against,
    }
}

/// Of one file that is larger than anybody's memory for it.
const fn large(what: &'static str) -> Row {
    Row {
        what,
        who: "ours, 4 GiB",
        size: 4096.0,
        against: None,
    }
}

const ROWS: &[Row] = &[
    row("write", "one fsync", None),
    row("hash", "SHA-256", None),
    row("add", "ours", Some(Against("add", "Kubo, sync", Some(1.0)))),
    row(
        "add",
        "ours",
        Some(Against("write", "one fsync", Some(0.8))),
    ),
    row("add", "ours", Some(Against("hash", "SHA-256", None))),
    row("add", "Kubo, sync", None),
    row("add", "Kubo, default", None),
    row(
        "fetch",
        "ours",
        Some(Against("fetch", "Kubo, sync", Some(1.0))),
    ),
    row("fetch", "Kubo, sync", None),
    row("serve", "ours", None),
    row("serve", "Kubo, sync", None),
    large("add"),
    large("fetch"),
    large("serve"),
];

fn section(figures: &[Figure], kubo: &str, rounds: usize) -> Result<String> {
    let median = |what: &str, who: &str, of: &dyn Fn(&Figure) -> Option<f64>| {
        let mut all: Vec<f64> = figures
            .iter()
            .filter(|figure| figure.what == what && figure.who == who)
            .filter_map(of)
            .collect();
        all.sort_by(f64::total_cmp);
        (!all.is_empty()).then(|| all[all.len() / 2])
    };
    let seconds = |what, who| median(what, who, &|figure| Some(figure.seconds));
    let date = run::output(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let cores = std::thread::available_parallelism()?;
    let mut text = format!(
        "{}, {cores} cores, {kubo}, a file of 256 MiB that nobody has seen, median of {rounds} rounds, load at the end {}.\n\n\
         | work | whose | MiB/s | held against | times | to reach | met | memory, MiB | before |\n\
         |---|---|---:|---|---:|---:|---|---:|---:|\n",
        date.trim(),
        machine::load(),
    );
    for Row {
        what,
        who,
        size,
        against,
    } in ROWS
    {
        let own = seconds(what, who).with_context(|| format!("no figure for {what} of {who}"))?;
        let mebibytes = |of: &dyn Fn(&Figure) -> Option<f64>| {
            median(what, who, of).map_or(String::new(), |kib| format!("{:.0}", kib / 1024.0))
        };
        let (against, times, least, met) = match against {
            None => Default::default(),
            Some(Against(work, whose, least)) => {
                let ratio = seconds(work, whose).context("nothing to hold against")? / own;
                let met = least.map_or(
                    "",
                    |least| {
                        if ratio >= least { "met" } else { "**missed**" }
                    },
                );
                (
                    format!("{work}, {whose}"),
                    format!("{ratio:.2}"),
                    least.map_or(String::new(), |least| least.to_string()),
                    met,
                )
            }
        };
        writeln!(
            text,
            "| {what} | {who} | {:.0} | {against} | {times} | {least} | {met} | {} | {} |",
            size / own,
            mebibytes(&|figure| figure.memory),
            mebibytes(&|figure| figure.before),
        )?;
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_medians_and_what_was_missed() {
        let mut figures = Vec::new();
        for Row { what, who, .. } in ROWS {
            for seconds in [4.0, 1.0, if *who == "ours" { 1.5 } else { 2.0 }] {
                let line = serde_json::json!({"what": what, "who": who, "seconds": seconds, "memory_kib": 2048});
                figures.push(figure(&line.to_string()).unwrap());
            }
        }
        assert!(figure("some other line").is_none());
        let text = section(&figures, "Kubo 1", 3).unwrap();
        assert!(
            text.contains("| add | ours | 171 | add, Kubo, sync | 1.33 | 1 | met | 2 |  |"),
            "{text}"
        );
        figures.retain(|figure| figure.who != "ours" || figure.seconds > 1.0);
        figures
            .iter_mut()
            .filter(|figure| figure.who == "ours")
            .for_each(|figure| figure.seconds = 4.0);
        assert!(
            section(&figures, "Kubo 1", 3)
                .unwrap()
                .contains("| 0.50 | 1 | **missed** |")
        );
        figures.clear();
        assert!(section(&figures, "Kubo 1", 3).is_err());
    }
}
