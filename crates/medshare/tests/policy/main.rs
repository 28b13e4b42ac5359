//! Who may have which block: the policy that nodes apply, against a naive model that knows
//! only what was done, and against strangers' tricks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod against_model;
mod stage;
mod tricks;
#[path = "../../../ledger/tests/it/world.rs"]
mod world;
