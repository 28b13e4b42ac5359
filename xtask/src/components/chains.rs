//! Nodes of public chains, and the compiler of our contract.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

use super::{Component, Pins, npm, says};
use crate::run;

/// The folder with the package files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    folder: PathBuf,
}

/// anvil: a node of Ethereum for tests, a program inside a package of npm.
pub(super) fn anvil(pins: &Pins, cache: &Path) -> Result<Component> {
    let folder = installed(pins, cache)?;
    let machine = ["darwin-arm64", "linux-amd64", "linux-arm64"]
        .map(|machine| format!("@foundry-rs/anvil-{machine}"))
        .into_iter()
        .find(|package| folder.join("node_modules").join(package).exists())
        .context("npm has no anvil for this machine")?;
    let program = folder.join("node_modules").join(&machine).join("bin/anvil");
    says(&program, &["--version"]).context("anvil does not run on this machine")?;
    let version = npm::version(&folder, &machine)?;
    Ok(Component {
        version: format!("anvil {version}"),
        variables: vec![("MEDSHARE_ANVIL", program)],
    })
}

/// solc, compiled to JavaScript.
pub(super) fn solc(pins: &Pins, cache: &Path) -> Result<Component> {
    let folder = installed(pins, cache)?;
    says("node", &["--version"]).context("there is no Node.js to run it")?;
    let version = npm::version(&folder, "solc")?;
    Ok(Component {
        version: format!("solc {version}"),
        variables: vec![("NODE_PATH", folder.join("node_modules"))],
    })
}

fn installed(pins: &Pins, cache: &Path) -> Result<PathBuf> {
    let folder = cache.join("chains");
    npm::install(
        &run::root().join(&pins.chains.folder),
        &folder,
        "anvil and solc",
    )?;
    Ok(folder)
}
