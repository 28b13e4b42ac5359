//! The version of a stored or sent format, inside its bytes.
//!
//! A canonical object carries its version under the key `v`: keys are sorted by length, so
//! the one letter stands before every other key, and a reader meets it first. A format that
//! changes gets the next number; whoever knows one number alone refuses every other, before
//! any effect.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use thiserror::Error;

/// Version `N`, as a field: it is written as that number, and reading any other is
/// [`UnknownVersion`]. Name the field with `#[serde(rename = "v")]` and put it first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version<const N: u32 = 1>;

impl<const N: u32> Version<N> {
    /// The number.
    pub const NUMBER: u32 = N;
}

impl<const N: u32> fmt::Debug for Version<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{N}")
    }
}

impl<const N: u32> Serialize for Version<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u32(N)
    }
}

impl<'de, const N: u32> Deserialize<'de> for Version<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        expect(N, d).map(|()| Self)
    }
}

/// Reads a version that must be `known`.
pub(crate) fn expect<'de, D: Deserializer<'de>>(known: u32, d: D) -> Result<(), D::Error> {
    let found = u64::deserialize(d)?;
    if found == u64::from(known) {
        return Ok(());
    }
    Err(D::Error::custom(UnknownVersion { found, known }))
}

/// A version that this program does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "format version {found} is not known here, only {known} is: use the medshare that wrote it, or a newer one"
)]
pub struct UnknownVersion {
    /// What the bytes say.
    pub found: u64,
    /// What this program reads.
    pub known: u32,
}

impl UnknownVersion {
    /// Finds it again in a decoder's error, which hands on text alone.
    pub fn in_text(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("format version ")?;
        let (found, rest) = rest.split_once(" is not known here, only ")?;
        let (known, _) = rest.split_once(" is: use")?;
        Some(Self {
            found: found.parse().ok()?,
            known: known.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_text_is_understood() {
        let unknown = UnknownVersion {
            found: u64::MAX,
            known: 1,
        };
        let text = format!("object: {unknown}, it says");
        assert_eq!(UnknownVersion::in_text(&text), Some(unknown));
        assert_eq!(UnknownVersion::in_text("format version x"), None);
    }
}
