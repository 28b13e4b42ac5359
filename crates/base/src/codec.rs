//! Canonical bytes: deterministic DAG-CBOR, accepted in one form only.
//!
//! Decoding re-encodes what it read and compares, so that a second spelling of
//! the same value (unsorted or unknown keys, long integers) is refused and an
//! object has exactly one CID. Source: the IPLD DAG-CBOR specification, strictness.

mod encoder;

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::version::UnknownVersion;

/// Largest object, in bytes, that [`decode`] will look at: one Bitswap message.
pub const MAX_OBJECT: usize = 1 << 20;

/// Why bytes are not an object of the expected shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than the limit, most often [`MAX_OBJECT`].
    #[error("object of {found} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Its length.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Not DAG-CBOR of this shape.
    #[error("not a valid {kind}: {reason}")]
    Malformed {
        /// The type that was expected.
        kind: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// Of a version that this program does not know.
    #[error("{kind}: {version}")]
    Version {
        /// The type that was expected.
        kind: &'static str,
        /// Found and known.
        version: UnknownVersion,
    },
    /// Valid content in bytes that are not the canonical ones.
    #[error("{0} is not in canonical form")]
    NotCanonical(&'static str),
}

/// The canonical bytes of `value`.
///
/// # Panics
/// Never for the types of this workspace: writing to memory cannot fail and none of
/// them holds a float or a non-string map key, the two things DAG-CBOR refuses.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "see Panics: a property of our types, not of input"
    )]
    encoder::encode(value).expect("our types have a DAG-CBOR form")
}

/// Reads the canonical bytes of a `T`; anything else is refused.
///
/// # Errors
/// [`DecodeError`], always before any effect.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_within(bytes, MAX_OBJECT)
}

/// As [`decode`], for what is longer than one Bitswap message: at most `limit` bytes.
///
/// # Errors
/// [`DecodeError`], always before any effect.
pub fn decode_within<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, DecodeError> {
    let value: T = read(bytes, limit)?;
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical(short_name::<T>()));
    }
    Ok(value)
}

/// Reads a `T` without the canonical check: only for bytes whose digest was already
/// compared with one that was made from canonical bytes (local tables).
///
/// # Errors
/// [`DecodeError`] when the bytes are no `T`.
pub fn decode_lenient<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    read(bytes, MAX_OBJECT)
}

fn read<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge {
            found: bytes.len(),
            limit,
        });
    }
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| {
        let (kind, reason) = (short_name::<T>(), in_words(&error));
        match UnknownVersion::in_text(&reason) {
            Some(version) => DecodeError::Version { kind, version },
            None => DecodeError::Malformed { kind, reason },
        }
    })
}

/// What the decoder found, for a person: its own texts are written for programmers.
fn in_words<E: std::fmt::Display>(error: &serde_ipld_dagcbor::DecodeError<E>) -> String {
    use serde_ipld_dagcbor::DecodeError as Found;
    match error {
        Found::Msg(text) => text.clone(),
        Found::Eof { .. } | Found::RequireLength { .. } => "it ends too early".into(),
        Found::Mismatch { name, found } => format!("byte {found:#04x} where a {name} is due"),
        Found::TrailingData => "more bytes follow its end".into(),
        Found::DepthOverflow { .. } => "it is nested too deep".into(),
        Found::LengthMismatch { expect, value, .. } => {
            format!("{value} entries where {expect} are due")
        }
        _ => "it is not well-formed DAG-CBOR".into(),
    }
}

fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |at| at + 2);
    &name[start..end]
}
