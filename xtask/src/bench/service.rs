//! `cargo xtask bench service`: the interface under wrk beside the same work in one process and
//! a static answer of the same server in the same run, into `docs/performance.md`.
//!
//! The test `figures` of `crates/medshare/tests/cli` measures; it prints an object a figure.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;

use super::{figures, machine};
use crate::{document, run, setup};

const USAGE: run::Usage = run::Usage("bench service [--seconds N]");

/// What a figure is held against: another of the same run, and what it shall reach.
struct Row {
    figure: &'static str,
    beside: Option<&'static str>,
    least: Option<f64>,
}

const ROWS: [Row; 7] = [
    Row {
        figure: "static answer",
        beside: None,
        least: None,
    },
    Row {
        figure: "newest head",
        beside: Some("static answer"),
        least: Some(5_000.0),
    },
    Row {
        figure: "account",
        beside: Some("static answer"),
        least: Some(5_000.0),
    },
    Row {
        figure: "account as JSON",
        beside: Some("static answer"),
        least: Some(5_000.0),
    },
    Row {
        figure: "account, in process",
        beside: Some("account"),
        least: None,
    },
    Row {
        figure: "signed write",
        beside: Some("signed write, in process"),
        least: Some(2_000.0),
    },
    Row {
        figure: "signed write, in process",
        beside: None,
        least: None,
    },
];

/// Most resident memory while 1 GiB goes up, MiB.
const MEMORY: f64 = 96.0;

pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let seconds: u64 = match arguments {
        [] => 5,
        ["--seconds", number] => {
            let number = number.parse().ok();
            number.filter(|number| *number > 0).context(USAGE)?
        }
        _ => bail!(USAGE),
    };
    setup::needed("wrk")?;
    let before = machine::load();
    let figures = measured(seconds)?;
    let section = format!(
        "{}\n{}",
        machine::when(&before)?,
        section(&figures, seconds)?
    );
    println!("{section}");
    document::write(document::PERFORMANCE, "service", &section)?;
    println!("written to {}", document::PERFORMANCE);
    Ok(())
}

fn measured(seconds: u64) -> Result<Vec<Value>> {
    let words = ["--release", "--test", "cli", "--"];
    let test = ["--ignored", "--nocapture", "--exact", "figures::figures"];
    figures::of(
        &[&words[..], &test].concat(),
        &("FIGURES_SECONDS", seconds.to_string()),
    )
    .context("the figures were not measured")
}

fn section(figures: &[Value], seconds: u64) -> Result<String> {
    let find = |name: &str| figures.iter().find(|figure| figure["figure"] == name);
    let rate = |name: &str| {
        let rate = find(name).and_then(|figure| figure["per_second"].as_f64());
        rate.with_context(|| format!("no figure for {name}"))
    };
    let clients = &find("account").context("no figure")?["clients"];
    let bytes = &find("signed write").context("no figure")?["bytes"];
    let mut text = format!(
        "wrk, one thread, {clients} connections, {seconds} s a figure; server, wrk and the work in process share this\n\
         machine's cores. A signed write is a registration of {bytes} bytes: verified, ordered, durable before its\n\
         receipt. In process: {clients} threads on a ledger and its sequencer, without HTTP. The static answer is\n\
         `/healthz` of the same server.\n\n\
         | | a second | goal | of what |\n| --- | ---: | ---: | --- |\n"
    );
    for Row {
        figure,
        beside,
        least,
    } in &ROWS
    {
        let found = rate(figure)?;
        let goal = match least {
            Some(least) if found >= *least => format!("{least:.0}, met"),
            Some(least) => format!("{least:.0}, NOT met"),
            None => String::new(),
        };
        let of = match beside {
            Some(beside) => format!("{:.2} of {beside}", found / rate(beside)?),
            None => String::new(),
        };
        writeln!(text, "| {figure} | {found:.0} | {goal} | {of} |")?;
    }
    let upload = |name: &str| -> Result<[f64; 3]> {
        let upload = find(name).with_context(|| format!("no figure for {name}"))?;
        let number = |name: &str| upload[name].as_f64().context("no figure of the upload");
        Ok([
            number("mebibytes_per_second")?,
            number("resident_mebibytes")?,
            number("resident_before_mebibytes")?,
        ])
    };
    let [speed, memory, before] = upload("upload of 1 GiB")?;
    let [_, later, later_before] = upload("upload of 1 GiB after the writes")?;
    let met = if memory < MEMORY { "met" } else { "NOT met" };
    writeln!(
        text,
        "\n1 GiB goes up at {speed:.0} MiB a second to a node that was started afresh on that ledger; at most \
         {memory:.0} MiB of it are resident meanwhile (goal: under {MEMORY:.0}, {met}; {before:.0} MiB before). Right \
         after the writes it is {later:.0} MiB, of which {later_before:.0} MiB before the upload.",
    )?;
    Ok(text)
}
