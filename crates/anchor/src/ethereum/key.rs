//! The key that pays.

use alloy::signers::local::PrivateKeySigner;

use crate::chain::BadKey;

/// The key that pays and that owns the contract.
#[derive(Clone)]
pub struct Key(pub(super) PrivateKeySigner);

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
