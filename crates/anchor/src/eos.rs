//! EOS, and networks that speak as it does (Antelope): anchors are actions `anchor` of an account
//! with our ABI, authorised by the account of a node ([`Name`]); read and sent by the HTTP
//! interface of a node ([`Eos`]), and checked without any node ([`verify`]).
//!
//! Costs are in microseconds of CPU time, which the account must have staked or rented; bytes of
//! bandwidth are counted in words of 8 and have a cap of their own.

mod evidence;
mod name;

pub use evidence::{EosEvidence, EosTrust};
pub use name::{BadName, Name};

#[cfg(feature = "eos")]
pub use self::{
    client::{Eos, Settings},
    key::Key,
    setup::{Prepared, prepare},
};

#[cfg(feature = "eos")]
mod abi;
#[cfg(feature = "eos")]
mod block;
#[cfg(feature = "eos")]
mod blocks;
#[cfg(feature = "eos")]
mod client;
#[cfg(feature = "eos")]
mod key;
#[cfg(feature = "eos")]
mod path;
#[cfg(feature = "eos")]
mod rpc;
#[cfg(feature = "eos")]
mod setup;
#[cfg(feature = "eos")]
mod slot;
#[cfg(feature = "eos")]
mod transaction;
#[cfg(feature = "eos")]
pub mod verify;
#[cfg(feature = "eos")]
mod wire;
