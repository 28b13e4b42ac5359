//! Helia, the IPFS of the JavaScript world, by npm, with a Node.js that is new enough for it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};

use super::{Component, Pins, npm, says};
use crate::run;

/// Which Helia: the folder with its package files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    folder: PathBuf,
    node: String,
}

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let source = run::root().join(&pins.helia.folder);
    let folder = cache.join("helia");
    npm::install(&source, &folder, "Helia")?;
    let version = npm::version(&folder, "helia")?;
    let (node, its) = node(&folder, &pins.helia.node)?;
    Ok(Component {
        version: format!("Helia {version} on Node.js {its}"),
        variables: vec![("MEDSHARE_HELIA", folder), ("MEDSHARE_NODEJS", node)],
    })
}

/// The machine's Node.js if it is new enough, else the one that came with Helia.
fn node(folder: &Path, least: &str) -> Result<(PathBuf, String)> {
    let least: u32 = least.parse().context("helia.node is no number")?;
    let own = PathBuf::from("node");
    let installed = ["x64", "arm64"]
        .map(|machine| folder.join(format!("node_modules/node-linux-{machine}/bin/node")));
    for node in std::iter::once(own).chain(installed) {
        let version = says(&node, &["--version"]).unwrap_or_default();
        let major = version.trim_start_matches('v').split('.').next();
        if major
            .and_then(|major| major.parse().ok())
            .is_some_and(|major: u32| major >= least)
        {
            return Ok((node, version));
        }
    }
    bail!("there is no Node.js of version {least} or newer, and npm has none for this machine");
}
