//! The real binary, as people and scripts use it: a node and the homes of several
//! parties, each command its own process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod alike;
mod bad_input;
mod bent;
mod clock;
mod contract;
mod crowd;
mod damage;
mod described;
mod doctor;
mod documents;
mod ending;
mod figures;
mod formats;
mod forms;
mod full;
mod guardians;
mod homes;
mod hostile;
mod interface;
mod journey;
mod killed;
mod logs;
mod net;
mod newer;
mod pages;
mod restore;
mod serve;
mod signed;
mod talk;
mod told;
mod validators;
mod verbs;
mod wallets;
