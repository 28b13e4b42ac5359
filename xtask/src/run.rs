//! Running commands from the workspace root, and asking cargo about the workspace.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Words that no chore understands: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) &'static str);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "usage: cargo xtask {}", self.0)
    }
}

impl std::error::Error for Usage {}

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo, as the cargo that runs us; but what that one says of this program is not handed on:
/// build scripts that look at it (`ring`'s) would run again, and all that rests on them.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let of_us = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if of_us
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs to the end; an exit code other than 0 is an error that names the command.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs to the end, which must be this exit code, with these words on standard error.
pub(crate) fn must_fail(command: &mut Command, code: i32, words: &str) -> Result<()> {
    let shown = show(command);
    let done = command
        .stdout(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let errors = String::from_utf8_lossy(&done.stderr);
    if done.status.code() != Some(code) || !errors.contains(words) {
        let status = done.status;
        bail!("`{shown}` must end with {code} and {words:?}, not {status}: {errors}");
    }
    Ok(())
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !done.status.success() {
        bail!("`{shown}` failed ({})", done.status);
    }
    String::from_utf8(done.stdout).with_context(|| format!("`{shown}` printed no UTF-8"))
}

/// `cargo metadata` of the locked workspace.
pub(crate) fn metadata() -> Result<Value> {
    metadata_of(&[])
}

/// The same, with further flags.
pub(crate) fn metadata_of(flags: &[&str]) -> Result<Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--locked"]);
    let text = output(command.args(flags))?;
    serde_json::from_str(&text).context("cargo metadata is not JSON")
}

/// Tracked files, relative to the root, that end with `suffix`.
pub(crate) fn tracked(suffix: &str) -> Result<Vec<String>> {
    let listed = output(Command::new("git").arg("ls-files").current_dir(root()))?;
    Ok(listed
        .lines()
        .filter(|path| path.ends_with(suffix))
        .map(str::to_owned)
        .collect())
}

/// True in continuous integration, where a missing component is a failure.
pub(crate) fn ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
