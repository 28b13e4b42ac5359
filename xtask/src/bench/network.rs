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
        "{}\n\n{}\n{}\n{}",
        machine::when(&before)?,
        rates(&told, &cometbft.version, seconds)?,
        growth(&told)?,
        goals(&told)?
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
fn best(told: &[Value]) -> Vec<&Value> {
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
    best
}

fn rates(told: &[Value], cometbft: &str, seconds: u64) -> Result<String> {
    let best = best(told);
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
         process, under load. *Synced*: a new node fetches, verifies and executes everything from one of them. *Disk*: all\n\
         that a validator's node keeps: ledger, journal of undecided blocks, write-ahead log.\n\n\
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

/// What is to be reached, and whether it is.
fn goals(told: &[Value]) -> Result<String> {
    let best = best(told);
    let of = |who: &'static str| best.iter().filter(move |one| one["who"] == who);
    let ratios = |name: &str| -> Vec<f64> {
        let pairs = of(FOUR).filter_map(|ours| {
            let theirs = of("CometBFT").find(|theirs| theirs["clients"] == ours["clients"])?;
            Some(number(ours, name) / number(theirs, name))
        });
        pairs.collect()
    };
    let shown = |ratios: &[f64]| {
        let ratios: Vec<_> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        ratios.join(", ")
    };
    let met = |met: bool| if met { "met" } else { "**missed**" };
    let most = |numbers: &[f64]| numbers.iter().copied().fold(0.0, f64::max);
    let faster = ratios("operations_per_second");
    let (p50, p99) = (ratios("p50_ms"), ratios("p99_ms"));
    let rates: Vec<_> = of(FOUR)
        .map(|one| number(one, "operations_per_second"))
        .collect();
    let recovered: Vec<_> = told
        .iter()
        .map(|one| number(one, "voted_seconds").max(number(one, "votes_seconds")))
        .collect();
    let sizes: Vec<_> = told.iter().filter(|one| one["size"].is_u64()).collect();
    let grown: Vec<_> = told
        .iter()
        .filter(|one| {
            one["who"]
                .as_str()
                .unwrap_or_default()
                .ends_with("operations")
        })
        .collect();
    let mut text = format!(
        "Goals, four validators beside CometBFT with as many clients: operations/s {} of its (at least 1: {}); p50 {},\n\
         p99 {} of its (at most 1: {}). {:.0} operations/s at most (5000: {}). A killed one signs again in {:.1} s at\n\
         most (5: {}).",
        shown(&faster),
        met(faster.iter().all(|ratio| *ratio >= 1.0)),
        shown(&p50),
        shown(&p99),
        met(p50.iter().chain(&p99).all(|ratio| *ratio <= 1.0)),
        most(&rates),
        met(most(&rates) >= 5_000.0),
        most(&recovered),
        met(most(&recovered) <= 5.0),
    );
    if let ([small, .., large], [before, .., after]) = (&sizes[..], &grown[..]) {
        let million = 1e6 / number(large, "synced_per_second");
        let slower = |name: &str| number(after, name) / number(before, name);
        let (p50, p99) = (slower("p50_ms"), slower("p99_ms"));
        write!(
            text,
            " A million operations fetched, verified and executed by a new node: {million:.0} s\n\
             (300: {}). Latency at {} operations: p50 {p50:.2}, p99 {p99:.2} of that at {} (at most 1.5: {}).",
            met(million <= 300.0),
            number(large, "size"),
            number(small, "size"),
            met(p50.max(p99) <= 1.5),
        )?;
    }
    text.push('\n');
    Ok(text)
}

/// As the test that measures calls them.
const FOUR: &str = "medshare, 4 validators";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_goal_that_is_missed_is_said_to_be() {
        let rate = |who: &str, rate: f64, latency: f64| {
            json!({"who": who, "clients": 8, "operations_per_second": rate,
                "p50_ms": latency, "p99_ms": 2.0 * latency})
        };
        let mut told = vec![
            rate(FOUR, 6_000.0, 10.0),
            rate("CometBFT", 4_000.0, 20.0),
            rate("CometBFT", 5_000.0, 10.0),
            json!({"recovery": true, "voted_seconds": 1.0}),
        ];
        let text = goals(&told).unwrap();
        assert!(
            text.contains("operations/s 1.20 of its (at least 1: met)"),
            "{text}"
        );
        assert!(
            !text.contains("missed") && !text.contains("million"),
            "{text}"
        );
        told[0] = rate(FOUR, 4_500.0, 11.0);
        told[3] = json!({"recovery": true, "voted_seconds": 6.0});
        let text = goals(&told).unwrap();
        assert_eq!(text.matches("missed").count(), 4, "{text}");
    }
}
