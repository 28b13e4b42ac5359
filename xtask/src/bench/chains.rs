//! `cargo xtask bench chains`: what a record costs on public chains, into `docs/performance.md`.
//!
//! The measuring is done by the tests `gas` and `cost` of `crates/anchor/tests/chains`; this tabulates.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::{components, document, interop, run};

/// One transaction for a batch of records.
struct Figure {
    what: String,
    batch: u64,
    cost: Cost,
}

#[derive(Clone, Copy)]
enum Cost {
    Gas(u64),
    Bytes { size: u64, sat: u64 },
    Resources { size: u64, cpu: u64, net: u64 },
}

pub(super) fn run() -> Result<()> {
    let anvil = components::component("anvil")?;
    let bitcoind = components::component("bitcoind")?;
    let nodeos = components::component("nodeos")?;
    let mut command = run::cargo();
    command
        .args(["test", "--locked"])
        .args(interop::CHAINS)
        .args(["--nocapture", "--test-threads=1", "gas::", "cost::"])
        .envs(anvil.variables)
        .envs(bitcoind.variables)
        .envs(nodeos.variables)
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut figures = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        figures.extend(figure(&line?));
    }
    if !child.wait()?.success() {
        bail!("the measurement failed");
    }
    let section = format!(
        "{}\n{}\n{}",
        ethereum(&figures, &anvil.version)?,
        bitcoin(&figures, &bitcoind.version)?,
        eos(&figures, &nodeos.version)?
    );
    println!("{section}");
    document::write(document::PERFORMANCE, "chains", &section)?;
    println!("written to {}", document::PERFORMANCE);
    Ok(())
}

fn figure(line: &str) -> Option<Figure> {
    let told: Value = serde_json::from_str(&line[line.find('{')?..]).ok()?;
    let number = |name| told[name].as_u64();
    let cost = match (number("gas"), number("cpu")) {
        (Some(gas), _) => Cost::Gas(gas),
        (None, Some(cpu)) => Cost::Resources {
            size: number("size")?,
            cpu,
            net: number("net")?,
        },
        (None, None) => Cost::Bytes {
            size: number("bytes")?,
            sat: number("sat")?,
        },
    };
    Some(Figure {
        what: told["what"].as_str()?.to_owned(),
        batch: number("batch")?,
        cost,
    })
}

fn ethereum(figures: &[Figure], node: &str) -> Result<String> {
    let gas = figures.iter().filter_map(|figure| match figure.cost {
        Cost::Gas(gas) => Some((figure, gas)),
        Cost::Bytes { .. } | Cost::Resources { .. } => None,
    });
    let stored = gas
        .clone()
        .find(|(figure, _)| figure.what == STORED)
        .context("nothing was measured")?
        .1 as f64;
    let mut text = format!(
        "Ethereum, beside {node}; gas depends on the calls alone, not on the machine.\n\n\
         | each record | records | gas of the transaction | gas of a record | part of a stored one |\n\
         | --- | ---: | ---: | ---: | ---: |\n"
    );
    for (Figure { what, batch, .. }, gas) in gas {
        let each = gas as f64 / *batch as f64;
        let part = match stored / each {
            part if part < 10.0 => format!("1/{part:.1}"),
            part => format!("1/{part:.0}"),
        };
        writeln!(
            text,
            "| {what} | {batch} | {gas} | {} | {part} |",
            short(each)
        )?;
    }
    Ok(text)
}

fn bitcoin(figures: &[Figure], node: &str) -> Result<String> {
    let mut text = format!(
        "Bitcoin, beside {node}: what is paid for is the transaction's size, 284 virtual bytes with a signature of the \
         longest kind, times the rate of the day; what a record costs at three rates (satoshi for a byte).\n\n\
         | records | virtual bytes | sat of a record at 1 | at 10 | at 100 |\n\
         | ---: | ---: | ---: | ---: | ---: |\n"
    );
    let mut measured = false;
    for figure in figures {
        if let Cost::Bytes { size, sat } = figure.cost {
            measured = true;
            let each =
                [1.0, 10.0, 100.0].map(|rate| short(sat as f64 * rate / figure.batch as f64));
            let [one, ten, hundred] = each;
            writeln!(
                text,
                "| {} | {size} | {one} | {ten} | {hundred} |",
                figure.batch
            )?;
        }
    }
    if !measured {
        bail!("nothing was measured in Bitcoin");
    }
    Ok(text)
}

fn eos(figures: &[Figure], node: &str) -> Result<String> {
    let mut text = format!(
        "EOS, beside {node}: bytes of the transaction, words of 8 bytes of bandwidth that its receipt charges, and \
         microseconds of CPU time, which who makes the block measures: the least of five, 100 at least by the \
         network's rules.\n\n\
         | records | bytes | words | µs of CPU | bytes of bandwidth of a record | µs of a record |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    let mut measured = false;
    for figure in figures {
        if let Cost::Resources { size, cpu, net } = figure.cost {
            measured = true;
            let each = |all: u64| short(all as f64 / figure.batch as f64);
            let (bytes, time) = (each(net * 8), each(cpu));
            writeln!(
                text,
                "| {} | {size} | {net} | {cpu} | {bytes} | {time} |",
                figure.batch
            )?;
        }
    }
    if !measured {
        bail!("nothing was measured in EOS");
    }
    Ok(text)
}

fn short(each: f64) -> String {
    match each {
        each if each >= 100.0 => format!("{each:.0}"),
        each if each >= 0.1 => format!("{each:.2}"),
        each => format!("{each:.4}"),
    }
}

/// What the others are compared with: the cheapest record that a contract keeps.
const STORED: &str = "stored, a patient's next";
