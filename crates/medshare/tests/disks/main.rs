//! The post of a node and the vault of a party on a disk that loses power, fills up, cannot
//! be read or cannot be synced, at every point; and files of a home with flipped bytes.
//!
//! Short here; `cargo xtask crash` runs it at length.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(unreachable_pub, dead_code)]

#[path = "../../../faults/tests/it/disk.rs"]
mod disk;
mod flip;
mod life;
mod post;
#[path = "../../../faults/tests/it/random.rs"]
mod random;
mod vault;
