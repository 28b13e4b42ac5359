//! What transactions say. Each kind is a stream of its own: it has entries of its own in the
//! journal, a contract or a format of its own in the chain, and leads on from what was said last.

use base::Digest;
use ledger::{Fault, View};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

use crate::{chain::Chain, service::Schedule};

/// One thing that a transaction says of the ledger's log.
pub trait Subject: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send {
    /// As much of it as the chain shows.
    type Mark: Copy + PartialEq;
    /// Most that are on their way at once. Whatever it is, the next is begun when all others
    /// are in a block: each leads on from the one before.
    const AT_ONCE: usize;

    /// The stream's name in the journal.
    fn lane(chain: Chain) -> &'static str;

    /// The first leaf that the next one is about.
    fn covers(&self) -> u64;

    /// The same of what the chain shows.
    fn covered(mark: &Self::Mark) -> u64;

    /// What the chain will show of it.
    fn mark(&self) -> Self::Mark;

    /// What people know it by: a root, a hash.
    fn digest(&self) -> Digest;

    /// What is to be said next, if anything is.
    ///
    /// # Errors
    /// [`Fault`] of the ledger.
    fn due(view: &View, wish: &mut Wish<'_>) -> Result<Option<Self>, Fault>;

    /// What this ledger would have said where the chain shows `mark`; none if it is behind.
    ///
    /// # Errors
    /// [`Fault`] of the ledger.
    fn in_place_of(view: &View, mark: &Self::Mark) -> Result<Option<Self>, Fault>;

    /// Whether it can be said although the chain shows `mark`, which does not fit this ledger.
    fn passes(&self, mark: &Self::Mark) -> bool;
}

/// What [`Subject::due`] is asked.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The first leaf that nothing was said about.
    pub from: u64,
    /// Leaves before this one say nothing; moved on as they are looked through.
    pub scanned: &'a mut u64,
    /// Milliseconds since the last was begun.
    pub waited: u64,
    /// When something is due.
    pub schedule: &'a Schedule,
}
