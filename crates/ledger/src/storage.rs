//! Durable tables (`redb`) and what is read from and written to them.
//!
//! A group of operations, its block, the new tree nodes, the state and the lists go into
//! ONE durable transaction: after a crash the ledger is at a block boundary, and what was
//! acknowledged is there.

mod ledger;
mod pending;
mod tables;
mod view;

pub(crate) use ledger::policy_is_sound;
pub use ledger::{CommitError, CreateError, Ledger, OpenError, OpenOptions, ProposeError};
pub use pending::Pending;
pub use view::{Listing, Notice, Page, View};
