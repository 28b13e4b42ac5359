//! The same by cargo-mutants itself, one build for each mutant, to compare with.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

use super::{Package, build::Tree, suite::Verdict};

/// What cargo-mutants says of each mutant of a file, by its own names.
pub(super) fn verdicts(
    tool: &Path,
    package: &'static Package,
    path: &str,
) -> Result<BTreeMap<String, Verdict>> {
    // A copy, changed in place: cargo-mutants' own copies would each be compiled whole.
    let tree = Tree::new(package);
    tree.fill(&BTreeMap::new())?;
    let output = tree.beside("out");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    fs::create_dir_all(&output)?;
    let mut command = tree.command(tool);
    command
        .args(["mutants", "--in-place", "--package", package.name])
        .args(["--file", path, "--test-package", package.name])
        .args(["--cargo-arg=--locked", "--baseline=skip", "--timeout=600"])
        .args(["--no-shuffle", "--output"])
        .arg(&output)
        .args(["--", "--tests"]);
    // 2 and 3 say that mutants survived or ran into the time limit.
    let status = command.status()?;
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        bail!("cargo-mutants failed on {path} ({status})");
    }
    let outcomes = output.join("mutants.out/outcomes.json");
    told(&serde_json::from_str(&fs::read_to_string(outcomes)?)?)
}

fn told(told: &Value) -> Result<BTreeMap<String, Verdict>> {
    let mut verdicts = BTreeMap::new();
    for outcome in told["outcomes"].as_array().into_iter().flatten() {
        let Some(mutant) = outcome["scenario"].get("Mutant") else {
            continue; // the baseline
        };
        let verdict = match outcome["summary"].as_str().context("no summary")? {
            "CaughtMutant" => Verdict::Caught,
            "Timeout" => Verdict::Endless,
            "Unviable" => Verdict::Unviable,
            "MissedMutant" => Verdict::Survives,
            other => bail!("cargo-mutants says {other}"),
        };
        let name = mutant["name"].as_str().context("no name")?;
        verdicts.insert(name.to_owned(), verdict);
    }
    Ok(verdicts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_and_one_that_is_not_known_is_an_error() {
        let mut json = serde_json::json!({"outcomes": [
            {"scenario": "Baseline", "summary": "Success"},
            {"scenario": {"Mutant": {"name": "a.rs:1:2: replace == with !="}},
             "summary": "MissedMutant"},
        ]});
        let verdicts = told(&json).unwrap();
        assert_eq!(verdicts["a.rs:1:2: replace == with !="], Verdict::Survives);
        assert_eq!(verdicts.len(), 1);
        json["outcomes"][1]["summary"] = "Other".into();
        assert!(told(&json).is_err());
    }
}
