//! The store beside real programs: Kubo and Helia. Run by `cargo xtask interop ipfs`, which installs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod cids;
mod daemon;
mod faults;
mod settings;
mod travel;
