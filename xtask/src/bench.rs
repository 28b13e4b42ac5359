//! Benchmarks with their yardsticks: criterion measures, this prints each figure beside
//! what it is held against and the target.

mod chains;
mod figures;
mod growth;
mod ipfs;
mod machine;
mod network;
mod pages;
mod service;
// The drawing of the attacks' charts.
#[allow(dead_code)]
#[path = "../../crates/ibpre/examples/attacks/plot.rs"]
mod plot;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use crate::run;

/// What a figure is held against. A figure is the median, microseconds an element.
struct Figure {
    id: &'static str,
    /// At most this many microseconds.
    most: Option<f64>,
    /// Other figures of the same run.
    beside: Option<Beside>,
}

/// A yardstick: a weighted sum of figures of the same run, divided by the figure.
struct Beside {
    name: &'static str,
    of: &'static [(&'static str, f64)],
    /// The quotient shall be at least this.
    least: Option<f64>,
}

const BENCHES: &[(&str, &str)] = &[
    ("ibpre", "verbs"),
    ("medshare-store", "store"),
    ("medshare-ledger", "ledger"),
    ("medshare-share", "seal"),
];

/// Criterion's ids with their targets (the "Speed to reach"); figures that are not
/// listed are printed without.
const FIGURES: &[Figure] = &[
    most("ibpre/A/encapsulate/prepared", 41.0),
    most("ibpre/A/decapsulate/prepared", 41.0),
    most("ibpre/A/reencrypt/signed", 44.0),
    most("ibpre/A/open/prepared", 80.0),
    most("ibpre/A/extract/prepared", 300.0),
    most("ibpre/A/rekey/prepared", 350.0),
    most("ibpre/A/setup/cold", 15_000.0),
    Figure {
        id: "seal/seal to memory",
        most: None,
        beside: Some(Beside {
            name: "AES-256-GCM and two SHA-256 on two cores",
            of: &[
                ("seal/yardstick/aes-256-gcm", 0.5),
                ("seal/yardstick/sha-256", 1.0),
            ],
            least: Some(0.8),
        }),
    },
    beside(
        "seal/open from memory",
        "AES-256-GCM and SHA-256 on one core",
        &[
            ("seal/yardstick/aes-256-gcm", 1.0),
            ("seal/yardstick/sha-256", 1.0),
        ],
    ),
    beside(
        "store 256 MiB/names",
        "SHA-256",
        &[("store 256 MiB/sha256", 1.0)],
    ),
    Figure {
        id: "store 256 MiB/add",
        most: None,
        beside: Some(Beside {
            name: "the same bytes written, one sync",
            of: &[("store 256 MiB/write", 1.0)],
            least: Some(0.8),
        }),
    },
    beside(
        "store 256 MiB/add again",
        "SHA-256",
        &[("store 256 MiB/sha256", 1.0)],
    ),
    Figure {
        id: "store 256 MiB/get",
        most: None,
        beside: Some(Beside {
            name: "SHA-256",
            of: &[("store 256 MiB/sha256", 1.0)],
            least: Some(0.8),
        }),
    },
    beside(
        "store 4 KiB/put",
        "a file of its own, synced",
        &[("store 4 KiB/write", 1.0)],
    ),
    beside(
        "store 4 KiB/put by 8",
        "a file of its own, synced",
        &[("store 4 KiB/write", 1.0)],
    ),
    beside("store 4 KiB/get", "SHA-256", &[("store 4 KiB/sha256", 1.0)]),
    beside(
        "signature/decode and verify a batch",
        "one Ed25519 check",
        &[("signature/verify one", 1.0)],
    ),
    Figure {
        id: "ledger/bags",
        most: Some(100.0),
        beside: Some(Beside {
            name: "one Ed25519 check",
            of: &[("signature/verify one", 1.0)],
            least: None,
        }),
    },
    Figure {
        id: "ledger/queries",
        most: Some(100.0),
        beside: Some(Beside {
            name: "two Ed25519 checks",
            of: &[("signature/verify one", 2.0)],
            least: None,
        }),
    },
];

const fn most(id: &'static str, microseconds: f64) -> Figure {
    Figure {
        id,
        most: Some(microseconds),
        beside: None,
    }
}

const fn beside(
    id: &'static str,
    name: &'static str,
    of: &'static [(&'static str, f64)],
) -> Figure {
    Figure {
        id,
        most: None,
        beside: Some(Beside {
            name,
            of,
            least: None,
        }),
    }
}

/// One benchmark as criterion wrote it.
struct Measured {
    id: String,
    /// Median, an element.
    micros: f64,
    /// Mebibytes a second, where criterion was told how many bytes.
    rate: Option<f64>,
}

/// Runs every benchmark (or those whose id contains the filter) and prints the table.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["ipfs", rest @ ..] => return ipfs::run(rest),
        ["growth", rest @ ..] => return growth::run(rest),
        ["pages", rest @ ..] => return pages::run(rest),
        ["chains"] => return chains::run(),
        ["network", rest @ ..] => return network::run(rest),
        ["service", rest @ ..] => return service::run(rest),
        _ => {}
    }
    let json = arguments.contains(&"--json");
    let filter: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|word| *word != "--json")
        .collect();
    if filter.len() > 1 || filter.iter().any(|word| word.starts_with('-')) {
        bail!(run::Usage("bench [--json] [FILTER]"));
    }
    // A folder of its own, emptied: every figure of the table is of this run.
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| run::root().join("target"), PathBuf::from)
        .join("xtask-bench");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let start = Instant::now();
    for (package, bench) in BENCHES {
        let mut command = run::cargo();
        command
            .args(["bench", "--locked", "--package", package, "--bench", bench])
            .args(["--", "--noplot", "--quiet"])
            .args(["--warm-up-time", "1", "--measurement-time", "3"])
            .args(&filter)
            .env("CRITERION_HOME", &folder);
        if json {
            command.stdout(Stdio::null());
        }
        run::must(&mut command)?;
    }
    report(&folder, json)?;
    if !json {
        println!("\n{:.1} minutes", start.elapsed().as_secs_f64() / 60.0);
    }
    Ok(())
}

