//! The state machine: state is a pure function of the log. Protocol page, "Parties",
//! "A record", "Sharing", "Credit".
//!
//! [`apply`] takes state, operation and block context in and gives an outcome out; it
//! refuses to know about clocks, tables, randomness and certificates. `entry/` holds what
//! is stored, `rule/` one file per area of operations, `crate::credit` what reviews earn.

pub mod entry;
mod genesis;
mod hash;
mod index;
mod overlay;
mod rule;
mod stored;

pub use genesis::genesis_hash;
pub use hash::StateHash;
pub use index::List;
pub use overlay::{Fault, Memory, Overlay, Read};
pub use rule::{Asked, BlockContext, apply};
pub use stored::Stored;

pub(crate) use genesis::{check_genesis, policy_is_sound, write_genesis};
pub(crate) use index::IndexEntry;
pub(crate) use overlay::{Changes, operation_key};
pub(crate) use rule::{MAX_DELAY, Stop, Work, admit, end_block, opening_key};
