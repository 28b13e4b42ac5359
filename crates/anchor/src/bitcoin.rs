//! Bitcoin: anchors are outputs of 80 bytes that hold a [`Mark`](crate::Mark), in
//! transactions signed by a key of a node ([`Payer`]); read and sent by JSON-RPC of a full
//! node ([`Bitcoin`]), and checked without any node ([`verify`]).
//!
//! Costs are in satoshi; fees are in satoshi for 1,000 virtual bytes. Hashes are written as
//! explorers write them: the last byte of the hash function's first.

mod evidence;

pub use evidence::{BitcoinEvidence, BitcoinTrust, Payer};

#[cfg(feature = "bitcoin")]
pub use self::{
    client::{Bitcoin, Settings},
    key::Key,
    rpc::Access,
};
/// Bitcoin's networks.
#[cfg(feature = "bitcoin")]
pub use ::bitcoin::Network;

#[cfg(feature = "bitcoin")]
mod blocks;
#[cfg(feature = "bitcoin")]
mod client;
#[cfg(feature = "bitcoin")]
mod coins;
#[cfg(feature = "bitcoin")]
mod key;
#[cfg(feature = "bitcoin")]
mod mark;
#[cfg(feature = "bitcoin")]
mod path;
#[cfg(feature = "bitcoin")]
mod rpc;
#[cfg(all(test, feature = "bitcoin"))]
pub(crate) mod tests;
#[cfg(feature = "bitcoin")]
pub mod verify;
