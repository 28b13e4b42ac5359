//! The repairs that are provably safe, and nothing else.

use base::Cid;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::finding::names;
use crate::{
    exit::{Fault, Result},
    home::Home,
    http::post::check,
    wire,
};

/// What may be done about a problem. Why each is safe stands in `docs/upgrades.md`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Repair {
    /// Takes everybody's rights but the owner's.
    Close(Vec<PathBuf>),
    /// Removes half-written files that have no name anybody reads.
    Remove(Vec<PathBuf>),
    /// Makes the post's sums, counts and numbers anew from its letters and pins.
    PostSums,
    /// Removes what a crash left in the store.
    Tidy,
    /// Writes blocks anew that are whole behind a damaged head.
    Blocks,
    /// Makes the store's index anew from its packs, with these pins.
    Index(Vec<(Cid, u64)>),
    /// Gives roots the pins in the store that accounts have at the post.
    Pins(Vec<(Cid, u64)>),
    /// Makes the ledger's file anew from its own certified blocks.
    Ledger,
}

impl Repair {
    /// What it will do, in words.
    pub fn plan(&self, folder: &Path) -> String {
        match self {
            Self::Close(paths) => format!("take others' rights to {}", names(folder, paths)),
            Self::Remove(paths) => format!("remove {}", names(folder, paths)),
            Self::PostSums => "make the post's sums anew from its letters and pins".into(),
            Self::Tidy => "remove what a crash left in the store".into(),
            Self::Blocks => "write blocks anew that are whole behind a damaged head".into(),
            Self::Index(roots) => format!(
                "make the store's index anew from its packs, with the pins of {} roots, and set the old index aside as index.damaged; no block is removed",
                roots.len()
            ),
            Self::Pins(roots) => format!("pin {} roots again that accounts pin", roots.len()),
            Self::Ledger => {
                "execute every block again into a new ledger and put it in the place of this one"
                    .into()
            }
        }
    }

    /// Does it on the home at `folder`, which nobody else uses.
    pub(super) fn perform(&self, folder: &Path) -> Result<()> {
        let node = folder.join("node");
        match self {
            Self::Close(paths) => paths.iter().try_for_each(|path| close(path)),
            Self::Remove(paths) => paths.iter().try_for_each(|path| remove(path)),
            Self::PostSums => check::rebuild(&wire::post_path(&node)),
            Self::Tidy => wire::tidy_store(&node),
            Self::Blocks => wire::mend_blocks(&node),
            Self::Index(roots) => wire::rebuild_index(&node, roots),
            Self::Pins(roots) => wire::pin_at_least(&node, roots),
            Self::Ledger => wire::rebuild_ledger(&node, &Home::open(folder)?.genesis),
        }
    }
}

fn close(path: &Path) -> Result<()> {
    let io = |error: std::io::Error| Fault::io(path.display(), &error);
    let meta = path.symlink_metadata().map_err(io)?;
    let mode = if meta.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io)
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
    removed.map_err(|error| Fault::io(path.display(), &error))
}
