//! Several nodes as real processes on this machine's loopback, and parties at each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(dead_code)] // others use more of it
mod fleet;
mod following;
mod journey;
mod operator;
mod repair;
