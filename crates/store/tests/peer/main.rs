//! Nodes that exchange blocks and requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ask;
mod fakes;
mod faults;
mod fetch;
mod harness;
mod message;
mod raw;
mod serve;
