//! Benchmarks with their yardsticks: criterion measures, this prints each figure beside
//! what it is held against and the target.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Stdio};

use crate::run;

/// One figure of the report.
struct Figure {
    /// Criterion's id.
    id: &'static str,
    /// Most microseconds, if the target is a time.
    most: Option<f64>,
    /// The criterion id it is divided by, and the least ratio yardstick/figure.
    against: Option<(&'static str, f64)>,
}

const BENCHES: &[(&str, &str)] = &[
    ("ibpre", "verbs"),
    ("medshare-store", "store"),
    ("medshare-ledger", "ledger"),
    ("medshare-share", "seal"),
];

const fn time(id: &'static str, most: f64) -> Figure {
    Figure {
        id,
        most: Some(most),
        against: None,
    }
}

const FIGURES: &[Figure] = &[
    time("ibpre/A/encapsulate/prepared", 41.0),
    time("ibpre/A/decapsulate/prepared", 55.0),
    time("ibpre/A/reencrypt/prepared", 50.0),
    time("ibpre/A/open/prepared", 95.0),
    time("ibpre/A/extract/prepared", 500.0),
    time("ibpre/A/rekey/prepared", 550.0),
    time("ibpre/A/setup", 25_000.0),
];

/// Runs every benchmark (or those whose id contains the filter) and prints the table.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let json = arguments.contains(&"--json");
    let filter: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|word| *word != "--json")
        .collect();
    if filter.len() > 1 || filter.iter().any(|word| word.starts_with('-')) {
        bail!("usage: cargo xtask bench [--json] [FILTER]");
    }
    for (package, bench) in BENCHES {
        let mut command = run::cargo();
        command.args([
            "bench",
            "--locked",
            "--package",
            package,
            "--bench",
            bench,
            "--",
        ]);
        command.args(&filter).stdout(if json {
            Stdio::null()
        } else {
            Stdio::inherit()
        });
        run::must(&mut command)?;
    }
    report(json)
}

fn report(json: bool) -> Result<()> {
    let mut measured = Vec::new();
    collect(&run::root().join("target/criterion"), &mut measured)?;
    measured.sort_by(|a, b| a.0.cmp(&b.0));
    let find = |id: &str| {
        measured
            .iter()
            .find(|(name, _)| name == id)
            .map(|(_, micros)| *micros)
    };
    let mut rows = Vec::new();
    for (id, micros) in &measured {
        let figure = FIGURES.iter().find(|figure| figure.id == id);
        let target = figure.and_then(|figure| figure.most);
        let against = figure.and_then(|figure| figure.against);
        let ratio = against
            .and_then(|(yardstick, _)| find(yardstick))
            .map(|other| other / micros);
        let met = match (target, ratio, against) {
            (Some(most), _, _) => Some(*micros <= most),
            (None, Some(ratio), Some((_, least))) => Some(ratio >= least),
            _ => None,
        };
        rows.push(json!({
            "id": id, "microseconds": micros, "target_microseconds": target,
            "yardstick": against.map(|(yardstick, _)| yardstick), "ratio": ratio,
            "target_ratio": against.map(|(_, least)| least), "met": met,
        }));
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    println!(
        "\n{:44} {:>12} {:>10} {:>8}  held against",
        "figure", "µs", "target", "met"
    );
    for row in &rows {
        println!(
            "{:44} {:>12.2} {:>10} {:>8}  {}",
            row["id"].as_str().unwrap_or_default(),
            row["microseconds"].as_f64().unwrap_or_default(),
            row["target_microseconds"]
                .as_f64()
                .map_or(String::new(), |most| format!("{most}")),
            row["met"]
                .as_bool()
                .map_or("", |met| if met { "yes" } else { "NO" }),
            held_against(row),
        );
    }
    Ok(())
}

fn held_against(row: &Value) -> String {
    let Some(yardstick) = row["yardstick"].as_str() else {
        return String::new();
    };
    let ratio = row["ratio"].as_f64().unwrap_or_default();
    let least = row["target_ratio"].as_f64().unwrap_or_default();
    format!("{ratio:.2} of {yardstick} (target {least})")
}

/// Reads the mean, in microseconds, of every benchmark under criterion's folder.
fn collect(folder: &Path, found: &mut Vec<(String, f64)>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_some_and(|name| name == "new") {
            let name: Value =
                serde_json::from_str(&fs::read_to_string(path.join("benchmark.json"))?)?;
            let estimates: Value =
                serde_json::from_str(&fs::read_to_string(path.join("estimates.json"))?)?;
            let id = name["full_id"].as_str().context("criterion wrote no id")?;
            let nanos = estimates["median"]["point_estimate"]
                .as_f64()
                .context("no estimate")?;
            found.push((id.to_owned(), nanos / 1_000.0));
        } else {
            collect(&path, found)?;
        }
    }
    Ok(())
}
