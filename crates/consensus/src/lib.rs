//! Who orders the ledger's operations. Protocol page, "Consensus as the situation
//! demands".
//!
//! A [`Sequencer`] takes opaque bytes and answers with a receipt once they are durable in
//! a certified block. It refuses to know what an operation says. [`solo`] is one node with
//! one validator key: the embedded default; `bft` (feature `bft`) is several that agree;
//! [`follow`] is a node that orders nothing and keeps an equal ledger.

#[cfg(feature = "bft")]
pub mod bft;
pub mod clock;
pub mod follow;
pub mod sequencer;
pub mod solo;

pub use clock::{Clock, SystemClock};
pub use follow::{Follower, Upstream};
pub use sequencer::{Fate, Sequencer, SubmitError, Teller};
pub use solo::{Limits, Solo, StartError};
