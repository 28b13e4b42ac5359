//! Helia, the IPFS of the JavaScript world, by npm, with a Node.js that is new enough for it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Component, Pins, client, says, whole};
use crate::run;

/// Which Helia: the folder with its package files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    folder: PathBuf,
    node: String,
}

const LOCK: &str = "package-lock.json";
const FILES: [&str; 3] = ["package.json", LOCK, ".npmrc"];

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let source = run::root().join(&pins.helia.folder);
    let folder = cache.join("helia");
    let lock = fs::read(source.join(LOCK)).context("no lock file for Helia")?;
    if fs::read(folder.join(LOCK)).is_ok_and(|installed| installed != lock) || !folder.exists() {
        whole(&folder, "Helia", |draft| {
            for file in FILES {
                fs::copy(source.join(file), draft.join(file))?;
            }
            client(Command::new("npm").arg("ci").current_dir(draft))
        })?;
    }
    let manifest = fs::read_to_string(folder.join("node_modules/helia/package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let version = manifest["version"]
        .as_str()
        .context("Helia has no version")?;
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
