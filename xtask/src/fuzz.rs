//! Every decoder of bytes from outside under libFuzzer.
//!
//! No tool is installed and the usual compiler serves: coverage comes from a pass of LLVM
//! that stable Rust can switch on. There is no sanitizer, since no crate of ours may hold
//! `unsafe`; overflow and debug checks are on. See `docs/adr/0007-fuzzing-without-a-tool.md`.

mod decoders;

use anyhow::{Context, Result, bail};
use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use crate::run;

const USAGE: run::Usage = run::Usage(
    "fuzz [stateful | decoders] [--seconds N | --runs N] [--seed N] [TARGET[/DECODER]]...",
);

/// The ledger beside a model of its rules: no bytes, but sequences of operations.
const STATEFUL: [&str; 9] = [
    "test",
    "--locked",
    "--package",
    "medshare-ledger",
    "--test",
    "stateful",
    "--",
    "--nocapture",
    "ledger_and_model_agree",
];

/// What `cargo-fuzz` passes for coverage: an 8-bit counter on each edge, and comparisons.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// How long each target runs.
#[derive(Clone, Copy)]
enum Span {
    Seconds(u64),
    Runs(u64),
}

/// A target, or one decoder of it alone.
struct Wanted {
    target: String,
    decoder: Option<String>,
}

/// What libFuzzer said of one target at its end.
struct Figures {
    name: String,
    executions: u64,
    seconds: f64,
    /// Processor time, where the system tells it.
    core: Option<f64>,
    edges: u64,
    corpus: u64,
}

/// Runs the targets that are named, or all, for a time or a number of executions each
/// (60 seconds by default); prints what each did.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["stateful", rest @ ..] => return stateful(rest),
        ["decoders", rest @ ..] => return decoders::run(rest),
        _ => {}
    }
    let targets = targets()?;
    let (span, wanted) = parse(arguments, &targets)?;
    let mut table = Vec::new();
    for wanted in &wanted {
        let program = build(&wanted.target)?;
        table.push(fuzz(&program, wanted, span)?);
    }
    println!(
        "\n{:28} {:>12} {:>8} {:>8} {:>12} {:>7} {:>7}",
        "target", "executions", "seconds", "exec/s", "exec/s/core", "edges", "corpus"
    );
    for row in &table {
        let rate = |seconds: f64| row.executions as f64 / seconds.max(1e-3);
        let core = row.core.map(|core| format!("{:.0}", rate(core)));
        println!(
            "{:28} {:>12} {:>8.0} {:>8.0} {:>12} {:>7} {:>7}",
            row.name,
            row.executions,
            row.seconds,
            rate(row.seconds),
            core.unwrap_or_default(),
            row.edges,
            row.corpus
        );
    }
    Ok(())
}

/// Drawn sequences of operations, 1,000 by default, each of 220 blocks; or for a time.
fn stateful(arguments: &[&str]) -> Result<()> {
    let mut command = run::cargo();
    command.args(STATEFUL).env("STATEFUL_RUNS", "1000");
    for pair in arguments.chunks(2) {
        let (name, text) = match pair {
            ["--runs", text] => ("STATEFUL_RUNS", text),
            ["--seconds", text] => ("STATEFUL_SECONDS", text),
            ["--seed", text] => ("STATEFUL_SEED", text),
            _ => bail!(USAGE),
        };
        let number: u64 = text.parse().ok().context(USAGE)?;
        command.env(name, number.to_string());
    }
    run::must(&mut command)
}

fn parse(arguments: &[&str], targets: &[String]) -> Result<(Span, Vec<Wanted>)> {
    let mut span = Span::Seconds(60);
    let mut wanted = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" | "--runs" => {
                let number = words.next().context(USAGE)?;
                let number: u64 = number
                    .parse()
                    .ok()
                    .filter(|number| *number > 0)
                    .context(USAGE)?;
                span = match *word {
                    "--runs" => Span::Runs(number),
                    _ => Span::Seconds(number),
                };
            }
            word if word.starts_with('-') => bail!(USAGE),
            word => {
                let (target, decoder) = match word.split_once('/') {
                    Some((target, decoder)) => (target, Some(decoder.to_owned())),
                    None => (word, None),
                };
                if !targets.iter().any(|known| known == target) {
                    bail!("no fuzz target {target}; there are: {}", targets.join(", "));
                }
                let target = target.to_owned();
                wanted.push(Wanted { target, decoder });
            }
        }
    }
    if wanted.is_empty() {
        wanted = targets
            .iter()
            .map(|target| Wanted {
                target: target.clone(),
                decoder: None,
            })
            .collect();
    }
    Ok((span, wanted))
}

