//! Evidence of constant time (`evidence/constant-time`): secrets marked undefined under valgrind.

use anyhow::{Context, Result};
use std::{path::PathBuf, process::Command};

use crate::run;

/// The name under which set-up knows what this needs.
pub(crate) const NEEDS: &str = "valgrind";

/// Runs every verb that claims constant time on undefined secrets, as built for release.
pub(crate) fn run() -> Result<()> {
    let program = program()?;
    let log = program.with_extension("valgrind.txt");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .arg("--error-limit=no")
        .arg(format!("--log-file={}", log.display()))
        .arg(&program)
        .arg("secrets");
    run::must(&mut valgrind).with_context(|| format!("every place is in {}", log.display()))
}

/// Builds the harness for release; where it is.
pub(crate) fn program() -> Result<PathBuf> {
    let build = [
        "build",
        "--locked",
        "--release",
        "--package",
        "constant-time",
    ];
    run::must(run::cargo().args(build))?;
    let target = run::metadata()?["target_directory"]
        .as_str()
        .map_or_else(|| run::root().join("target"), PathBuf::from);
    Ok(target.join("release/constant-time"))
}
