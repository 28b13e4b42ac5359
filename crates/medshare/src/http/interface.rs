//! What the routes stand in front of: ledger, store, post, and their limits.

use axum::extract::State;
use base::genesis::Genesis;
use consensus::Sequencer;
use ledger::{Fault, View};
use std::{sync::Arc, time::Duration};
use store::BlockStore;

use super::{
    limit::{Rate, Rates},
    post::Post,
    ticket::Gate,
    turn::Turns,
};

/// Gives read snapshots of the ledger.
pub type Views = Arc<dyn Fn() -> Result<View, Fault> + Send + Sync>;

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
    /// Letters, one-time keys, bags, who pinned what.
    pub post: Post,
    /// Tickets.
    pub gate: Gate,
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
