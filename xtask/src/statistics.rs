//! Tests too long or too noisy for every run: larger samples, fresh seeds, timing; with a report.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::{constant_time, run};

/// The statistical tests of `ibpre` at many times their ordinary sample and with a fresh seed, then
/// the timing of everything that claims constant time, in release, on what should be a quiet machine.
///
/// Arguments: how many times the sample (10), `--seed SEED`, `--report FILE` (markdown).
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let wanted = Wanted::parse(arguments)?;
    println!("seed {}, {} times the sample", wanted.seed, wanted.times);
    let mut report = Report::new(&wanted)?;
    let mut tests = run::cargo();
    tests
        .args(TEST)
        .args(["--lib", "--", "--nocapture"])
        .args(["trapdoor", "noise_tests", "failure_tests"])
        .env("IBPRE_STATISTICS", wanted.times.to_string())
        .env("IBPRE_SEED", &wanted.seed);
    report.collect("sampler, noise and failures", &mut tests)?;
    let mut timing = Command::new(constant_time::program()?);
    report.collect("timing", timing.arg("timing"))?;
    if let Some(file) = wanted.report {
        fs::write(&file, &report.text).with_context(|| format!("cannot write {file}"))?;
        println!("report: {file}");
    }
    if !report.faults.is_empty() {
        bail!("failed: {}", report.faults.join("; "));
    }
    println!("{} figures, all within their bounds", report.figures);
    Ok(())
}

struct Wanted {
    times: u32,
    seed: String,
    report: Option<String>,
}

impl Wanted {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut wanted = Self {
            times: 10,
            seed: format!("{:016x}", RandomState::new().hash_one(0)),
            report: None,
        };
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            let mut value = || {
                let value = rest.next().map(|value| (*value).to_owned());
                value.with_context(|| format!("{argument} needs a value"))
            };
            match argument {
                "--seed" => wanted.seed = value()?,
                "--report" => wanted.report = Some(value()?),
                times => match times.parse() {
                    Ok(times) if times > 0 => wanted.times = times,
                    _ => bail!("{times}: neither a flag nor how many times the sample"),
                },
            }
        }
        Ok(wanted)
    }
}

struct Report {
    text: String,
    figures: usize,
    faults: Vec<String>,
}

impl Report {
    fn new(wanted: &Wanted) -> Result<Self> {
        let first = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            let said = run::output(command.current_dir(run::root()).args(arguments))?;
            anyhow::Ok(said.lines().next().unwrap_or_default().to_owned())
        };
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or("unknown processor", |name| {
                name.trim_matches([' ', '\t', ':'])
            });
        let text = format!(
            "# Statistics\n\n{}, commit {}, {}, {cpu}. Seed `{}`, {} times the ordinary sample: \
             `cargo xtask statistics {} --seed {}`. Bounds are five standard deviations, |t| 4.5.\n",
            first("date", &["-u", "+%Y-%m-%d"])?,
            first("git", &["rev-parse", "--short", "HEAD"])?,
            first("rustc", &["--version"])?,
            wanted.seed,
            wanted.times,
            wanted.times,
            wanted.seed,
        );
        Ok(Self {
            text,
            figures: 0,
            faults: Vec::new(),
        })
    }

    /// Runs a command, shows what it prints, and keeps the lines that are figures.
    fn collect(&mut self, title: &str, command: &mut Command) -> Result<()> {
        println!("\n== {title}");
        self.text += &format!("\n## {title}\n\n| figure | value | bound | |\n|---|---|---|---|\n");
        let before = self.figures;
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines() {
                let line = line?;
                println!("{line}");
                self.figure(&line);
            }
        }
        if !child.wait()?.success() {
            self.faults.push(format!("{title}: a test"));
        }
        if self.figures == before {
            self.faults.push(format!("{title}: no figure"));
        }
        Ok(())
    }

    /// Five fields: `statistic`, name, value, bound, verdict. The test harness may have written the
    /// beginning of a line.
    fn figure(&mut self, line: &str) {
        let Some((_, figure)) = line.split_once("statistic\t") else {
            return;
        };
        if let [name, value, bound, verdict] = figure.split('\t').collect::<Vec<_>>()[..] {
            let name = name.replace('|', "\\|");
            self.text += &format!("| {name} | {value} | {bound} | {verdict} |\n");
            self.figures += 1;
            if verdict != "ok" {
                self.faults.push(format!("{name} is {value}"));
            }
        }
    }
}

/// Writes the known-answer vectors anew: keys and randomness by the crate, everything
/// that follows from them by the independent oracle.
pub(crate) fn vectors() -> Result<()> {
    run::must(
        run::cargo()
            .args(TEST)
            .args(["--lib", "write_keys", "--", "--ignored"]),
    )?;
    let tests = run::root().join("crates/ibpre/tests");
    for set in ["A", "B"] {
        let mut oracle = Command::new("python3");
        oracle
            .current_dir(&tests)
            .args(["oracle.py", &format!("vectors/keys-{set}.json")]);
        run::must(oracle.stdout(File::create(tests.join(format!("vectors/{set}.json")))?))?;
    }
    Ok(())
}

const TEST: [&str; 5] = ["test", "--locked", "--release", "--package", "ibpre"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_failures_kept() {
        let mut report = Report {
            text: String::new(),
            figures: 0,
            faults: Vec::new(),
        };
        report.figure("test a ... statistic\tkurtosis\t3.01\t3 ± 0.1\tok");
        report.figure("statistic\t|t|\t9.1\t4.5\tFAILED");
        report.figure("test b ... ok");
        assert_eq!(report.figures, 2);
        assert_eq!(report.faults, ["\\|t\\| is 9.1"]);
        assert!(
            report
                .text
                .starts_with("| kurtosis | 3.01 | 3 ± 0.1 | ok |\n")
        );
    }

    #[test]
    fn arguments() {
        let wanted = Wanted::parse(&["3", "--seed", "x", "--report", "r.md"]);
        assert!(wanted.is_ok_and(|w| w.times == 3 && w.seed == "x" && w.report.is_some()));
        for wrong in [&["--seed"][..], &["0"], &["many"]] {
            assert!(Wanted::parse(wrong).is_err());
        }
    }
}
