//! Anchors in real nodes of public chains. Run by `cargo xtask interop chains`, which installs
//! them. Where one of them is not there, its tests are left out by their names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod anchoring;
mod anvil;
mod bitcoind;
#[path = "../../../ledger/tests/it/world.rs"]
mod cast;
mod contract;
mod cost;
mod eos;
mod faults;
mod feed;
mod forge;
mod gas;
mod http;
mod kill;
mod nodeos;
mod permissions;
mod records;
mod reorg;
mod rig;
mod rigs;
mod spending;
mod world;

/// Tests that are the same for each chain: a function of a [`rig::Rig`] becomes a test
/// `ethereum::name`, a test `bitcoin::name` and a test `eos::name`.
macro_rules! in_each_chain {
    ($($test:ident),* $(,)?) => {
        mod ethereum {
            $(#[test]
            fn $test() { super::$test::<crate::rigs::InEthereum>(); })*
        }
        mod bitcoin {
            $(#[test]
            fn $test() { super::$test::<crate::rigs::InBitcoin>(); })*
        }
        mod eos {
            $(#[test]
            fn $test() { super::$test::<crate::rigs::InEos>(); })*
        }
    };
}
/// The same for chains in which one transaction can take another's place.
macro_rules! where_transactions_compete {
    ($($test:ident),* $(,)?) => {
        mod competing {
            $(mod $test {
                #[test]
                fn ethereum() { super::super::$test::<crate::rigs::InEthereum>(); }
                #[test]
                fn bitcoin() { super::super::$test::<crate::rigs::InBitcoin>(); }
            })*
        }
    };
}
pub(crate) use {in_each_chain, where_transactions_compete};
