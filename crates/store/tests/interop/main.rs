//! The store beside real programs: Kubo and Helia. Run by `cargo xtask interop ipfs`, which installs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod bitswap;
mod cids;
mod daemon;
mod faults;
mod helia;
mod node;
mod settings;
mod travel;
