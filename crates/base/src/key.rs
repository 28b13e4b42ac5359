//! Public keys and signatures, as bytes on the ledger.
//!
//! Operation signatures are Ed25519 under the rules of ZIP 215, so that single and
//! batch verification agree on every input. Record signatures are ML-DSA-65 (FIPS 204).

use ed25519_zebra as ed25519;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A signature that does not belong to this key and these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// An Ed25519 verification key: 32 bytes. Not every value is a point; an operation
/// signed under one that is not never verifies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationKey(pub [u8; 32]);

impl OperationKey {
    /// Verifies under ZIP 215.
    ///
    /// # Errors
    /// [`BadSignature`] for a wrong signature or a key that is no point.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        ed25519::VerificationKey::try_from(self.0)
            .and_then(|key| key.verify(&signature.0.into(), message))
            .map_err(|_| BadSignature)
    }
}

impl fmt::Debug for OperationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationKey({})", hex::encode(&self.0[..6]))
    }
}

impl Serialize for OperationKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for OperationKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<32>::deserialize(d).map(|b| Self(b.into_array()))
    }
}

/// An Ed25519 signature: 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(&self.0[..6]))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<64>::deserialize(d).map(|b| Self(b.into_array()))
    }
}

/// The secret half of an [`OperationKey`]: an Ed25519 seed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OperationSecret([u8; 32]);

impl OperationSecret {
    /// From 32 secret random bytes.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The public half.
    pub fn public(&self) -> OperationKey {
        let key = ed25519::SigningKey::from_bytes(&self.0);
        OperationKey(ed25519::VerificationKey::from(&key).into())
    }

    /// Signs deterministically (RFC 8032).
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(
            ed25519::SigningKey::from_bytes(&self.0)
                .sign(message)
                .into(),
        )
    }

    /// The secret bytes; every use is a place to review.
    pub fn as_secret(&self) -> &[u8; 32] {
        &self.0
    }
}

macro_rules! public_bytes {
    ($($(#[$doc:meta])* $name:ident[$length:literal];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Vec<u8>);

        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            /// The key, if the length is right.
            pub fn new(bytes: Vec<u8>) -> Option<Self> {
                (bytes.len() == Self::LENGTH).then_some(Self(bytes))
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] { &self.0 }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(&self.0[..6]))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_bytes(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let bytes = serde_bytes::ByteBuf::deserialize(d)?.into_vec();
                let length = bytes.len();
                Self::new(bytes).ok_or_else(|| serde::de::Error::invalid_length(length, &stringify!($length)))
            }
        }
    )*};
}

public_bytes! {
    /// An X-Wing public key (ML-KEM-768 and X25519) for HPKE.
    HpkeKey[1216];
    /// An ML-DSA-65 public key, with which an institution signs records.
    RecordKey[1952];
    /// An ML-DSA-65 signature.
    RecordSignature[3309];
}

impl RecordKey {
    /// Verifies an ML-DSA-65 signature (FIPS 204, empty context).
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        use aws_lc_rs::signature::{ML_DSA_65, UnparsedPublicKey};
        UnparsedPublicKey::new(&ML_DSA_65, &self.0)
            .verify(message, signature)
            .map_err(|_| BadSignature)
    }
}
