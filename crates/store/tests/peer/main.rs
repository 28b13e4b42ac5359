//! Nodes that exchange blocks and requests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod ask;
mod fetch;
mod harness;
