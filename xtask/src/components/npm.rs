//! What npm installs, pinned by the package-lock.json of a folder of the repository.

use anyhow::{Context, Result};
use std::{fs, path::Path, process::Command};

use super::{client, whole};

const LOCK: &str = "package-lock.json";
const FILES: [&str; 3] = ["package.json", LOCK, ".npmrc"];

/// Installs what `source` names into `folder`, if another version of it, or none, is there.
pub(super) fn install(source: &Path, folder: &Path, what: &str) -> Result<()> {
    let lock = fs::read(source.join(LOCK)).with_context(|| format!("no lock file for {what}"))?;
    if fs::read(folder.join(LOCK)).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    whole(folder, what, |draft| {
        for file in FILES {
            fs::copy(source.join(file), draft.join(file))?;
        }
        client(Command::new("npm").arg("ci").current_dir(draft))
    })
}

/// The version of a package that is installed in `folder`.
pub(super) fn version(folder: &Path, package: &str) -> Result<String> {
    let path = folder
        .join("node_modules")
        .join(package)
        .join("package.json");
    let manifest = fs::read_to_string(&path)
        .with_context(|| format!("npm has no {package} for this machine"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let version = manifest["version"].as_str();
    Ok(version
        .with_context(|| format!("{package} has no version"))?
        .to_owned())
}
