//! The note of a conflict: why this node stopped for good, with the proof.

use consensus::follow::Conflict;
use std::path::{Path, PathBuf};

use crate::{
    exit::{Exit, Fault, Result},
    files,
    http::log_line,
};

/// Where a node's folder has it.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(CONFLICT)
}

/// What an earlier run left.
///
/// # Errors
/// [`Exit::Home`] for a damaged note.
pub(super) fn read(note: &Path) -> Result<Option<Conflict>> {
    if note.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = files::read_kept(note, MAX_CONFLICT)?;
    let conflict = Conflict::parse(&bytes).map_err(|error| {
        Fault::new(
            Exit::Home,
            format!(
                "{} is damaged ({error}); restore it from a backup",
                note.display()
            ),
        )
    })?;
    Ok(Some(conflict))
}

/// Keeps it, and says so.
pub(super) fn keep(note: &Path, conflict: &Conflict) {
    if let Err(fault) = files::write_private(note, &conflict.to_bytes()) {
        log_line(&fault.message);
    }
    log_line(&halted(note, conflict));
}

/// For people.
pub(super) fn halted(note: &Path, conflict: &Conflict) -> String {
    format!(
        "HALTED: {}. Nothing is taken in or released. The proof is {}; ask the consortium which ledger is right",
        conflict.fault,
        note.display()
    )
}

const CONFLICT: &str = "conflict.cbor";
const MAX_CONFLICT: usize = 16 << 20;
