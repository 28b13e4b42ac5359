//! cargo-mutants, compiled from the registry.

use anyhow::{Result, bail};
use serde::Deserialize;
use std::path::Path;

use super::{Component, Pins, client, says, whole};
use crate::run;

/// Which one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    version: String,
}

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let Pin { version } = &pins.cargo_mutants;
    let name = format!("cargo-mutants {version}");
    let folder = cache.join("cargo-mutants").join(version);
    let program = folder.join("bin/cargo-mutants");
    let is_there = || says(&program, &["mutants", "--version"]).as_ref() == Some(&name);
    if !is_there() {
        whole(&folder, &name, |draft| {
            let mut install = run::cargo();
            install
                .args(["install", "cargo-mutants", "--locked"])
                .args(["--version", &format!("={version}"), "--root"])
                .arg(draft);
            client(&mut install)
        })?;
    }
    if !is_there() {
        bail!("{} does not say that it is {name}", program.display());
    }
    Ok(Component {
        version: name,
        variables: vec![("CARGO_MUTANTS", program)],
    })
}
