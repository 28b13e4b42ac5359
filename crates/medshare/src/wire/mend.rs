//! The repairs of a node's folder that take a back-end. What is wrong was found by a look.

use base::{Cid, genesis::Genesis};
use ledger::OpenOptions;
use std::{collections::BTreeMap, fs, io, path::Path};
use store::{BlockStore as _, Embedded};

use super::{
    BLOCKS, LEDGER,
    look::open_look,
    open::{open_store, store_fault},
    storage,
};
use crate::{
    exit::{Exit, Fault, Result},
    files,
};

/// Makes a node's ledger anew from its own blocks, which hold, and puts it in its place.
///
/// # Errors
/// [`Exit::Home`] when a block does not execute to what was certified, [`Exit::Storage`];
/// the ledger is then as it was.
pub fn rebuild_ledger(folder: &Path, genesis: &Genesis) -> Result<()> {
    let (path, draft) = (folder.join(LEDGER), folder.join(DRAFT));
    let look = open_look(&path, genesis)?;
    let view = look.view().map_err(storage)?;
    let _ = fs::remove_file(&draft); // of an attempt that ended early
    let made = ledger::rebuild(&view, &draft, genesis, OpenOptions::default())
        .map_err(|error| Fault::new(Exit::Home, error))
        .and_then(|()| files::keep_private(&draft));
    if let Err(fault) = made {
        let _ = fs::remove_file(&draft);
        return Err(fault);
    }
    drop((view, look));
    fs::rename(&draft, &path).map_err(|error| Fault::io(path.display(), &error))?;
    files::sync_folder(folder)
}

/// Opens the store once, which removes what a crash left.
///
/// # Errors
/// [`Exit::Home`], [`Exit::Busy`], [`Exit::Storage`].
pub fn tidy_store(folder: &Path) -> Result<()> {
    open_store(&folder.join(BLOCKS)).map(drop)
}

/// Writes anew what is whole behind a damaged head; what is not stays as it is.
///
/// # Errors
/// As [`tidy_store`].
pub fn mend_blocks(folder: &Path) -> Result<()> {
    let path = folder.join(BLOCKS);
    let store = open_store(&path)?;
    let nobody = |_: &Cid, _: &[Cid]| None;
    // A round that was stopped in the middle is finished, and then one begins at the front.
    for _ in 0..2 {
        let scrubbed = store.scrub(&nobody, u64::MAX, &|| false);
        scrubbed.map_err(|error| Fault::io(path.display(), &error))?;
    }
    Ok(())
}

/// Makes the store's index anew from its packs, and pins `roots`; the old index is set
/// aside.
///
/// # Errors
/// [`Exit::Home`], [`Exit::Busy`], [`Exit::Storage`]; the store is then as it was.
pub fn rebuild_index(folder: &Path, roots: &[(Cid, u64)]) -> Result<()> {
    let path = folder.join(BLOCKS);
    Embedded::reindex(&path, roots).map_err(|error| store_fault(&path, error))
}

/// Gives roots in the store so many pins, if they have fewer.
///
/// # Errors
/// As [`tidy_store`].
pub fn pin_at_least(folder: &Path, roots: &[(Cid, u64)]) -> Result<()> {
    let path = folder.join(BLOCKS);
    let io = |error: io::Error| Fault::io(path.display(), &error);
    let store = open_store(&path)?;
    let pins: BTreeMap<Cid, u64> = store.pins().map_err(io)?.into_iter().collect();
    for (root, count) in roots {
        for _ in pins.get(root).copied().unwrap_or(0)..*count {
            store
                .pin(root)
                .map_err(|error| Fault::new(Exit::Storage, error))?;
        }
    }
    Ok(())
}

/// A ledger that is being made anew; a leftover that `doctor` knows if it is not finished.
const DRAFT: &str = ".medshare-ledger.redb";
