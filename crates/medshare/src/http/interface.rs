//! What the routes stand in front of: ledger, store, post, and their limits.

use axum::extract::State;
use base::{AccountId, Cid, genesis::Genesis};
use consensus::Sequencer;
use ledger::{Fault, View};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{BlockStore, GetError, Source};

use super::{
    anchors::Anchors,
    events::Readers,
    limit::{Rate, Rates},
    message::{NodeStanding, Scrubbed},
    operator::Jobs,
    post::Post,
    relay::Relay,
    session::Sessions,
    ticket::Gate,
    turn::Turns,
};

/// Gives read snapshots of the ledger.
pub type Views = Arc<dyn Fn() -> Result<View, Fault> + Send + Sync>;

/// Finds blocks that may be elsewhere.
pub trait Finder: Send + Sync {
    /// A block of `store`, or of another node.
    ///
    /// # Errors
    /// [`GetError`]; [`GetError::Missing`] when nobody gives it.
    fn find(&self, store: &dyn BlockStore, cid: &Cid) -> Result<Vec<u8>, GetError>;

    /// Brings the tree of a state into the store; `told` hears blocks and bytes so far, and
    /// the bytes of all of it where they are known.
    ///
    /// # Errors
    /// In words, why it is not here.
    fn fetch(&self, root: &Cid, told: &dyn Fn(u64, u64, Option<u64>)) -> Result<(), String>;

    /// Bytes of a block that is damaged or missing here, from who has one of the roots that
    /// reach it; `None` when nobody gives it.
    fn mend(&self, cid: &Cid, roots: &[Cid]) -> Option<Vec<u8>>;
}

/// What the scrubber has found so far; it writes, the interface reads.
pub type Scrubs = Arc<Mutex<Scrubbed>>;

/// What the interface stands in front of.
pub struct Interface {
    /// The ledger's first object.
    pub genesis: Genesis,
    /// Orders operations.
    pub sequencer: Arc<dyn Sequencer>,
    /// Reads the ledger.
    pub views: Views,
    /// Blocks and pins.
    pub store: Arc<dyn BlockStore>,
    /// Where to look for a block that is not in the store, on a node with peers.
    pub finder: Option<Arc<dyn Finder>>,
    /// Letters, one-time keys, bags, who pinned what.
    pub post: Post,
    /// The node that keeps letters, one-time keys and bags instead, if this one follows it.
    pub relay: Option<Arc<dyn Relay>>,
    /// The node's own account: its operator's.
    pub operator: AccountId,
    /// What runs for the operator.
    pub jobs: Jobs,
    /// Anchors in public chains, if the node makes any.
    pub anchors: Option<Arc<dyn Anchors>>,
    /// How the node stands among others.
    pub standing: Arc<dyn Fn() -> NodeStanding + Send + Sync>,
    /// What the scrubber has found.
    pub scrubs: Scrubs,
    /// Tickets and signatures.
    pub gate: Gate,
    /// Sessions that one of them opened.
    pub sessions: Sessions,
    /// Readers of events.
    pub readers: Readers,
    /// Requests per second.
    pub rate: Rate,
    /// The same for accounts that are not registered yet.
    pub newcomers: Rate,
    /// One-time keys that an account takes.
    pub taken_prekeys: Rates,
    /// One-time keys that an agent leaves.
    pub left_prekeys: Rates,
    /// Requests and files at once.
    pub turns: Turns,
    /// Longest time for a request that is no file.
    pub request_time: Duration,
    /// Most bytes of one uploaded file.
    pub file_limit: u64,
}

/// Blocks as this node's parties read them.
impl Source for &Interface {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        match &self.finder {
            Some(finder) => finder.find(&*self.store, cid),
            None => self.store.get(cid),
        }
    }
}

impl std::fmt::Debug for Interface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interface")
    }
}

pub(super) type Shared = State<Arc<Interface>>;

/// Requests per second of accounts that are not registered yet, all together.
pub const NEWCOMER_RATE: u32 = 50;
/// One-time keys that one account takes in a minute: a grant takes one for each agent.
pub const PREKEYS_TAKEN: u32 = 20;
/// One-time keys that one agent leaves in a minute.
pub const PREKEYS_LEFT: u32 = 1_000;
