//! A copy of the workspace that may be changed and built without touching the original.

use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::run;

/// Where what is built goes.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), PathBuf::from)
}

/// Makes `tree` the tracked files with `instead` in place of some or beside them. Files that
/// are already the same stay untouched, so that cargo does not build them anew.
pub(crate) fn workspace(tree: &Path, instead: &BTreeMap<String, String>) -> Result<()> {
    let mut wanted = BTreeSet::new();
    for path in run::tracked("")? {
        if instead.contains_key(&path) {
            continue;
        }
        // One that is deleted and not yet committed.
        let Ok(bytes) = fs::read(run::root().join(&path)) else {
            continue;
        };
        write(&tree.join(&path), &bytes)?;
        wanted.insert(tree.join(path));
    }
    for (path, text) in instead {
        write(&tree.join(path), text.as_bytes())?;
        wanted.insert(tree.join(path));
    }
    clear(tree, &wanted)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// Deletes what is not wanted: cargo takes every file in `tests/` for one.
fn clear(folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            clear(&path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
