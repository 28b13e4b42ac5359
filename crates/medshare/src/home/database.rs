//! The redb files of a home and a node: made whole and private, opened with care.

use database::{FileDevice, Tables};
use redb::Database;
use std::{path::Path, sync::Arc};

use crate::{
    exit::{Exit, Fault, Result},
    files,
};

/// Opens the database at `path`, which must be there.
///
/// # Errors
/// [`Exit::Home`] when it is absent, foreign or damaged, [`Exit::Busy`], [`Exit::Storage`];
/// the line names the file.
pub fn open(path: &Path, cache: usize) -> Result<Tables> {
    files::check_kept(path)?;
    files::keep_private(path)?;
    let opened = Tables::open(Arc::new(FileDevice::new(path)), cache);
    opened.map_err(|error| fault(&path.display().to_string(), error))
}

/// Makes a database at `path`, where none is, readable by its owner alone; `first` writes
/// what it begins with.
///
/// # Errors
/// [`Exit::Storage`]; a crash leaves it whole or not there.
pub fn create(
    path: &Path,
    cache: usize,
    first: impl FnOnce(&Database) -> std::result::Result<(), redb::Error>,
) -> Result<Tables> {
    let made = Tables::create(Arc::new(FileDevice::new(path)), cache, first);
    made.map_err(|error| fault(&path.display().to_string(), error))
}

/// A redb error as one line about the file `name`.
pub fn fault(name: &str, error: redb::Error) -> Fault {
    match error {
        redb::Error::DatabaseAlreadyOpen => Fault::new(
            Exit::Busy,
            format!("another process has {name} open; end it first"),
        ),
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            Fault::new(
                Exit::Home,
                format!(
                    "{name} is damaged, cut short or no database of medshare ({error}); restore it from a backup"
                ),
            )
        }
        redb::Error::Io(error) => Fault::io(name, &error),
        redb::Error::Corrupted(reason) => Fault::new(
            Exit::Home,
            format!("{name} is damaged ({reason}); restore it from a backup"),
        ),
        redb::Error::UpgradeRequired(_) | redb::Error::RepairAborted => Fault::new(
            Exit::Home,
            format!("{name} is damaged or of another version; restore it from a backup"),
        ),
        other => Fault::new(Exit::Storage, format!("{name}: {other}")),
    }
}
