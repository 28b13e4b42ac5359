//! What a validator remembers of its votes. Without all of it the validator could sign twice:
//! it does not vote then, see [`super::app::Watch`].
//!
//! The journal knows the highest height at which a block was kept, and none gets a vote before
//! it is kept; the engine's write-ahead log holds every vote of one height, which is its
//! sequence number. A log that ends in the middle of an entry is whole: that entry's vote was
//! not sent.

use malachite::app::wal::Log;
use std::{fs, io, path::Path};
use thiserror::Error;

/// What the journal says of the validator's past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Past {
    /// It may vote: it never did, or has watched for long enough.
    pub(super) votes: bool,
    /// It has run as a voter, so that the engine's log must be there.
    pub(super) began: bool,
    /// The height of the newest block that was kept.
    pub(super) seen: u64,
}

/// Why a validator does not know what it has voted for.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Lost {
    /// There was no journal, or not for long enough.
    #[error("its journal was gone")]
    Journal,
    /// There is no write-ahead log.
    #[error("its write-ahead log is gone")]
    Log,
    /// The write-ahead log cannot be read.
    #[error("its write-ahead log is damaged ({0})")]
    Damaged(String),
    /// The write-ahead log is older than the journal.
    #[error("its write-ahead log is an older one")]
    OlderLog,
    /// The ledger is older than journal or log.
    #[error("its ledger is an older one")]
    OlderLedger,
}

/// What is lost of the memory of a validator whose ledger is at `height`. A damaged log is put
/// beside, where people can look at it.
///
/// # Errors
/// The log cannot be reached.
pub(super) fn lost(past: Past, log: &Path, height: u64) -> io::Result<Option<Lost>> {
    let kept = match fs::metadata(log) {
        Ok(found) => found.len() > 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    let read = match kept.then(|| sequence(log)) {
        Some(Err(error)) if !is_damage(&error) => return Err(error),
        read => read,
    };
    if let Some(Err(_)) = &read {
        fs::rename(log, log.with_extension("damaged"))?;
    }
    let ahead = |seen: u64| seen > height.saturating_add(1);
    Ok(match read {
        _ if !past.votes => Some(Lost::Journal),
        _ if ahead(past.seen) => Some(Lost::OlderLedger),
        None => past.began.then_some(Lost::Log),
        Some(Err(error)) => past.began.then(|| Lost::Damaged(error.to_string())),
        Some(Ok(at)) if ahead(at) => Some(Lost::OlderLedger),
        // A block may be kept just before the log begins its height.
        Some(Ok(at)) => (at.saturating_add(1) < past.seen).then_some(Lost::OlderLog),
    })
}

/// Whether it is the log's bytes that are wrong.
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// Of which height the log is, if all of it can be read.
fn sequence(log: &Path) -> io::Result<u64> {
    let mut log = Log::open(log)?;
    let sequence = log.sequence();
    if !log.is_empty() {
        for entry in log.iter()? {
            entry?;
        }
    }
    Ok(sequence)
}

#[cfg(test)]
mod tests;
