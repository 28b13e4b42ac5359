//! The one interface `/v1`: DAG-CBOR, or DAG-JSON for who asks for it, over HTTP/1.1 on a
//! Unix socket or loopback TCP.
//!
//! [`server`] and [`routes`] are the node's side, [`client`] is a party's:
//! [`HttpNode`] implements `share::node::Node`. What both sides say to each other stands
//! in [`message`]. `docs/interface.md` lists the routes. Reads of the ledger are open to
//! anybody on this machine; everything that is one party's own, and every write but an
//! operation, takes a [`ticket`], a [`signature`] or a [`session`].

pub mod address;
mod admission;
pub mod anchors;
pub mod answer;
pub mod body;
pub mod client;
mod connections;
mod custody;
pub mod events;
mod health;
mod hosts;
pub mod interface;
pub mod json;
mod ledger;
pub mod limit;
pub mod media;
pub mod message;
mod metrics;
pub mod openapi;
pub mod operator;
mod paced;
mod party;
pub mod post;
pub mod relay;
pub mod routes;
pub mod server;
pub mod session;
mod shelf;
pub mod signature;
pub mod table;
pub mod ticket;
mod transfer;
pub mod turn;
mod upload;

pub(crate) use crate::log::line as log_line;
pub use address::Address;
pub use client::{Credentials, HttpNode};

use crate::{
    config::Config,
    exit::{Exit, Fault, Result},
    home::Home,
};

/// Where a node with this home and configuration listens.
///
/// # Errors
/// [`Exit::Config`] when the configured address is none.
pub fn listen_address(home: &Home, config: &Config) -> Result<Address> {
    match &config.server.listen {
        Some(text) => text
            .parse()
            .map_err(|error| Fault::new(Exit::Config, format!("server.listen: {error}"))),
        None => Ok(Address::Unix(home.node_folder().join(SOCKET))),
    }
}

const SOCKET: &str = "medshare.sock";
