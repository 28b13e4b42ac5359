//! The protocol of medshare for its parties: records, scopes, and one file per verb.
//!
//! Source: protocol page of the project (`docs/protocol.md`), after Chen et al. 2019. A
//! party works at a [`Desk`]: its keys, a [`Node`] that it does not trust, a [`Vault`] of
//! its own, and the validators that it believes. Each step's output is the next one's
//! input:
//!
//! * hospital: [`record::RecordSource`] -[`publish`]-> a state that waits;
//! * patient ([`wallet::Wallet`]): [`accept`] or reject it;
//! * requester: [`request`]; patient: [`authorize`], or deny, and [`revoke`];
//! * agent: [`reencrypt`] takes its packet in and answers asks, log before release;
//! * requester: [`mod@open`], [`review`];
//! * patient: [`rotate`], [`bag`] (backup and restore), [`dispute`], [`erase`];
//! * patient and guardians: [`recovery`].
//!
//! The crate refuses to know about HTTP, JSON, command lines, clocks and randomness: time
//! and random bytes are arguments. Every refusal is a typed error beside its verb.
#![forbid(unsafe_code)]

pub mod accept;
pub mod account;
pub mod authorize;
pub mod bag;
pub mod body;
pub mod card;
pub mod checkup;
pub mod desk;
pub mod dispute;
pub mod emergency;
pub mod erase;
pub mod follow;
pub mod identity;
pub mod journal;
pub mod letter;
pub mod manifest;
pub mod node;
pub mod open;
pub mod outbox;
pub mod part;
pub mod post;
pub mod prekey;
pub mod publish;
pub mod record;
pub mod recovery;
pub mod reencrypt;
pub mod request;
pub mod review;
pub mod revoke;
pub mod rotate;
pub mod scheme;
pub mod seal;
pub mod sealed;
pub mod trust;
pub mod vault;
pub mod wallet;

pub use desk::{Desk, LookError, SendError, Sent};
pub use node::{Node, NodeError};
pub use trust::{Trust, TrustError};
pub use vault::{Table, Vault, VaultError};

/// The parameter set of the product: set A.
pub type Suite = ibpre::SetA;
