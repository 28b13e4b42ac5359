//! Benchmarks with their yardsticks: criterion measures, this prints each figure beside
//! what it is held against and the target.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::run;

/// What a figure is held against. Times are microseconds an element.
enum Target {
    /// At most this many microseconds.
    Most(f64),
    /// Weighted sum of other figures of the same run, divided by this one; at least `least`.
    Ratio {
        yardstick: &'static str,
        of: &'static [(&'static str, f64)],
        least: f64,
    },
}

const BENCHES: &[(&str, &str)] = &[
    ("ibpre", "verbs"),
    ("medshare-store", "store"),
    ("medshare-ledger", "ledger"),
    ("medshare-share", "seal"),
];

/// Criterion's ids with their targets; figures that are not listed are printed without.
const FIGURES: &[(&str, Target)] = &[
    ("ibpre/A/encapsulate/prepared", Target::Most(41.0)),
    ("ibpre/A/decapsulate/prepared", Target::Most(55.0)),
    ("ibpre/A/reencrypt/signed", Target::Most(50.0)),
    ("ibpre/A/open/prepared", Target::Most(95.0)),
    ("ibpre/A/extract/prepared", Target::Most(500.0)),
    ("ibpre/A/rekey/prepared", Target::Most(550.0)),
    ("ibpre/A/setup/cold", Target::Most(25_000.0)),
    (
        "seal/seal to memory",
        Target::Ratio {
            yardstick: "(AES-256-GCM + 2 SHA-256) on two cores",
            of: &[
                ("seal/yardstick/aes-256-gcm", 0.5),
                ("seal/yardstick/sha-256", 1.0),
            ],
            least: 0.8,
        },
    ),
    (
        "store 64 MiB/get",
        Target::Ratio {
            yardstick: "SHA-256",
            of: &[("store 64 MiB/sha256", 1.0)],
            least: 0.8,
        },
    ),
    (
        "store 64 MiB/put",
        Target::Ratio {
            yardstick: "SHA-256",
            of: &[("store 64 MiB/sha256", 1.0)],
            least: 0.0,
        },
    ),
    ("ledger/queries", Target::Most(100.0)),
    (
        "ledger/bags",
        Target::Ratio {
            yardstick: "one Ed25519 check",
            of: &[("signature/verify one", 1.0)],
            least: 0.0,
        },
    ),
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
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| run::root().join("target"), PathBuf::from);
    collect(&target.join("criterion"), &mut measured)?;
    measured.sort_by(|a, b| a.0.cmp(&b.0));
    let rows: Vec<Value> = measured
        .iter()
        .map(|(id, micros)| row(id, *micros, &measured))
        .collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    println!("\n{:36} {:>14} {:>5}  held against", "figure", "µs", "met");
    for row in &rows {
        println!(
            "{:36} {:>14.2} {:>5}  {}",
            row["id"].as_str().unwrap_or_default(),
            row["microseconds"].as_f64().unwrap_or_default(),
            row["met"]
                .as_bool()
                .map_or("", |met| if met { "yes" } else { "NO" }),
            row["against"].as_str().unwrap_or_default(),
        );
    }
    Ok(())
}

/// One line of the table: the figure, what it is held against, whether it holds.
fn row(id: &str, micros: f64, measured: &[(String, f64)]) -> Value {
    let target = FIGURES
        .iter()
        .find(|(name, _)| *name == id)
        .map(|(_, target)| target);
    let (against, ratio, met) = match target {
        None => (String::new(), None, None),
        Some(Target::Most(most)) => (format!("at most {most} µs"), None, Some(micros <= *most)),
        Some(Target::Ratio {
            yardstick,
            of,
            least,
        }) => {
            let sum = of.iter().try_fold(0.0, |sum, (name, weight)| {
                let (_, other) = measured.iter().find(|(found, _)| found == name)?;
                Some(sum + weight * other)
            });
            let ratio = sum.map(|sum| sum / micros);
            let text = format!(
                "{:.2} of {yardstick}, target {least}",
                ratio.unwrap_or_default()
            );
            (text, ratio, ratio.map(|ratio| ratio >= *least))
        }
    };
    json!({ "id": id, "microseconds": micros, "against": against, "ratio": ratio, "met": met })
}

/// Reads the median, in microseconds an element, of every benchmark under criterion's folder.
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
            let elements = name["throughput"]["Elements"].as_f64().unwrap_or(1.0);
            found.push((id.to_owned(), nanos / 1_000.0 / elements));
        } else {
            collect(&path, found)?;
        }
    }
    Ok(())
}
