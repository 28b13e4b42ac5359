//! Everything in the home is its owner's alone: its folder, what is in it, and the files
//! of a node's folder. What lies deeper is behind these.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    finding::{Finding, names},
    repair::Repair,
};
use crate::exit::{Fault, Result};

pub(super) fn look(folder: &Path) -> Result<Finding> {
    let owner = meta(folder)?.uid();
    let (mut open, mut foreign) = (Vec::new(), Vec::new());
    for path in entries(folder)? {
        let meta = meta(&path)?;
        if meta.uid() != owner {
            foreign.push(path.clone());
        }
        // A socket lets in its owner and group, and a store's folder whoever is so far;
        // the folder around them lets in the owner.
        let is_at_top = path == folder || path.parent() == Some(folder);
        let private = meta.is_file() || (meta.is_dir() && is_at_top);
        if private && meta.permissions().mode() & 0o077 != 0 {
            open.push(path);
        }
    }
    if !foreign.is_empty() {
        let names = names(folder, &foreign);
        return Ok(Finding::problem(
            "rights",
            format!("{names} belong to another user than the home"),
            "give them to the home's owner (chown)",
        ));
    }
    if !open.is_empty() {
        return Ok(Finding::problem(
            "rights",
            format!("others may enter or read {}", names(folder, &open)),
            "`doctor --repair`, or chmod 700 for folders and 600 for files",
        )
        .healed_by(Repair::Close(open)));
    }
    Ok(Finding::ok("rights", "the home is its owner's alone"))
}

/// The home's folder, what is directly in it, and directly in a node's folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = vec![folder.to_owned()];
    for inside in [folder.to_owned(), folder.join("node")] {
        let entries = match fs::read_dir(&inside) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Fault::io(inside.display(), &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| Fault::io(inside.display(), &error))?;
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn meta(path: &Path) -> Result<fs::Metadata> {
    path.symlink_metadata()
        .map_err(|error| Fault::io(path.display(), &error))
}
