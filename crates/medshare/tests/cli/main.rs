//! The real binary, as people and scripts use it: a node and the homes of several
//! parties, each command its own process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bad_input;
mod clock;
mod crowd;
mod damage;
mod doctor;
mod formats;
mod full;
mod guardians;
mod homes;
mod hostile;
mod interface;
mod journey;
mod killed;
mod net;
mod newer;
mod pages;
mod restore;
mod validators;
mod verbs;
mod wallets;
