//! What drives a browser through the pages: playwright-core and axe-core by npm, and a
//! Chromium of the system's.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

use super::{Component, Pins, npm, says};
use crate::{run, setup};

/// The folder with the package files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    folder: PathBuf,
}

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    says("node", &["--version"]).context("there is no Node.js to run it")?;
    let folder = cache.join("browser");
    npm::install(
        &run::root().join(&pins.browser.folder),
        &folder,
        "playwright-core and axe-core",
    )?;
    let (chromium, version) = chromium()
        .or_else(|| setup::install("chromium").then(chromium)?)
        .context("install Chromium with your package manager")?;
    let playwright = npm::version(&folder, "playwright-core")?;
    let axe = npm::version(&folder, "axe-core")?;
    Ok(Component {
        version: format!("{version}, playwright-core {playwright}, axe-core {axe}"),
        variables: vec![
            ("MEDSHARE_BROWSER", folder),
            ("MEDSHARE_CHROMIUM", chromium),
        ],
    })
}

/// The first Chromium that runs, by the names that it goes by, and its version.
fn chromium() -> Option<(PathBuf, String)> {
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .find_map(|name| {
            let version = says(name, &["--version"])?;
            let path = std::env::var_os("PATH")?;
            let program = std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|program| program.exists())?;
            Some((program, version))
        })
}
