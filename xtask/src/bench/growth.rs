//! `cargo xtask bench growth`: the ledger from a thousand operations to a million, into
//! `docs/performance.md` and `docs/plots`.
//!
//! The measuring is done by `crates/ledger/benches/growth.rs`; this builds, runs, tabulates
//! and draws.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use super::{
    machine,
    plot::{Axis, Chart, Mark, Series},
};
use crate::{document, run};

const USAGE: run::Usage = run::Usage("bench growth [OPERATIONS]");
/// Operations a second of a core.
const GOAL: f64 = 20_000.0;
/// Seconds for a million operations.
const REPLAY_GOAL: f64 = 120.0;

pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let operations: u64 = match arguments {
        [] => 1_000_000,
        [number] => number
            .parse()
            .ok()
            .filter(|number| (1_000..=10_000_000).contains(number))
            .context(USAGE)?,
        _ => bail!(USAGE),
    };
    let before = machine::load();
    let mut command = run::cargo();
    command
        .args(["bench", "--locked", "--package", "medshare-ledger"])
        .args(["--bench", "growth", "--", &operations.to_string()])
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        lines.extend(serde_json::from_str::<Value>(&line).ok());
    }
    if !child.wait()?.success() {
        bail!("the benchmark failed");
    }
    let when = machine::when(&before)?;
    let section = section(&lines, &when)?;
    println!("\n{section}");
    document::write(document::PERFORMANCE, "growth", &section)?;
    for (name, chart) in charts(&lines)? {
        fs::write(
            run::root().join(format!("docs/plots/{name}.svg")),
            chart.svg(),
        )?;
    }
    println!("written to {} and docs/plots", document::PERFORMANCE);
    Ok(())
}

/// A figure of one line.
fn figure(line: &Value, name: &str) -> Result<f64> {
    line[name]
        .as_f64()
        .with_context(|| format!("no figure {name}"))
}

/// Microseconds of processor time for an operation.
fn whole(line: &Value) -> Result<f64> {
    Ok(figure(line, "check")? + figure(line, "propose")? + figure(line, "commit")?)
}

/// The lines of the growth.
fn growth(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| line["operations"].is_number())
}

/// The line that has a figure of this name.
fn one<'a>(lines: &'a [Value], name: &str) -> Result<&'a Value> {
    lines
        .iter()
        .find(|line| line[name].is_number())
        .with_context(|| format!("no figure {name}"))
}

fn section(lines: &[Value], when: &str) -> Result<String> {
    let mut text = format!(
        "{when}\n\n\
         | operations | operations/s a core | goal | µs an operation | check | rules, block | commit \
         | bare batch µs | bare one by one µs | block p50 ms | block p99 ms | disk B/operation \
         | memory MiB | proof B | proof µs |\n\
         |---:|---:|---|{}\n",
        "---:|".repeat(12)
    );
    for line in growth(lines) {
        let whole = whole(line)?;
        let met = if 1e6 / whole >= GOAL {
            "met"
        } else {
            "**missed**"
        };
        write!(
            text,
            "| {:.0} | {:.0} | {met} | {whole:.1} |",
            figure(line, "operations")?,
            1e6 / whole,
        )?;
        for (name, digits) in [
            ("check", 1),
            ("propose", 1),
            ("commit", 1),
            ("batch", 1),
            ("single", 1),
            ("p50", 0),
            ("p99", 0),
            ("disk", 0),
            ("memory", 0),
            ("proof_bytes", 0),
            ("proof", 1),
        ] {
            write!(text, " {:.digits$} |", figure(line, name)?)?;
        }
        text.push('\n');
    }
    let replay = one(lines, "replayed")?;
    let open = one(lines, "open")?;
    let (count, spent) = (
        figure(replay, "replayed")?,
        figure(replay, "replay_processor")?,
    );
    let million = spent / count * 1e6;
    writeln!(
        text,
        "\nReplay of all {count:.0} operations in memory, everything verified: {spent:.1} s of processor \
         time, {:.0}/s, so {million:.0} s for a million (goal {REPLAY_GOAL:.0}: {}); {:.1} s as they passed; \
         {:.0} MiB then. Opening the file, which verifies every page: {:.1} s of processor time, {:.1} s as \
         they passed.",
        count / spent,
        if million <= REPLAY_GOAL {
            "met"
        } else {
            "**missed**"
        },
        figure(replay, "replay")?,
        figure(replay, "replay_memory")?,
        figure(open, "open_processor")?,
        figure(open, "open")?,
    )?;
    Ok(text)
}

