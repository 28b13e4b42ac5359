//! What can go wrong with a ledger on disk.

use base::{Millis, UnknownVersion};
use std::{io, path::PathBuf};
use thiserror::Error;

use super::tables::{damaged, fault};
use crate::{
    block::HeadError,
    leaf::{Outcome, Refusal},
    state::Fault,
};

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
    /// Its tables have another version.
    #[error("its tables: {0}")]
    Version(UnknownVersion),
    /// The database under the tables has another layout.
    #[error("its database has a layout that this program does not know")]
    Layout,
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
            redb::Error::UpgradeRequired(_) => Self::Layout,
            other => Self::Fault(fault(other)),
        }
    }
}

impl From<database::OpenError> for OpenError {
    fn from(error: database::OpenError) -> Self {
        match error {
            database::OpenError::Database(error) => error.into(),
            database::OpenError::Version {
                found: Some(found),
                known,
            } => Self::Version(UnknownVersion {
                found: found.into(),
                known,
            }),
            other => Self::Fault(damaged(&other.to_string())),
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

/// Why another node's block is not appended. Nothing is written then, except after
/// [`CommitError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The certificate does not hold: whoever sent the block made it up.
    #[error("the block is not certified: {0}")]
    Head(#[from] HeadError),
    /// It is not of the next height: sent too early, too late or twice.
    #[error("block {found} is not the next one, {expected}")]
    NotNext {
        /// The next height.
        expected: u64,
        /// The block's.
        found: u64,
    },
    /// The leaves are not those that the header's root is of: lost or made up on the way.
    #[error("the leaves of block {0} do not give its tree root")]
    Root(u64),
    /// The validators certified what cannot be.
    #[error("the validators certified block {height}, which cannot be: {fault}")]
    Certified {
        /// The block's height.
        height: u64,
        /// What does not hold.
        fault: BlockFault,
    },
    /// The tables cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The block holds, and could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What does not hold of a block that more than two thirds of the validators signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockFault {
    /// It is built on another block than the certified one before it.
    #[error("it is built on another block {0} than the one that was certified before")]
    Fork(u64),
    /// Its first leaf or its time does not follow the block before.
    #[error("its first leaf or its time does not follow the block before")]
    Sequence,
    /// A leaf whose bytes are none in canonical form.
    #[error("leaf {index}: {reason}")]
    Leaf {
        /// Its index.
        index: u64,
        /// What the decoder said.
        reason: String,
    },
    /// An operation that may not be in the log.
    #[error("the operation at index {index} may not be in the log: {refusal}")]
    Refused {
        /// Its index.
        index: u64,
        /// Why.
        refusal: Refusal,
    },
    /// An outcome that the rules do not give.
    #[error("the operation at index {index} is logged as {logged:?}, the rules say {found:?}")]
    Outcome {
        /// Its index.
        index: u64,
        /// What the log says.
        logged: Outcome,
        /// What the rules say.
        found: Outcome,
    },
    /// It was another's turn to propose.
    #[error("it was not the proposer's turn")]
    Turn,
    /// The state after it does not have the hash in its header.
    #[error("the state after it does not have the hash in its header")]
    State,
    /// Its header names others for the next height than the rules give.
    #[error("it hands over to other validators than the rules give")]
    Validators,
}
