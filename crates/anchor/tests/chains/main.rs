//! Anchors in real nodes of public chains. Run by `cargo xtask interop chains`, which installs
//! them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod anchoring;
mod anvil;
mod contract;
mod faults;
mod forge;
mod gas;
mod kill;
mod reorg;
mod world;
