//! Signed statements: bytes that say who said what on which ledger.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::ops::Deref;

use crate::{
    codec, domain,
    key::{BadSignature, OperationKey, OperationSecret, Signature},
};

/// A type that can be signed: it names its domain tag, and every implementor carries
/// the chain id in its fields.
pub trait Statement: Serialize + DeserializeOwned {
    /// The domain tag, from [`crate::domain`].
    const DOMAIN: &'static str;

    /// The bytes that are signed: preamble of the tag, then the canonical bytes.
    fn preimage(&self) -> Vec<u8> {
        let mut bytes = domain::preamble(Self::DOMAIN);
        bytes.extend(codec::encode(self));
        bytes
    }
}

/// A statement and a signature that nobody has checked yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is said.
    pub body: T,
    /// Ed25519 over [`Statement::preimage`].
    pub signature: Signature,
}

impl<T: Statement> Signed<T> {
    /// Signs `body`.
    pub fn new(body: T, secret: &OperationSecret) -> Self {
        let signature = secret.sign(&body.preimage());
        Self { body, signature }
    }

    /// Checks the signature under `key`.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(self, key: &OperationKey) -> Result<Verified<T>, BadSignature> {
        key.verify(&self.body.preimage(), &self.signature)?;
        Ok(Verified(self))
    }
}

/// A statement whose signature was checked under a key the checker chose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified<T>(Signed<T>);

impl<T> Verified<T> {
    /// Marks a statement whose signature a batch verification has already checked.
    pub fn trust_batch(signed: Signed<T>) -> Self {
        Self(signed)
    }

    /// The statement with its signature.
    pub fn into_signed(self) -> Signed<T> {
        self.0
    }

    /// The statement with its signature.
    pub fn as_signed(&self) -> &Signed<T> {
        &self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.body
    }
}
