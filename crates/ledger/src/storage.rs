//! Durable tables (`redb`) and what is read from and written to them.
//!
//! A group of operations, its block, the new tree nodes, the state and the lists go into
//! ONE durable transaction: after a crash the ledger is at a block boundary, and what was
//! acknowledged is there.

mod append;
mod error;
mod inspect;
mod known;
mod ledger;
mod look;
mod numbers;
mod pending;
mod rebuild;
mod recent;
mod session;
mod tables;
mod view;
mod write;

pub use database::{Device, FileDevice};
pub use error::{AppendError, BlockFault, CommitError, CreateError, OpenError, ProposeError};
pub use inspect::{Damage, Depth, Inspection, Part};
pub use ledger::{Ledger, OpenOptions};
pub use look::Look;
pub use pending::Pending;
pub use rebuild::{RebuildError, rebuild};
pub use view::{Listing, Notice, Page, View};
pub use write::TABLES_VERSION;
