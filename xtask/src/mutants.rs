//! `cargo xtask mutants`: changes the rules one spot at a time and asks whether a test
//! notices, by cargo-mutants, into `docs/mutants.md`.
//!
//! A run over everything takes many hours, so it is done file by file and what is known is
//! kept: a file whose text has not changed since its row was written is not run again. A
//! survivor that nobody answered in the page's "Answers" is an error.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{components, document, run};

const USAGE: run::Usage = run::Usage("mutants [--again] [PATH]...");

/// Whose rules: package and folder.
const PACKAGES: [(&str, &str); 2] = [
    ("medshare-ledger", "crates/ledger/src/"),
    ("medshare-share", "crates/share/src/"),
];

const PAGE: &str = "docs/mutants.md";

/// What is known of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    /// Beginning of git's name of its text.
    digest: String,
    mutants: usize,
    /// A test failed.
    caught: usize,
    /// The tests did not come to an end, which is noticed too.
    endless: usize,
    /// It does not compile.
    unviable: usize,
    survivors: Vec<String>,
}

/// Runs every file that changed, or those whose path contains one of the words.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (again, words) = match arguments {
        ["--again", words @ ..] => (true, words),
        words => (false, words),
    };
    if words.iter().any(|word| word.starts_with('-')) {
        bail!(USAGE);
    }
    let tool = tool()?;
    let page = fs::read_to_string(run::root().join(PAGE)).context(PAGE)?;
    let mut rows = parse(&page)?;
    let files = run::tracked(".rs")?;
    rows.retain(|path, _| files.contains(path));
    for (package, folder) in PACKAGES {
        for path in files.iter().filter(|path| path.starts_with(folder)) {
            let digest = digest(path)?;
            let is_known = rows.get(path).is_some_and(|row| row.digest == digest);
            let is_wanted = words.is_empty() || words.iter().any(|word| path.contains(word));
            if !is_wanted || (is_known && !again) {
                continue;
            }
            println!("{path}");
            rows.insert(path.clone(), examine(&tool, package, path, digest)?);
            document::write(PAGE, "mutants", &table(&rows))?;
        }
    }
    let page = fs::read_to_string(run::root().join(PAGE))?;
    let open = unanswered(&rows, &page);
    for (path, name) in &open {
        println!("{path}: SURVIVES: {name}");
    }
    if !open.is_empty() {
        bail!("{} mutants survive without an answer in {PAGE}", open.len());
    }
    Ok(())
}

/// The pinned cargo-mutants, compiled into the cache once.
fn tool() -> Result<PathBuf> {
    let tool = components::component("cargo-mutants")?;
    let program = tool.variables.into_iter().next();
    Ok(program.context("no program")?.1)
}

fn examine(tool: &Path, package: &str, path: &str, digest: String) -> Result<Row> {
    let target = run::root().join("target");
    let output = target.join("mutants-found");
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    fs::create_dir_all(&output)?;
    let mut command = Command::new(tool);
    command
        .current_dir(run::root())
        .args(["mutants", "--package", package, "--file", path])
        .args(["--test-package", package, "--cargo-arg=--locked"])
        .args(["--baseline=skip", "--timeout=300", "--no-shuffle"])
        .args(["--profile=mutants", "--output"])
        .arg(&output)
        .args(["--", "--tests"])
        // What others have compiled is not compiled for each run anew.
        .env("CARGO_TARGET_DIR", target.join("mutants-build"));
    // 2 and 3 say that mutants survived or ran into the time limit.
    let status = command.status()?;
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        bail!("cargo-mutants failed on {path} ({status})");
    }
    let outcomes = output.join("mutants.out/outcomes.json");
    // A file without mutants leaves nothing behind.
    let told = if outcomes.exists() {
        serde_json::from_str(&fs::read_to_string(outcomes)?)?
    } else {
        Value::Null
    };
    row(&told, digest)
}

fn row(told: &Value, digest: String) -> Result<Row> {
    let mut row = Row {
        digest,
        mutants: 0,
        caught: 0,
        endless: 0,
        unviable: 0,
        survivors: Vec::new(),
    };
    for outcome in told["outcomes"].as_array().into_iter().flatten() {
        let Some(mutant) = outcome["scenario"].get("Mutant") else {
            continue; // the baseline
        };
        row.mutants += 1;
        match outcome["summary"].as_str().context("no summary")? {
            "CaughtMutant" => row.caught += 1,
            "Timeout" => row.endless += 1,
            "Unviable" => row.unviable += 1,
            "MissedMutant" => {
                let name = mutant["name"].as_str().context("no name")?;
                row.survivors.push(shortened(name));
            }
            other => bail!("cargo-mutants says {other}"),
        }
    }
    Ok(row)
}

