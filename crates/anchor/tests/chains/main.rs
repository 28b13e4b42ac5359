//! Anchors in real nodes of public chains. Run by `cargo xtask interop chains`, which installs
//! them. Where one of them is not there, its tests are left out by their names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod anchoring;
mod anvil;
mod bitcoind;
mod contract;
mod cost;
mod faults;
mod forge;
mod gas;
mod http;
mod kill;
mod reorg;
mod rig;
mod spending;
mod world;

/// Tests that are the same for each chain: a function of a [`rig::Rig`] becomes a test
/// `ethereum::name` and a test `bitcoin::name`.
macro_rules! in_each_chain {
    ($($test:ident),* $(,)?) => {
        mod ethereum {
            $(#[test]
            fn $test() { super::$test::<crate::rig::InEthereum>(); })*
        }
        mod bitcoin {
            $(#[test]
            fn $test() { super::$test::<crate::rig::InBitcoin>(); })*
        }
    };
}
pub(crate) use in_each_chain;
