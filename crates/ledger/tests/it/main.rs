//! Tests of the ledger as its users see it: operations in, blocks, proofs and state out.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod append;
mod budget;
mod consortium;
mod credit;
mod durability;
mod failed;
mod farming;
mod founding;
mod grants;
mod heads;
mod hostile;
mod inspect;
mod limits;
mod log;
mod properties;
mod queries;
mod records;
mod recovery;
mod replay;
mod signatures;
mod successors;
mod transitions;
mod validators;
mod views;
mod world;
