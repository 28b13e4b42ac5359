//! Credit: what reviews earn, what fabrication costs, and how hospitals rank. Protocol
//! page, "Credit".
//!
//! Integers only, so that every node computes the same. Invariant after every block: sum
//! of balances + burnt = minted; a penalty lowers a balance and raises `burnt` by the same.

mod balance;
mod duties;
mod mint;
mod ranking;

pub use ranking::{Ranked, decayed};

pub(crate) use balance::punish_fabrication;
pub(crate) use duties::{behind, punish_double_sign, punish_missed};
pub(crate) use mint::{counts, reward};
pub(crate) use ranking::{count_emergency, count_review, is_ranked, mark, rank, sort};