fn report(folder: &Path, json: bool) -> Result<()> {
    let mut measured = Vec::new();
    collect(folder, &mut measured)?;
    measured.sort_by(|a, b| a.id.cmp(&b.id));
    if measured.is_empty() {
        bail!("no benchmark ran: does the filter name one?");
    }
    let rows: Vec<Value> = measured.iter().map(|one| row(one, &measured)).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    println!(
        "\n{:36} {:>12} {:>8} {:>9} {:>4}  beside",
        "figure", "µs", "MiB/s", "target", "met"
    );
    for row in &rows {
        let number = |key: &str, digits: usize| {
            row[key]
                .as_f64()
                .map_or(String::new(), |number| format!("{number:.digits$}"))
        };
        println!(
            "{:36} {:>12} {:>8} {:>9} {:>4}  {}",
            row["id"].as_str().unwrap_or_default(),
            number("microseconds", 2),
            number("mebibytes_per_second", 0),
            row["target"].as_str().unwrap_or_default(),
            row["met"]
                .as_bool()
                .map_or("", |met| if met { "yes" } else { "NO" }),
            row["beside"].as_str().unwrap_or_default(),
        );
    }
    let missed: Vec<&str> = rows
        .iter()
        .filter(|row| row["met"] == false)
        .filter_map(|row| row["id"].as_str())
        .collect();
    match missed.as_slice() {
        [] => println!("\nevery target that was measured is met"),
        missed => println!("\nmissed: {}", missed.join(", ")),
    }
    Ok(())
}

/// One line of the table: the figure, what it is held against, whether it holds.
fn row(one: &Measured, measured: &[Measured]) -> Value {
    let figure = FIGURES.iter().find(|figure| figure.id == one.id);
    let most = figure.and_then(|figure| figure.most);
    let beside = figure.and_then(|figure| figure.beside.as_ref());
    let ratio = beside.and_then(|beside| {
        let sum = beside.of.iter().try_fold(0.0, |sum, (name, weight)| {
            let other = measured.iter().find(|other| other.id == *name)?;
            Some(sum + weight * other.micros)
        });
        sum.map(|sum| sum / one.micros)
    });
    let least = beside.and_then(|beside| beside.least);
    let target = most
        .map(|most| format!("≤ {most} µs"))
        .or_else(|| least.map(|least| format!("≥ {least}")));
    let met = most
        .map(|most| one.micros <= most)
        .or_else(|| Some(ratio? >= least?));
    let text = beside.map(|beside| match ratio {
        Some(ratio) => format!("{ratio:.2} of {}", beside.name),
        None => format!("{} (not measured in this run)", beside.name),
    });
    json!({
        "id": one.id,
        "microseconds": one.micros,
        "mebibytes_per_second": one.rate,
        "target": target,
        "met": met,
        "beside": text,
        "ratio": ratio,
    })
}

/// Reads every benchmark under criterion's folder.
fn collect(folder: &Path, found: &mut Vec<Measured>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.file_name().is_none_or(|name| name != "new") {
            collect(&path, found)?;
            continue;
        }
        let read = |name: &str| -> Result<Value> {
            Ok(serde_json::from_str(&fs::read_to_string(path.join(name))?)?)
        };
        let name = read("benchmark.json")?;
        let id = name["full_id"].as_str().context("criterion wrote no id")?;
        let nanos = read("estimates.json")?["median"]["point_estimate"]
            .as_f64()
            .context("criterion wrote no estimate")?;
        let throughput = &name["throughput"];
        let elements = throughput["Elements"].as_f64().unwrap_or(1.0);
        found.push(Measured {
            id: id.to_owned(),
            micros: nanos / 1_000.0 / elements,
            rate: throughput["Bytes"]
                .as_f64()
                .map(|bytes| bytes / 1_048_576.0 / (nanos / 1e9)),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(id: &str, micros: f64) -> Measured {
        Measured {
            id: id.to_owned(),
            micros,
            rate: None,
        }
    }

    #[test]
    fn figures_are_held_against_targets_and_yardsticks() {
        let all = [
            measured("ibpre/A/encapsulate/prepared", 40.0),
            measured("seal/seal to memory", 100.0),
            measured("seal/yardstick/aes-256-gcm", 40.0),
            measured("seal/yardstick/sha-256", 50.0),
            measured("ledger/bags", 120.0),
        ];
        assert_eq!(row(&all[0], &all)["met"], true);
        let seal = row(&all[1], &all);
        assert_eq!((&seal["ratio"], &seal["met"]), (&json!(0.7), &json!(false)));
        assert_eq!(row(&all[2], &all)["met"], Value::Null);
        let bags = row(&all[4], &all);
        assert_eq!(bags["met"], false);
        assert_eq!(bags["ratio"], Value::Null, "its yardstick did not run");
    }
}