fn targets() -> Result<Vec<String>> {
    let manifest: toml::Table = fs::read_to_string(folder().join("Cargo.toml"))?.parse()?;
    let bins = manifest
        .get("bin")
        .and_then(toml::Value::as_array)
        .context("fuzz has no targets")?;
    Ok(bins
        .iter()
        .filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned))
        .collect())
}

fn folder() -> PathBuf {
    run::root().join("fuzz")
}

/// Builds one target; the others and what only they need are left out.
fn build(target: &str) -> Result<PathBuf> {
    println!("\n== build {target}");
    let version = run::output(Command::new("rustc").arg("-vV").current_dir(run::root()))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not tell its host")?;
    let into =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder().join("target"), PathBuf::from);
    let mut command = run::cargo();
    command
        .args(["build", "--release", "--locked", "--target", host])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--bin", target])
        .arg("--target-dir")
        .arg(&into)
        .env("RUSTFLAGS", COVERAGE.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    if ["files", "peers"].contains(&target) {
        command.args(["--features", target]);
    }
    run::must(&mut command)?;
    Ok(into.join(host).join("release").join(target))
}

fn fuzz(program: &PathBuf, wanted: &Wanted, span: Span) -> Result<Figures> {
    let target = &wanted.target;
    let name = match &wanted.decoder {
        Some(decoder) => format!("{target}/{decoder}"),
        None => target.clone(),
    };
    let corpus = folder().join("corpus").join(target);
    let artifacts = folder().join("artifacts").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(program);
    command
        .arg(&corpus)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1"])
        .env("SEEDS", &corpus)
        .env_remove("DECODER")
        .stderr(Stdio::piped());
    if let Some(decoder) = &wanted.decoder {
        command.env("DECODER", decoder);
    }
    match span {
        Span::Seconds(seconds) => {
            println!("== fuzz {name} for {seconds} s");
            command.arg(format!("-max_total_time={seconds}"));
        }
        Span::Runs(runs) => {
            println!("== fuzz {name}, {runs} executions");
            command.arg(format!("-runs={runs}"));
        }
    }
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start the target {target}"))?;
    let mut figures = Figures {
        name,
        executions: 0,
        seconds: 0.0,
        core: None,
        edges: 0,
        corpus: 0,
    };
    let mut tail = VecDeque::new();
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            figures.take(&line);
            if line.contains("\tpulse ") {
                println!("{line}");
            }
            tail.push_back(line);
            if tail.len() > 60 {
                tail.pop_front();
            }
        }
    }
    figures.seconds = start.elapsed().as_secs_f64();
    figures.core = core_seconds(child.id());
    if !child.wait()?.success() {
        for line in &tail {
            eprintln!("{line}");
        }
        bail!(
            "{} found a fault; the input is in fuzz/artifacts/{target}",
            figures.name
        );
    }
    Ok(figures)
}

/// Processor time of a child that has ended and was not waited for: what the machine's
/// other work does not change. Only Linux tells it; its clock ticks 100 times a second.
fn core_seconds(child: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    let ticks = |at| after_name.split(' ').nth(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

impl Figures {
    /// Lines such as `#9 DONE cov: 12 ft: 30 corp: 5/20b …` and `stat::…: 9`.
    fn take(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = number.trim().parse().unwrap_or(0);
        }
        if !line.starts_with('#') {
            return;
        }
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let mut number = || words.next()?.split('/').next()?.parse().ok();
            match word {
                "cov:" => self.edges = number().unwrap_or(self.edges),
                "corp:" => self.corpus = number().unwrap_or(self.corpus),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;

    #[test]
    fn figures_are_read() {
        let mut figures = Figures {
            name: String::new(),
            executions: 0,
            seconds: 0.0,
            core: None,
            edges: 0,
            corpus: 0,
        };
        figures
            .take("#5000\tDONE   cov: 321 ft: 900 corp: 45/12Kb lim: 4096 exec/s: 500 rss: 40Mb");
        figures.take("stat::number_of_executed_units: 5000");
        assert_eq!(
            (figures.edges, figures.corpus, figures.executions),
            (321, 45, 5_000)
        );
    }

    #[test]
    fn words_are_read() {
        let known = ["scheme".to_owned(), "blocks".to_owned()];
        let (span, wanted) = parse(&["--runs", "10", "blocks/tree"], &known).expect("is right");
        assert!(matches!(span, Span::Runs(10)));
        assert_eq!(wanted[0].decoder.as_deref(), Some("tree"));
        assert_eq!(parse(&[], &known).expect("all").1.len(), 2);
        for wrong in [&["--runs"][..], &["--runs", "x"], &["--fast"], &["other"]] {
            assert!(parse(wrong, &known).is_err());
        }
    }
}
