//! A measuring test of the product, and the objects that it prints, one a line.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::run;

/// Runs the test with all features, prints what it prints, and gives its figures.
pub(super) fn of(words: &[&str], (name, value): &(&str, String)) -> Result<Vec<Value>> {
    let mut command = run::cargo();
    command
        .args([
            "test",
            "--locked",
            "--workspace",
            "--features",
            "medshare/full",
        ])
        .args(words)
        .env(name, value)
        .stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut figures = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        println!("{line}");
        let figure = line.find('{').map(|at| serde_json::from_str(&line[at..]));
        figures.extend(figure.and_then(Result::ok));
    }
    if !child.wait()?.success() {
        bail!("the test that measures failed: {}", words.join(" "));
    }
    Ok(figures)
}
