//! The redb files of a home and a node: made whole and private, opened with care.

use base::UnknownVersion;
use database::{Device, FileDevice, OpenError, Tables, Untouched};
use redb::Database;
use std::{path::Path, sync::Arc};

use crate::{
    exit::{Exit, Fault, Result},
    files,
};

/// Opens the database at `path`, which must be there, with tables of `version`. What is
/// foreign, damaged or of another version stays as it is.
///
/// # Errors
/// [`Exit::Home`] when it is none of that, [`Exit::Busy`], [`Exit::Storage`]; the line
/// names the file.
pub fn open(path: &Path, cache: usize, version: u32) -> Result<Tables> {
    files::check_kept(path)?;
    let tables = open_on(Arc::new(FileDevice::new(path)), cache, version)?;
    files::keep_private(path)?;
    Ok(tables)
}

/// As [`open`], but whatever is written stays in memory: the file is only looked at.
///
/// # Errors
/// As [`open`].
pub fn look(path: &Path, cache: usize, version: u32) -> Result<Tables> {
    files::check_kept(path)?;
    open_on(Arc::new(Untouched(FileDevice::new(path))), cache, version)
}

/// [`open`] on another device.
///
/// # Errors
/// As [`open`].
pub fn open_on(device: Arc<dyn Device>, cache: usize, version: u32) -> Result<Tables> {
    let name = device.name().display().to_string();
    Tables::open(device, cache, version).map_err(|error| match error {
        OpenError::Database(error) => fault(&name, error),
        OpenError::Version {
            found: Some(found),
            known,
        } => newer(&name, found, known),
        other => Fault::new(
            Exit::Home,
            format!("{name} is damaged ({other}); restore it from a backup"),
        ),
    })
}

/// Refuses a database of another version; one that is absent, damaged or in use is for who
/// opens it to tell. All of it is read, since redb may panic on what it has not verified.
///
/// # Errors
/// [`Exit::Home`].
pub fn check_version(path: &Path, version: u32) -> Result<()> {
    let device = Arc::new(Untouched(FileDevice::new(path)));
    match Tables::open(device, CHECK_CACHE, version) {
        Err(OpenError::Version {
            found: Some(found),
            known,
        }) => Err(newer(&path.display().to_string(), found, known)),
        _ => Ok(()),
    }
}

fn newer(name: &str, found: u32, known: u32) -> Fault {
    let found = found.into();
    Fault::newer(Exit::Home, name, UnknownVersion { found, known })
}

/// Makes a database at `path`, where none is, readable by its owner alone; `first` writes
/// what it begins with.
///
/// # Errors
/// [`Exit::Storage`]; a crash leaves it whole or not there.
pub fn create(
    path: &Path,
    cache: usize,
    version: u32,
    first: impl FnOnce(&Database) -> std::result::Result<(), redb::Error>,
) -> Result<Tables> {
    let made = Tables::create(Arc::new(FileDevice::new(path)), cache, version, first);
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

/// Extension of a database that is being made.
pub const DRAFT: &str = "new";
const CHECK_CACHE: usize = 1 << 20;
