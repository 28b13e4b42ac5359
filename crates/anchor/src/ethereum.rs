//! Ethereum: anchors are events of a contract of ours ([`contract`]), read and sent by
//! JSON-RPC ([`Ethereum`]), and checked without any node ([`verify`]).
//!
//! Costs are in gwei, 10^9 wei; fees are in wei for a unit of gas (EIP-1559).

mod client;
pub mod contract;
mod deploy;
mod receipts;
mod rpc;
pub mod verify;

pub use client::{Ethereum, Settings};
pub use deploy::{Deployed, deploy};
pub use rpc::{Endpoint, Fees};

use alloy::signers::local::PrivateKeySigner;
use thiserror::Error;

/// The key that pays and that owns the contract.
#[derive(Clone)]
pub struct Key(PrivateKeySigner);

/// Bytes that are no key of secp256k1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("these 32 bytes are no key of secp256k1")]
pub struct BadKey;

impl Key {
    /// From its 32 secret bytes.
    ///
    /// # Errors
    /// [`BadKey`] for zero and for what is not below the group's order.
    pub fn new(secret: &[u8; 32]) -> Result<Self, BadKey> {
        let signer = PrivateKeySigner::from_slice(secret).map_err(|_| BadKey)?;
        Ok(Self(signer))
    }

    /// Its address.
    pub fn address(&self) -> [u8; 20] {
        self.0.address().into_array()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.0.address())
    }
}
