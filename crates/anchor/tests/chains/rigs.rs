//! A real node of each chain, with accounts of ours.

mod bitcoin;
mod eos;
mod ethereum;

pub(crate) use self::{
    bitcoin::{InBitcoin, bitcoin_key},
    eos::{ACTORS, InEos, eos_key, name as eos_name},
    ethereum::{InEthereum, ethereum_key},
};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
