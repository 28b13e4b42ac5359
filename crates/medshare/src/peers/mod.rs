//! Nodes among each other: the link over which a node follows the ledger of another, and
//! the ledger's word on who may speak and who may have what. ADR 14.
//!
//! | file | holds |
//! | --- | --- |
//! | [`message`] | what nodes say to each other |
//! | [`remote`], [`porter`] | asking another node; answering one |
//! | [`registry`], [`rules`], [`releases`] | admitted nodes; who may have a state; who may have a block |
//! | [`hint`], [`hints`] | signed words on who holds what |
//! | [`contacts`], [`keeper`] | where others are; the rounds that keep nodes together |
//! | [`reach`] | a block that is not here |
//! | [`copies`], [`warden`] | copies kept for others; having one's own kept |
//! | [`key`] | a node's peer id |
//! | `link` | all of it over libp2p (feature `peers`) |
//!
//! Everything but `link` and `settings` knows no network.

pub mod contacts;
pub mod copies;
pub mod hint;
pub mod hints;
pub mod keeper;
pub mod key;
#[cfg(feature = "peers")]
pub mod link;
pub mod message;
pub mod porter;
pub mod reach;
pub mod registry;
pub mod releases;
pub mod remote;
pub mod rules;
#[cfg(feature = "peers")]
pub mod settings;
pub mod sightings;
pub mod warden;
