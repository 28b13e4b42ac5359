//! Checks and builds a copy of the workspace, and reads what the compiler says.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Package;
use crate::{copy, run};

/// A copy of the workspace, for the sake of one package.
pub(super) struct Tree {
    root: PathBuf,
    package: &'static Package,
}

/// Something that does not compile: the message, and the places shown, by file.
pub(super) struct Fault {
    message: String,
    pub(super) shown: Vec<(String, Range<usize>)>,
}

impl Fault {
    /// The message and the files.
    pub(super) fn told(&self) -> String {
        let files: Vec<&str> = self.shown.iter().map(|(file, _)| file.as_str()).collect();
        format!("{} in {}", self.message, files.join(", "))
    }
}

/// A program that runs tests.
pub(super) struct Binary {
    pub(super) path: PathBuf,
}

impl Tree {
    /// The one copy. There are not several: cargo names what it builds after a package's
    /// path inside its workspace, so two of them would overwrite each other's.
    pub(super) fn new(package: &'static Package) -> Self {
        Self {
            root: copy::target().join("mutants-tree"),
            package,
        }
    }

    /// A path beside it for something about the package.
    pub(super) fn beside(&self, extension: &str) -> PathBuf {
        let name = format!("{}.{extension}", self.package.name);
        copy::target().join("mutants-build").join(name)
    }

    /// The package's folder in it.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(self.package.folder)
    }

    /// Makes it the workspace with these files instead.
    pub(super) fn fill(&self, instead: &BTreeMap<String, String>) -> Result<()> {
        copy::workspace(&self.root, instead)
    }

    /// What in the library does not compile.
    pub(super) fn check(&self) -> Result<Vec<Fault>> {
        self.faults(&["check", "--lib"])
    }

    /// What in the library compiles only as long as no code is made of it: a sum of constants
    /// that overflows.
    pub(super) fn check_code(&self) -> Result<Vec<Fault>> {
        self.faults(&["build", "--lib"])
    }

    fn faults(&self, words: &[&str]) -> Result<Vec<Fault>> {
        let (messages, is_done) = self.cargo(words)?;
        let faults: Vec<Fault> = messages.iter().filter_map(fault).collect();
        if faults.is_empty() != is_done {
            bail!("cargo {} fails without an error of the compiler", words[0]);
        }
        Ok(faults)
    }

    /// The programs with the package's tests; none if it does not compile.
    pub(super) fn build(&self) -> Result<Option<Vec<Binary>>> {
        let (messages, is_done) = self.cargo(&["test", "--no-run", "--tests"])?;
        Ok(is_done.then(|| messages.iter().filter_map(binary).collect()))
    }

    fn cargo(&self, words: &[&str]) -> Result<(Vec<Value>, bool)> {
        let cargo = run::cargo();
        let done = self
            .command(Path::new(cargo.get_program()))
            .args(words)
            .args(["--quiet", "--locked", "--message-format=json"])
            .args(["--package", self.package.name])
            .stderr(Stdio::inherit())
            .output()?;
        let messages = String::from_utf8(done.stdout).context("cargo prints no UTF-8")?;
        let messages = messages.lines().map(serde_json::from_str);
        Ok((messages.collect::<Result<_, _>>()?, done.status.success()))
    }

    /// A program that is to run cargo in the copy.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // What others have compiled is not compiled for each copy anew.
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", copy::target().join("mutants-build"));
        command
    }
}

fn fault(message: &Value) -> Option<Fault> {
    let told = message
        .get("message")
        .filter(|told| told["level"] == "error")?;
    let mut shown = Vec::new();
    for span in told["spans"].as_array().into_iter().flatten() {
        spans(span, &mut shown);
    }
    // "aborting due to 3 errors" shows nothing.
    let message = told["message"].as_str().unwrap_or_default().to_owned();
    (!shown.is_empty()).then_some(Fault { message, shown })
}

/// A place, and where the macro stands that made it.
fn spans(span: &Value, shown: &mut Vec<(String, Range<usize>)>) {
    let byte = |name: &str| usize::try_from(span[name].as_u64()?).ok();
    if let (Some(file), Some(start), Some(end)) = (
        span["file_name"].as_str(),
        byte("byte_start"),
        byte("byte_end"),
    ) {
        shown.push((file.to_owned(), start..end));
    }
    if let Some(outer) = span["expansion"].get("span") {
        spans(outer, shown);
    }
}

fn binary(message: &Value) -> Option<Binary> {
    let is_test = message["profile"]["test"] == true;
    let path = message["executable"].as_str().filter(|_| is_test)?;
    Some(Binary { path: path.into() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_where_the_compiler_shows_them() {
        let span = |from: u64, to: u64| serde_json::json!({"file_name": "a.rs", "byte_start": from, "byte_end": to});
        let mut shown = span(3, 5);
        shown["expansion"] = serde_json::json!({"span": span(1, 9)});
        let mut message = serde_json::json!({
            "reason": "compiler-message",
            "message": {"level": "error", "message": "no", "spans": [shown]},
        });
        let found = fault(&message).unwrap();
        assert_eq!(found.shown, [("a.rs".into(), 3..5), ("a.rs".into(), 1..9)]);
        assert_eq!(found.told(), "no in a.rs, a.rs");
        message["message"]["level"] = "warning".into();
        assert!(fault(&message).is_none());
        assert!(fault(&serde_json::json!({"reason": "build-finished"})).is_none());
    }
}
