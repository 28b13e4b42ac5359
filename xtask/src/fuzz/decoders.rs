//! Every decoder a given number of times, without libFuzzer: its own seeds, spoilt, in the
//! tests' process, and a table of it into `docs/fuzzing.md`.

use anyhow::{Context, Result, bail};
use std::fs;

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

/// All decoders, or those whose name holds a word; 10,000,000 times each by default. Only a
/// run of all is written down.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let table = run::root().join("target").join("decoders.md");
    let mut command = run::cargo();
    command
        .args(TEST)
        .env("DECODER_RUNS", "10000000")
        .env("DECODER_THREADS", threads().to_string())
        .env("DECODER_TABLE", &table);
    let mut all = true;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--runs" | "--seed" => {
                let number: u64 = words
                    .next()
                    .and_then(|text| text.parse().ok())
                    .context(USAGE)?;
                let name = if *word == "--runs" {
                    "DECODER_RUNS"
                } else {
                    "DECODER_SEED"
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
    if all {
        document::write(DOCUMENT, "decoders", &fs::read_to_string(table)?)?;
        println!("written to {DOCUMENT}");
    }
    Ok(())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
