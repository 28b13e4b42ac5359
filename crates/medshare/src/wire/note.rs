//! The note of a conflict: why this node stopped for good, with the proof.

use consensus::follow::Conflict;
use std::path::Path;

use crate::{files, http::log_line};

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
