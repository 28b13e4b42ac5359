//! `cargo xtask release-homes`: the homes of this version, as later ones must open them.

use anyhow::{Result, bail};
use std::fs;

use crate::run;

/// Plays the story with the program of this tree, and keeps its homes under
/// `fixtures/homes`.
///
/// # Errors
/// When they are there already: what a release wrote is not written again.
pub(crate) fn run() -> Result<()> {
    let manifest = fs::read_to_string(run::root().join("Cargo.toml"))?;
    let manifest: toml::Value = toml::from_str(&manifest)?;
    let version = manifest["workspace"]["package"]["version"].as_str();
    let Some(version) = version else {
        bail!("Cargo.toml names no version");
    };
    let folder = run::root().join(format!("fixtures/homes/v{version}"));
    if folder.exists() {
        bail!(
            "{} is there already; remove it if that version was never released",
            folder.display()
        );
    }
    run::must(
        run::cargo()
            .args(["test", "--locked", "--workspace"])
            .args(["--features", "medshare/full", "--test", "cli"])
            .args(["--", "--exact", "homes::write_the_homes_of_this_version"])
            .env("MEDSHARE_RELEASE_HOMES", &folder),
    )?;
    println!("written: {}", folder.display());
    Ok(())
}
