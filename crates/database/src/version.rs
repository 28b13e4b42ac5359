//! The version of a file's tables, in a table of its own: read before anything else.

use redb::{Database, Error, ReadableDatabase, TableDefinition, TableError};
use std::fmt;

/// Why a file was not opened. It is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Its tables have another version than this program knows, or say nothing of one.
    Version {
        /// What they say.
        found: Option<u32>,
        /// What this program knows.
        known: u32,
    },
    /// The database under the tables.
    Database(Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version {
                found: Some(found),
                known,
            } => write!(f, "its tables have version {found}, {known} is known here"),
            Self::Version { found: None, .. } => {
                f.write_str("it does not say which version its tables have")
            }
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<std::io::Error> for OpenError {
    fn from(error: std::io::Error) -> Self {
        Self::Database(error.into())
    }
}

impl OpenError {
    /// In redb's words, for a file that had this version a moment ago.
    pub(crate) fn into_database(self) -> Error {
        match self {
            Self::Database(error) => error,
            other => Error::Corrupted(other.to_string()),
        }
    }
}

/// The version that a database says its tables have.
///
/// # Errors
/// When it cannot be read.
pub fn version(database: &impl ReadableDatabase) -> Result<Option<u32>, Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(None),
    };
    let found = meta.get(VERSION)?;
    Ok(found.and_then(|found| Some(u32::from_le_bytes(found.value().try_into().ok()?))))
}

/// Writes the version of a database's tables.
///
/// # Errors
/// When it cannot be written.
pub fn write_version(database: &Database, version: u32) -> Result<(), Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(VERSION, version.to_le_bytes().as_slice())?;
    }
    Ok(transaction.commit()?)
}

/// Refuses tables of another version than `known`.
pub(crate) fn expect(database: &Database, known: u32) -> Result<(), OpenError> {
    match version(database)? {
        Some(found) if found == known => Ok(()),
        found => Err(OpenError::Version { found, known }),
    }
}

/// Beside the version, the owner of a file may keep here what it wants.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const VERSION: &str = "version";
