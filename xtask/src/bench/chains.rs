//! `cargo xtask bench chains`: what a record costs on public chains, into `docs/performance.md`.
//!
//! The measuring is done by the test `gas` of `crates/anchor/tests/chains`; this tabulates.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::{components, document, interop, run};

/// Gas of one transaction for a batch of records.
struct Figure {
    what: String,
    batch: u64,
    gas: u64,
}

pub(super) fn run() -> Result<()> {
    let anvil = components::component("anvil")?;
    let mut command = run::cargo();
    command
        .args(["test", "--locked"])
        .args(interop::CHAINS)
        .args(["--nocapture", "gas::"])
        .envs(anvil.variables)
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut figures = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        figures.extend(figure(&line?));
    }
    if !child.wait()?.success() {
        bail!("the measurement failed");
    }
    let section = section(&figures, &anvil.version)?;
    println!("{section}");
    document::write(document::PERFORMANCE, "chains", &section)?;
    println!("written to {}", document::PERFORMANCE);
    Ok(())
}

fn figure(line: &str) -> Option<Figure> {
    let told: Value = serde_json::from_str(&line[line.find('{')?..]).ok()?;
    Some(Figure {
        what: told["what"].as_str()?.to_owned(),
        batch: told["batch"].as_u64()?,
        gas: told["gas"].as_u64()?,
    })
}

fn section(figures: &[Figure], node: &str) -> Result<String> {
    let stored = figures
        .iter()
        .find(|figure| figure.what == STORED)
        .context("nothing was measured")?
        .gas as f64;
    let mut text = format!(
        "Beside {node}; gas depends on the calls alone, not on the machine.\n\n\
         | each record | records | gas of the transaction | gas of a record | part of a stored one |\n\
         | --- | ---: | ---: | ---: | ---: |\n"
    );
    for Figure { what, batch, gas } in figures {
        let each = *gas as f64 / *batch as f64;
        let shown = match each {
            each if each >= 100.0 => format!("{each:.0}"),
            each => format!("{each:.2}"),
        };
        let part = stored / each;
        let part = match part {
            part if part < 10.0 => format!("1/{part:.1}"),
            part => format!("1/{part:.0}"),
        };
        writeln!(text, "| {what} | {batch} | {gas} | {shown} | {part} |")?;
    }
    Ok(text)
}

/// What the others are compared with: the cheapest record that a contract keeps.
const STORED: &str = "stored, a patient's next";