fn charts(lines: &[Value]) -> Result<Vec<(&'static str, Chart)>> {
    let series = |name: &str, hue, of: &dyn Fn(&Value) -> Result<f64>| -> Result<Series> {
        let points = growth(lines).map(|line| Ok((figure(line, "operations")?, of(line)?)));
        Ok(Series {
            name: name.to_owned(),
            hue,
            mark: Mark::Joined,
            points: points.collect::<Result<_>>()?,
        })
    };
    let named = |name: &'static str| move |line: &Value| figure(line, name);
    let chart = |title, y, series| Chart {
        title,
        x: Axis::powers("operations in the ledger", 10, 3, 6, 1),
        y,
        series,
        limit: None,
    };
    let goal = Series {
        name: "goal".into(),
        hue: 3,
        mark: Mark::Line,
        points: vec![(1e3, GOAL), (1e6, GOAL)],
    };
    let rate = |name: &'static str| move |line: &Value| Ok(1e6 / figure(line, name)?);
    Ok(vec![
        (
            "ledger-rate",
            chart(
                "Operations a second of a core, beside their signatures alone",
                Axis::powers("operations/s", 10, 4, 5, 1),
                vec![
                    series("ledger", 0, &|line| Ok(1e6 / whole(line)?))?,
                    series("verification alone, in batches", 1, &rate("batch"))?,
                    series("verification alone, one by one", 2, &rate("single"))?,
                    goal,
                ],
            ),
        ),
        (
            "ledger-latency",
            chart(
                "A block of about 1,100 operations, until it is durable; a proof",
                Axis::powers("milliseconds", 10, -3, 4, 1),
                vec![
                    series("block, median", 0, &named("p50"))?,
                    series("block, 99th percentile", 1, &named("p99"))?,
                    series("proof of inclusion", 2, &|line| {
                        Ok(figure(line, "proof")? / 1e3)
                    })?,
                ],
            ),
        ),
        (
            "ledger-size",
            chart(
                "Sizes",
                Axis::powers("bytes, MiB", 10, 1, 4, 1),
                vec![
                    series("bytes on disk for an operation", 0, &named("disk"))?,
                    series("bytes of a proof", 1, &named("proof_bytes"))?,
                    series("memory of the process, MiB", 2, &named("memory"))?,
                ],
            ),
        ),
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(commit: f64) -> Vec<Value> {
        let line = |operations: f64| {
            json!({"operations": operations, "check": 18.0, "propose": 12.0, "commit": commit,
                "batch": 13.0, "single": 50.0, "p50": 100.0, "p99": 200.0, "disk": 2000.0,
                "memory": 64.0, "proof_bytes": 390.0, "proof": 3.0})
        };
        vec![
            line(1_000.0),
            line(10_000.0),
            json!({"open": 2.0, "open_processor": 1.0}),
            json!({"replayed": 10_000.0, "replay": 1.0, "replay_processor": 0.5, "replay_memory": 80.0}),
        ]
    }

    #[test]
    fn goals_are_met_or_missed_by_the_figures() {
        let text = section(&lines(20.0), "today").unwrap();
        assert!(
            text.contains("| 1000 | 20000 | met | 50.0 | 18.0 |"),
            "{text}"
        );
        assert!(
            text.contains("so 50 s for a million (goal 120: met)"),
            "{text}"
        );
        let text = section(&lines(21.0), "today").unwrap();
        assert!(text.contains("| 10000 | 19608 | **missed** |"), "{text}");
        assert!(section(&lines(20.0)[..3], "today").is_err());
        let charts = charts(&lines(20.0)).unwrap();
        assert!(
            charts
                .iter()
                .all(|(_, chart)| chart.svg().contains("<circle"))
        );
    }
}
