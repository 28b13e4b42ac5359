//! Signed statements: bytes that say who said what on which ledger.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{marker::PhantomData, ops::Deref};

use crate::{
    codec, domain,
    key::{BadSignature, OperationKey, OperationSecret, Signature},
    version,
};

/// A type that can be signed: it names its domain tag, and every implementor carries
/// the chain id in its fields.
pub trait Statement: Serialize + DeserializeOwned {
    /// The domain tag, from [`crate::domain`].
    const DOMAIN: &'static str;
    /// Version of the statement's format; a new one takes a new domain tag as well, so
    /// that the signature binds it.
    const VERSION: u32 = 1;

    /// The bytes that are signed: preamble of the tag, then the canonical bytes.
    fn preimage(&self) -> Vec<u8> {
        [domain::preamble(Self::DOMAIN), codec::encode(self)].concat()
    }
}

/// A statement and a signature that nobody has checked yet. Its bytes are
/// `{v: T::VERSION, body, signature}`.
#[derive(Clone, PartialEq, Eq, Debug)]
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

impl<T: Statement> Serialize for Signed<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Spoken<'a, T> {
            v: u32,
            body: &'a T,
            signature: &'a Signature,
        }
        Spoken {
            v: T::VERSION,
            body: &self.body,
            signature: &self.signature,
        }
        .serialize(s)
    }
}

impl<'de, T: Statement> Deserialize<'de> for Signed<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename = "Signed", bound = "T: Statement")]
        struct Heard<T> {
            #[serde(rename = "v")]
            _version: VersionOf<T>,
            body: T,
            signature: Signature,
        }
        let Heard {
            body, signature, ..
        } = Heard::deserialize(d)?;
        Ok(Self { body, signature })
    }
}

/// The one version of `T` that is read.
struct VersionOf<T>(PhantomData<T>);

impl<'de, T: Statement> Deserialize<'de> for VersionOf<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        version::expect(T::VERSION, d).map(|()| Self(PhantomData))
    }
}
