//! Ledger, store and sequencer under kill -9, lost power and failing disks.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod book;
mod disk;
mod kill;
mod life;
mod power;
mod random;
mod sick;
mod syncs;
