//! A node that orders nothing: it keeps a ledger of its own, equal to the last bit with
//! that of a node that does. Protocol page, "Consensus as the situation demands"; ADR 14.
//!
//! A [`Follower`] asks its [`Upstream`] for certified blocks, executes each again
//! ([`ledger::Ledger::append`]) and commits it. Operations go the other way: it passes
//! them on and answers once its own ledger has them. It believes nothing but certificates;
//! two that cannot be of one ledger are kept as a [`Conflict`], and it stops for good.
//! It refuses to know how the upstream is reached.

pub(crate) mod chase;
mod follower;

pub use follower::{Follower, Settings, Standing, StartError};
pub use ledger::Conflict;

use ledger::{Block, Head, Receipt};
use thiserror::Error;

use crate::sequencer::SubmitError;

/// The node that is followed. Calls block, and come to an end by themselves.
pub trait Upstream: Send + Sync + 'static {
    /// Its newest head, and its blocks from height `from` on: as many whole ones as fit
    /// into an answer, at least one if there is one.
    ///
    /// # Errors
    /// [`UpstreamError`].
    fn news(&self, from: u64) -> Result<News, UpstreamError>;

    /// Gives it an operation, as [`crate::Sequencer::submit`]; the receipt is unchecked.
    ///
    /// # Errors
    /// [`SubmitError`]: its own, or [`SubmitError::Unreachable`] when nothing was sent and
    /// [`SubmitError::Unknown`] when nobody can tell.
    fn submit(&self, bytes: Vec<u8>) -> Result<Receipt, SubmitError>;
}

/// What an upstream has to tell, unchecked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// Its newest head.
    pub head: Head,
    /// Blocks in order of height.
    pub blocks: Vec<Block>,
}

/// Why an upstream told nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It does not answer.
    #[error("the upstream node does not answer: {0}")]
    Unreachable(String),
    /// What it answered is no answer.
    #[error("the upstream node's answer makes no sense: {0}")]
    BadAnswer(String),
}
