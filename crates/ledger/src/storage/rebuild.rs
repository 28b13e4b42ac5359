//! A ledger made anew from its own blocks: each is executed again, as a follower does with
//! another node's, and kept only if that gives what its certificate says.

use base::genesis::Genesis;
use std::path::Path;
use thiserror::Error;

use super::{
    error::{AppendError, CreateError},
    ledger::{Ledger, OpenOptions},
    view::View,
};
use crate::state::Fault;

/// Makes a ledger at `path`, where none is, from the blocks of `from`. What its tables
/// derive from blocks and leaves is made anew.
///
/// # Errors
/// [`RebuildError`]; what is at `path` then is of no use.
pub fn rebuild(
    from: &View,
    path: &Path,
    genesis: &Genesis,
    options: OpenOptions,
) -> Result<(), RebuildError> {
    let ledger = Ledger::create(path, genesis, options)?;
    for height in 1.. {
        let Some(block) = from.block(height)? else {
            break;
        };
        ledger.append(&block)?;
    }
    Ok(())
}

/// Why a ledger cannot be made anew.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// The new file cannot be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A block cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A block does not give what its certificate says, or cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
}
