//! What every way of ordering operations offers.

use ledger::{Fault, Head, Receipt, Refusal};
use std::{
    sync::mpsc::{self, Receiver},
    time::Duration,
};
use thiserror::Error;

/// What became of an operation. A receipt says that it is durable: with the receipt's outcome,
/// which may be a failure. After an error it is not in the log, except after
/// [`SubmitError::Stopped`] and [`SubmitError::Unknown`], when it may be; ask for its id, or
/// send it again: it is taken in once.
pub type Fate = Result<Receipt, SubmitError>;

/// Is told an operation's fate, on a thread that must not be held up. Dropped untold when the
/// sequencer stops.
pub type Teller = Box<dyn FnOnce(Fate) + Send>;

/// Orders operations. Shared between threads.
pub trait Sequencer: Send + Sync {
    /// Gives the canonical bytes of a signed operation to the ledger and waits.
    ///
    /// # Errors
    /// See [`Fate`].
    fn submit(&self, bytes: Vec<u8>) -> Fate;

    /// As [`Self::submit`] for a caller that has no thread to wait with: whoever knows the fate
    /// calls `teller`, at once or later. Gives back what it cannot do without waiting.
    ///
    /// # Errors
    /// The arguments, for [`Self::submit`].
    fn begin(&self, bytes: Vec<u8>, teller: Teller) -> Result<(), (Vec<u8>, Teller)> {
        Err((bytes, teller))
    }

    /// How long to wait for a fate; then it is [`SubmitError::undecided`]. None: it comes.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// The newest head.
    ///
    /// # Errors
    /// [`Fault`] when the tables cannot be read.
    fn head(&self) -> Result<Head, Fault>;
}

/// Why an operation was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It may not enter the log.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many operations wait.
    #[error("the ledger is busy: {waiting} operations wait; try again")]
    Busy {
        /// The queue's length.
        waiting: usize,
    },
    /// The machine's clock is behind the last block by more than the genesis allows.
    #[error(
        "this node's clock is {behind} ms behind the last block, the limit is {limit} ms: set it right"
    )]
    Clock {
        /// How far, milliseconds.
        behind: u64,
        /// How far it may be.
        limit: u64,
    },
    /// The ledger cannot be written or read, a full disk for example. Nothing was taken in.
    #[error("the ledger could not store the operation, nothing was changed: {0}")]
    Storage(String),
    /// The disk failed so that nobody can tell.
    #[error("it cannot be told whether the operation was stored, send it again: {0}")]
    Unknown(String),
    /// The node that orders operations cannot be reached. Nothing was sent.
    #[error("the node that orders operations cannot be reached, nothing was sent: {0}")]
    Unreachable(String),
    /// The ledger contradicts itself; this node takes nothing more.
    #[error("this node has halted, its ledger contradicts another that is certified: {0}")]
    Halted(String),
    /// The ledger named others to order it: start this node again, as one of them.
    #[error("this node orders the ledger alone no more, start it again: {0}")]
    Outgrown(&'static str),
    /// The sequencer stopped before it answered.
    #[error("the ledger is shutting down")]
    Stopped,
}

impl SubmitError {
    /// It takes longer than anybody waits.
    pub fn undecided() -> Self {
        Self::Unknown("the validators have not ordered it yet".into())
    }
}

/// A teller for one who waits.
pub(crate) fn told() -> (Teller, Receiver<Fate>) {
    let (sender, fate) = mpsc::sync_channel(1);
    // Who went away has its operation in the log all the same.
    let teller = Box::new(move |told| drop(sender.send(told)));
    (teller, fate)
}
