//! Opens what a node keeps in its folder: ledger and store. Faults say which file, and
//! whether a backup helps.

use base::codec::DecodeError;
use consensus::follow::Conflict;
use ledger::{CreateError, Ledger, OpenError, OpenOptions};
use std::path::Path;
use store::Embedded;

use super::{ANCHORS, BLOCKS, CONFLICT, COPIES, HINTS, LEDGER, NodeParts, POST};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    home::database,
    http::post,
    peers::{copies, hints},
};

pub(super) fn open_ledger(parts: &NodeParts<'_>) -> Result<Ledger> {
    let path = parts.folder.join(LEDGER);
    let options = OpenOptions::default();
    if path.symlink_metadata().is_ok() {
        files::check_kept(&path)?;
        let ledger = Ledger::open(&path, parts.genesis, options)
            .map_err(|error| open_fault(&path, error))?;
        files::keep_private(&path)?;
        return Ok(ledger);
    }
    // Store and post are made after the ledger: where one of them is, a ledger was.
    // A new one would contradict every receipt that parties hold; where several nodes order
    // it the others have it, and nothing else is taken.
    let ran = [BLOCKS, POST]
        .iter()
        .any(|name| parts.folder.join(name).symlink_metadata().is_ok());
    if ran && parts.genesis.validators.len() == 1 {
        return Err(files::missing(&path));
    }
    // Whole or not there: a ledger that was being made when the power went is made again.
    let ledger = Ledger::create(&path, parts.genesis, options).map_err(|error| match error {
        CreateError::Open(error) => open_fault(&path, error),
        other => Fault::new(Exit::Home, format!("{}: {other}", path.display())),
    })?;
    files::keep_private(&path)?;
    Ok(ledger)
}

pub(super) fn open_fault(path: &Path, error: OpenError) -> Fault {
    if let OpenError::Fault(ledger::Fault::Damaged(_)) = &error {
        return Fault::new(
            Exit::Home,
            format!("{}: {error}; restore it from a backup", path.display()),
        );
    }
    if let OpenError::Version(version) = error {
        return Fault::newer(Exit::Home, path.display(), version);
    }
    let exit = match &error {
        OpenError::Locked => Exit::Busy,
        OpenError::Fault(ledger::Fault::Storage(_)) => Exit::Storage,
        _ => Exit::Home,
    };
    Fault::new(exit, format!("{}: {error}", path.display()))
}

pub(super) fn open_store(path: &Path) -> Result<Embedded> {
    if path.symlink_metadata().is_ok() && !path.is_dir() {
        return Err(Fault::new(
            Exit::Home,
            format!("{} is no folder; restore it from a backup", path.display()),
        ));
    }
    Embedded::open(path).map_err(|error| store_fault(path, error))
}

pub(super) fn store_fault(path: &Path, error: store::embedded::OpenError) -> Fault {
    match error {
        store::embedded::OpenError::Newer { .. } => {
            Fault::new(Exit::Home, format!("{error}; nothing was changed"))
        }
        store::embedded::OpenError::InUse(_) => Fault::new(Exit::Busy, error),
        store::embedded::OpenError::Foreign { .. } | store::embedded::OpenError::Damaged { .. } => {
            Fault::new(Exit::Home, format!("{error}; restore it from a backup"))
        }
        store::embedded::OpenError::Io { source, .. }
            if matches!(
                source.kind(),
                std::io::ErrorKind::IsADirectory | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Fault::new(
                Exit::Home,
                format!(
                    "{} is damaged ({source}); restore it from a backup",
                    path.display()
                ),
            )
        }
        other => Fault::new(Exit::Storage, other),
    }
}

/// Why a following node halted, if it did.
///
/// # Errors
/// [`Exit::Home`] when the note is damaged or newer, [`Exit::Storage`].
pub(super) fn kept_conflict(note: &Path) -> Result<Option<Conflict>> {
    if note.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = files::read_kept(note, MAX_CONFLICT)?;
    let conflict = Conflict::parse(&bytes).map_err(|error| match error {
        DecodeError::Version { version, .. } => Fault::newer(Exit::Home, note.display(), version),
        other => Fault::new(
            Exit::Home,
            format!(
                "{} is damaged ({other}); restore it from a backup",
                note.display()
            ),
        ),
    })?;
    Ok(Some(conflict))
}

/// Refuses a node's folder in which something is of another version, before anything in it
/// is touched.
///
/// # Errors
/// [`Exit::Home`].
pub fn check_versions(folder: &Path) -> Result<()> {
    database::check_version(&folder.join(LEDGER), ledger::TABLES_VERSION)?;
    database::check_version(&folder.join(ANCHORS), anchor::TABLES_VERSION)?;
    database::check_version(&folder.join(POST), post::TABLES_VERSION)?;
    database::check_version(&folder.join(HINTS), hints::TABLES_VERSION)?;
    database::check_version(&folder.join(COPIES), copies::TABLES_VERSION)?;
    #[cfg(feature = "bft")]
    super::validator::check_version(folder)?;
    kept_conflict(&folder.join(CONFLICT))?;
    let blocks = folder.join(BLOCKS);
    match Embedded::check_format(&blocks) {
        Err(error @ store::embedded::OpenError::Newer { .. }) => Err(store_fault(&blocks, error)),
        _ => Ok(()),
    }
}

const MAX_CONFLICT: usize = 16 << 20;
