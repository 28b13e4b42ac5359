//! Schemathesis, which draws requests from an OpenAPI document, from PyPI.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Component, Pins, client, whole};
use crate::run;

/// Which one: a file of requirements, every version pinned.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    requirements: PathBuf,
}

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let requirements = run::root().join(&pins.schemathesis.requirements);
    let text = fs::read_to_string(&requirements)
        .with_context(|| format!("no {}", requirements.display()))?;
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("schemathesis=="))
        .context("the requirements name no schemathesis")?;
    let folder = cache.join("schemathesis");
    let marker = folder.join("requirements.txt");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == text) {
        return Ok(component(version, folder));
    }
    whole(&folder, &format!("Schemathesis {version}"), |draft| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore"])
            .args(["--only-binary", ":all:", "--target"])
            .arg(draft)
            .arg("--requirement")
            .arg(&requirements);
        client(&mut pip)?;
        fs::write(draft.join("requirements.txt"), &text)?;
        Ok(())
    })?;
    if !folder.join(PROGRAM).is_file() {
        bail!("{} has no {PROGRAM}", folder.display());
    }
    Ok(component(version, folder))
}

/// Tests start [`PROGRAM`] by `python3`, with the folder as its `PYTHONPATH`.
fn component(version: &str, folder: PathBuf) -> Component {
    Component {
        version: format!("Schemathesis {version}"),
        variables: vec![("MEDSHARE_SCHEMATHESIS", folder)],
    }
}

const PROGRAM: &str = "bin/st";
