//! The header of every encoding, and the error that refuses bytes.
//!
//! Encodings are `version (1 byte, 0x01) ‖ set·16 + kind (1 byte) ‖ body` with a body of one fixed
//! length for the set and kind, so no two objects share an encoding and no object has two.

use std::fmt;

use crate::params::ParameterSet;

/// Version of all encodings of this crate.
pub(crate) const VERSION: u8 = 1;
/// Bytes before the body.
pub(crate) const HEADER_LEN: usize = 2;

/// The kind of object, low half of the second byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PublicParams = 1,
    MasterKey = 2,
    UserKey = 3,
    Capsule = 4,
    GrantKey = 5,
    ReencryptionKey = 6,
    ReencryptedCapsule = 7,
}

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The length is not the one length of this object.
    Length {
        /// Bytes there must be.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The first byte is not the version this crate writes.
    Version(u8),
    /// The second byte names another parameter set or kind of object.
    Kind {
        /// The byte there must be.
        expected: u8,
        /// The byte there is.
        found: u8,
    },
    /// A coefficient is outside its range.
    Coefficient,
    /// A master key whose f, g, F, G are no short basis with fG − gF = q.
    NotATrapdoor,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } => {
                write!(f, "{expected} bytes expected, {found} found")
            }
            Self::Version(found) => write!(f, "encoding version 1 expected, {found} found"),
            Self::Kind { expected, found } => write!(
                f,
                "object of set and kind 0x{expected:02x} expected, 0x{found:02x} found"
            ),
            Self::Coefficient => write!(f, "a coefficient is out of range"),
            Self::NotATrapdoor => write!(f, "not a short basis with fG - gF = q"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A zeroed encoding with its header set.
pub(crate) fn start<P: ParameterSet>(kind: Kind, body_len: usize) -> Vec<u8> {
    let mut out = vec![0; HEADER_LEN + body_len];
    out[0] = VERSION;
    out[1] = header_byte::<P>(kind);
    out
}

/// The body of an encoding whose length and header are right.
pub(crate) fn body<P: ParameterSet>(
    kind: Kind,
    body_len: usize,
    bytes: &[u8],
) -> Result<&[u8], DecodeError> {
    let expected = HEADER_LEN + body_len;
    if bytes.len() != expected {
        return Err(DecodeError::Length {
            expected,
            found: bytes.len(),
        });
    }
    if bytes[0] != VERSION {
        return Err(DecodeError::Version(bytes[0]));
    }
    let expected = header_byte::<P>(kind);
    if bytes[1] != expected {
        return Err(DecodeError::Kind {
            expected,
            found: bytes[1],
        });
    }
    Ok(&bytes[HEADER_LEN..])
}

const fn header_byte<P: ParameterSet>(kind: Kind) -> u8 {
    P::CODE << 4 | kind as u8
}
