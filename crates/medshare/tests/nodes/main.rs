//! Several nodes as real processes on this machine's loopback, and parties at each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fleet;
mod following;
mod journey;
mod operator;
mod repair;
