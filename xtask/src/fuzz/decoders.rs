//! Every decoder a given number of times, without libFuzzer: its own seeds, spoilt, in the
//! tests' process, and a table of it into `docs/fuzzing.md`: a row a decoder, of its newest run.

use anyhow::{Context, Result, bail};
use std::{collections::BTreeMap, fmt::Write as _, fs, process::Command};

use super::USAGE;
use crate::{document, run};

const TEST: [&str; 11] = [
    "test",
    "--locked",
    "--workspace",
    "--features",
    "medshare/full",
    "--test",
    "decoders",
    "--",
    "--exact",
    "--nocapture",
    "counted::every_decoder_counted",
];
const DOCUMENT: &str = "docs/fuzzing.md";
/// Fewer executions than these are a try, and not written down.
const LONG: u64 = 10_000_000;

/// All decoders, or those whose name holds a word; 10,000,000 times each by default. With
/// fewer nothing is written down.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let rows = run::root().join("target").join("decoders.md");
    let mut command = run::cargo();
    command
        .args(TEST)
        .env("DECODER_RUNS", LONG.to_string())
        .env("DECODER_THREADS", threads().to_string())
        .env("DECODER_TABLE", &rows);
    let (mut all, mut runs) = (true, LONG);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--runs" | "--seed" => {
                let number: u64 = words
                    .next()
                    .and_then(|text| text.parse().ok())
                    .context(USAGE)?;
                let name = match *word {
                    "--runs" => {
                        runs = number;
                        "DECODER_RUNS"
                    }
                    _ => "DECODER_SEED",
                };
                command.env(name, number.to_string());
            }
            word if word.starts_with('-') => bail!(USAGE),
            word => {
                all = false;
                command.env("DECODER_ONLY", word);
            }
        }
    }
    run::must(&mut command)?;
    if runs < LONG {
        return Ok(());
    }
    let mut known = match all {
        // Of decoders that are no more nothing stays.
        true => BTreeMap::new(),
        false => parse(&fs::read_to_string(run::root().join(DOCUMENT))?),
    };
    let day = run::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    for row in fs::read_to_string(rows)?.lines() {
        known.extend(parse(&format!("{row} {} |", day.trim())));
    }
    document::write(DOCUMENT, "decoders", &table(&known))?;
    println!("written to {DOCUMENT}");
    Ok(())
}

/// Rows by decoder.
fn parse(text: &str) -> BTreeMap<String, String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let named = rows.filter_map(|line| {
        let name = line.split('`').nth(1)?;
        name.contains('/')
            .then(|| (name.to_owned(), line.to_owned()))
    });
    named.collect()
}

fn table(rows: &BTreeMap<String, String>) -> String {
    let mut text = String::from(
        "| decoder | seeds | executions | accepted | processor time | each | day |\n\
         |---|---:|---:|---:|---:|---:|---|\n",
    );
    let cell = |row: &str, at: usize| -> Option<f64> {
        row.split('|')
            .nth(at)?
            .trim()
            .trim_end_matches(" s")
            .parse()
            .ok()
    };
    let (mut runs, mut seconds) = (0.0, 0.0);
    for row in rows.values() {
        let _ = writeln!(text, "{row}"); // a String takes all
        runs += cell(row, 3).unwrap_or_default();
        seconds += cell(row, 5).unwrap_or_default();
    }
    let _ = writeln!(
        text,
        "| all {} | | {runs} | | {seconds:.0} s | | |",
        rows.len()
    );
    text
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_row_takes_the_place_of_an_older() {
        let row = |runs: u32, day: &str| {
            format!("| `a/b` | 3 | {runs} | 1.00 % | 2.5 s | 0.10 µs | {day} |")
        };
        let mut rows = parse(&table(&parse(&row(10, "2026-11-01"))));
        rows.extend(parse(&row(20, "2026-11-02")));
        rows.extend(parse("| `fuzz` | no decoder |"));
        let text = table(&rows);
        assert!(text.contains("2026-11-02") && !text.contains("2026-11-01"));
        assert!(text.contains("| all 1 | | 20 | | 2 s | | |"), "{text}");
    }
}
