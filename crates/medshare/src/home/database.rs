//! The redb files of a home and a node: made whole and private, opened with care.

use redb::Database;
use std::path::Path;

use crate::{
    exit::{Exit, Fault, Result},
    files,
};

/// Opens the database at `path`, which must be there.
///
/// # Errors
/// [`Exit::Home`] when it is absent, foreign or damaged, [`Exit::Busy`], [`Exit::Storage`];
/// the line names the file.
pub fn open(path: &Path, cache: usize) -> Result<Database> {
    files::check_kept(path)?;
    files::keep_private(path)?;
    Database::builder()
        .set_cache_size(cache)
        .set_check_integrity_on_open(true)
        .open(path)
        .map_err(|error| fault(&path.display().to_string(), error.into()))
}

/// Makes a database at `path`, where none is, readable by its owner alone.
///
/// # Errors
/// [`Exit::Storage`]; a crash leaves it whole or not there.
pub fn create(path: &Path, cache: usize) -> Result<Database> {
    let name = path.display().to_string();
    let io = |error: std::io::Error| Fault::io(&name, &error);
    let draft = path.with_extension("new");
    let _ = std::fs::remove_file(&draft); // of an attempt that a crash ended
    files::write_private(&draft, &[])?;
    let database = Database::builder()
        .create(&draft)
        .map_err(|error| fault(&name, error.into()))?;
    drop(database);
    std::fs::rename(&draft, path).map_err(io)?;
    files::sync_folder(files::folder(path))?;
    open(path, cache)
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
                format!("{name} is no database of medshare or cut short; restore it from a backup"),
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