/// Without path, line and column: an answer stays when lines above it change.
fn shortened(name: &str) -> String {
    let parts: Vec<&str> = name.splitn(4, ':').collect();
    parts.last().unwrap_or(&name).trim().to_owned()
}

/// Of the file's text, as git names it.
fn digest(path: &str) -> Result<String> {
    let mut command = Command::new("git");
    let name = run::output(command.args(["hash-object", path]).current_dir(run::root()))?;
    Ok(name.chars().take(12).collect())
}

fn table(rows: &BTreeMap<String, Row>) -> String {
    let mut text = "| file | text | mutants | caught | endless | do not compile | survive |\n\
                    |---|---|---:|---:|---:|---:|---|\n"
        .to_owned();
    for (path, row) in rows {
        let survivors: Vec<String> = row
            .survivors
            .iter()
            .map(|name| format!("`{}`", name.replace('|', "\\|")))
            .collect();
        let _ = writeln!(
            text,
            "| {path} | {} | {} | {} | {} | {} | {} |",
            row.digest,
            row.mutants,
            row.caught,
            row.endless,
            row.unviable,
            survivors.join("<br>")
        ); // a String takes all
    }
    text
}

/// The rows as [`table`] wrote them.
fn parse(page: &str) -> Result<BTreeMap<String, Row>> {
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| crates/")) {
        let line = line.replace("\\|", "\u{0}");
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [
            _,
            path,
            digest,
            mutants,
            caught,
            endless,
            unviable,
            survivors,
            _,
        ] = cells[..]
        else {
            bail!("{PAGE}: {line}");
        };
        let number = |text: &str| text.parse().with_context(|| format!("{PAGE}: {line}"));
        let survivors = survivors.split("<br>").filter(|name| !name.is_empty());
        let row = Row {
            digest: digest.to_owned(),
            mutants: number(mutants)?,
            caught: number(caught)?,
            endless: number(endless)?,
            unviable: number(unviable)?,
            survivors: survivors
                .map(|name| name.trim_matches('`').replace('\u{0}', "|"))
                .collect(),
        };
        rows.insert(path.to_owned(), row);
    }
    Ok(rows)
}

/// Survivors that "Answers" does not name, with their files.
fn unanswered<'a>(rows: &'a BTreeMap<String, Row>, page: &str) -> Vec<(&'a str, &'a str)> {
    let answers = page
        .split_once("## Answers")
        .map_or("", |(_, answers)| answers);
    let all = rows.iter().flat_map(|(path, row)| {
        row.survivors
            .iter()
            .map(|name| (path.as_str(), name.as_str()))
    });
    all.filter(|(_, name)| !answers.contains(&format!("`{name}`")))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NAME: &str = "replace || with && in Head::verify";

    fn told() -> Value {
        serde_json::json!({"outcomes": [
            {"scenario": "Baseline", "summary": "Success"},
            {"scenario": {"Mutant": {"name": format!("crates/ledger/src/block.rs:134:32: {NAME}")}},
             "summary": "MissedMutant"},
            {"scenario": {"Mutant": {"name": "crates/ledger/src/block.rs:1:2: replace == with !="}},
             "summary": "CaughtMutant"},
        ]})
    }

    #[test]
    fn what_is_written_is_read_again_and_survivors_are_asked_for() {
        let row = row(&told(), "0123456789ab".into()).unwrap();
        assert_eq!((row.mutants, row.caught), (2, 1));
        assert_eq!(row.survivors, [NAME]);
        let rows = BTreeMap::from([("crates/ledger/src/block.rs".to_owned(), row)]);
        let page = table(&rows);
        assert_eq!(parse(&page).unwrap(), rows);
        assert_eq!(
            unanswered(&rows, &page),
            [("crates/ledger/src/block.rs", NAME)]
        );
        let answered = format!("{page}\n## Answers\n- `{NAME}`: the same.\n");
        assert!(unanswered(&rows, &answered).is_empty());
    }

    #[test]
    fn a_summary_that_is_not_known_is_an_error() {
        let mut told = told();
        told["outcomes"][1]["summary"] = "Other".into();
        assert!(row(&told, String::new()).is_err());
        assert!(parse("| crates/a.rs | 1 |").is_err());
    }
}
