//! What can go wrong with a ledger on disk.

use base::Millis;
use std::{io, path::PathBuf};
use thiserror::Error;

use super::tables::fault;
use crate::{block::HeadError, state::Fault};

/// Why a ledger cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Something is at the path.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The genesis object cannot start a ledger.
    #[error("the genesis object cannot start a ledger: {0}")]
    Genesis(&'static str),
    /// The file cannot be put in place.
    #[error("the ledger's file cannot be put in place: {0}")]
    Io(#[source] io::Error),
    /// The database cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Why a ledger cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none.
    #[error("there is no ledger at {0}")]
    Missing(PathBuf),
    /// Another process has it open.
    #[error("another process has the ledger open")]
    Locked,
    /// Its tables have another layout.
    #[error("the ledger's tables have a version that this program does not know")]
    Version,
    /// It was made from another genesis object.
    #[error("the ledger was made from another genesis object")]
    OtherGenesis,
    /// It cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::Locked,
            redb::Error::UpgradeRequired(_) => Self::Version,
            other => Self::Fault(fault(other)),
        }
    }
}

impl From<redb::Error> for CreateError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::Io(error),
            other => Self::Open(other.into()),
        }
    }
}

/// Why a block cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// The time is not after the last block's.
    #[error("the block's time is not after the last block's, {last}")]
    Time {
        /// Time of the last block.
        last: Millis,
    },
    /// The tables cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a block cannot be committed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The certificate does not hold.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Another block was committed since it was built.
    #[error("the block does not follow the last one")]
    NotNext,
    /// The tables cannot be written (a full disk, for example). The block is not there.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Writing failed and the tables cannot be read since: the block is there, or not.
    #[error("it cannot be told whether the block was written: {0}")]
    Unknown(#[source] Fault),
}
