//! Two nodes in one process: one orders, one follows it over a line that a test can bend.
//! Parties speak `/v1` to the node that follows, as to any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod pair;
mod through;
