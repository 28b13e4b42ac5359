//! Heads of medshare's ledger anchored in public chains.
//!
//! - [`Checkpoint`] is what an anchor says, [`Record`] what a single operation's transaction
//!   does; a [`Subject`] is either, or a grant that is mirrored
//!   ([`ethereum::permission::Permission`]).
//! - [`PublicChain`] is a chain: one small trait, one folder for each ([`ethereum`],
//!   [`bitcoin`], [`eos`]), a cargo feature each.
//! - [`Service`] anchors by time or count, whatever dies in between; [`Journal`] is what it
//!   remembers.
//! - [`AnchoredProof`] is a file that shows offline that an operation was anchored,
//!   [`RecordProof`] one that it was submitted by itself.
//!
//! Source: protocol page of the project ("The log"), docs/anchors.md, docs/adr/0019, 0024 and 0025.
//! The crate refuses to know who calls it, what an operation says, and consensus.

pub mod bitcoin;
mod bytes;
mod chain;
mod checkpoint;
#[cfg(any(feature = "bitcoin", feature = "eos", feature = "ethereum"))]
mod endpoint;
pub mod eos;
pub mod ethereum;
mod journal;
mod proof;
mod record;
mod service;
mod subject;

pub use bytes::Bytes;
pub use chain::{
    Attempt, BadKey, Chain, Order, Place, PublicChain, Seen, Standing, Trouble, UnknownChain,
};
pub use checkpoint::{Checkpoint, Mark};
#[cfg(any(feature = "bitcoin", feature = "eos", feature = "ethereum"))]
pub use endpoint::{BadEndpoint, Endpoint};
pub use journal::{Entry, Journal, JournalError, Numbered, State, TABLES_VERSION};
pub use proof::{Anchored, AnchoredProof, Broken, By, Evidence, Link, Stood, Trust};
pub use record::{Record, RecordProof, Recorded};
pub use service::{Next, Report, Schedule, Service, StepError, Views, WINDOW};
pub use subject::{Subject, Wish};
