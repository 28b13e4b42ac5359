//! Nodes that exchange blocks, peer to peer.
//!
//! libp2p over TCP (Noise, Yamux, optionally a private network's swarm key) carries two
//! protocols: Bitswap 1.2.0 for blocks, and `/medshare/node/1`, one request and one answer,
//! for what nodes have to say to each other ([`Exchange`]).
//!
//! Who may speak and who may have what is decided by a [`Policy`]; this module knows neither
//! accounts nor grants. There is no discovery of any kind: no DHT, no mDNS, no relay, and no
//! CID is ever announced. A node connects to the peers whose address it was told.
//!
//! Decisions: `docs/adr/0012-peers.md`.

mod ask;
mod bitswap;
mod board;
mod book;
mod driver;
mod fault;
mod fetch;
mod gate;
mod handler;
mod message;
mod name;
mod node;
mod outbox;
mod plan;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod plan_tests;
mod pull;
mod resolve;
mod save;
mod serve;
mod settings;
mod traffic;
mod transport;
mod walk;

pub use ask::{AskError, MAX_ASK};
pub use book::{AddressError, PeerFacts, PeerStatus};
pub use fault::DialFault;
pub use fetch::{Fetch, FetchError, FetchOptions, Fetched, Progress};
pub use libp2p::{Multiaddr, PeerId};
pub use message::{
    Absence, Block, MAX_ENTRIES, MAX_MESSAGE, Message, MessageError, Presence, Want, WantKind,
};
pub use node::{PeerNode, StartError};
pub use settings::{Limits, PeerKey, PeerSettings, SwarmKey, SwarmKeyError};
pub use traffic::Traffic;

use base::cid::Cid;

/// Who may speak to this node, and who may have which block.
pub trait Policy: Send + Sync + 'static {
    /// Whether `peer` may be connected. Asked when its identity is proven, before any
    /// protocol is spoken, and again every [`Limits::recheck`]; who is not admitted is cut.
    /// It runs on the network's task: it must answer from memory.
    fn admits(&self, peer: &PeerId) -> bool;

    /// Whether `peer` may have the block. Asked for every block of every request, before the
    /// store is looked at; a refusal looks like a block that is not here. It runs on a thread
    /// that may block.
    fn may_have(&self, peer: &PeerId, cid: &Cid) -> bool;
}

/// What a node answers to the requests of other nodes.
pub trait Exchange: Send + Sync + 'static {
    /// The answer to `request`, at most [`MAX_ASK`] bytes, or `None` to close the stream
    /// without a word. It runs on a thread that may block; `request` has at most [`MAX_ASK`]
    /// bytes and is hostile.
    fn answer(&self, from: &PeerId, request: Vec<u8>) -> Option<Vec<u8>>;
}
