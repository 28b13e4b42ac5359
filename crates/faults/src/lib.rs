//! Nothing acknowledged is ever lost: the tests of this crate drive the real ledger, store
//! and sequencer and take away their process (`tests/it/kill.rs`), their power
//! (`tests/it/power.rs`) or their disk (`tests/it/sick.rs`).
//!
//! There is no code in the library: the simulated disk is part of the tests and cannot be
//! linked into the product. `cargo xtask crash` runs the long forms and, with `--mutants`,
//! shows for each sync call of the product that some test fails without it.
