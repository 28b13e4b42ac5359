//! Fixed-size identifiers. Each is 32 bytes, written as a DAG-CBOR byte string and
//! shown as lower-case hex; one type per meaning, so that none can stand for another.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};
use thiserror::Error;

use crate::{Cid, cid, domain, key::OperationKey};

/// Text that is not an identifier of 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected 64 hexadecimal digits, found {0:?}")]
pub struct ParseIdError(pub(crate) String);

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(&self.0[..6]))
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text.trim(), &mut bytes)
                    .map_err(|_| ParseIdError(text.chars().take(80).collect()))?;
                Ok(Self(bytes))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() {
                    s.collect_str(self)
                } else {
                    s.serialize_bytes(&self.0)
                }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(D::Error::custom)
                } else {
                    serde_bytes::ByteArray::<32>::deserialize(d).map(|b| Self(b.into_array()))
                }
            }
        }
    )*};
}

id! {
    /// A ledger: SHA2-256 of its genesis object.
    ChainId;
    /// An account: hash of its first operation key ([`AccountId::of`]).
    AccountId;
    /// A record: hash of the publishing hospital's account and a nonce ([`RecordId::of`]).
    RecordId;
    /// A scope (`sid` of the scheme): H_sid of a [`crate::Scope`].
    ScopeId;
    /// A capsule as sealed to one scope (`ctid` of the scheme).
    CapsuleId;
    /// One scope under one grant (`gid` of the scheme).
    GrantId;
    /// A SHA2-256 digest or a commitment.
    Digest;
    /// Public randomness that makes an identifier unique.
    Nonce;
    /// Randomness that hides what a digest is of.
    Salt;
}

impl AccountId {
    /// H(tag, first operation key).
    pub fn of(first_key: &OperationKey) -> Self {
        Self(tagged(domain::ACCOUNT, &[&first_key.0]))
    }
}

impl RecordId {
    /// H(tag, hospital account, nonce).
    pub fn of(hospital: AccountId, nonce: &Nonce) -> Self {
        Self(tagged(domain::RECORD, &[&hospital.0, &nonce.0]))
    }
}

impl Digest {
    /// Plain SHA2-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Salted commitment: SHA2-256(salt, bytes).
    pub fn commit(salt: &Salt, bytes: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update(salt.0)
                .chain_update(bytes)
                .finalize()
                .into(),
        )
    }
}

/// The identity of a logged operation: CID of its canonical signed bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub Cid);

impl OperationId {
    /// The id of canonical signed bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(cid::of_object(bytes))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationId({})", self.0)
    }
}

impl FromStr for OperationId {
    type Err = ipld_core::cid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Cid::from_str(text.trim()).map(Self)
    }
}

/// SHA2-256 over a domain tag and fixed-size inputs.
fn tagged(tag: &str, inputs: &[&[u8; 32]]) -> [u8; 32] {
    let mut hash = Sha256::new().chain_update(domain::preamble(tag));
    for input in inputs {
        hash.update(input);
    }
    hash.finalize().into()
}
