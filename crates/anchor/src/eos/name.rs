//! Names of accounts, actions and permissions: 13 characters in 64 bits.
//!
//! Source: the chain's `name.hpp`. Twelve characters have 5 bits each, the thirteenth has 4;
//! dots at the end are not written.

use std::{fmt, str::FromStr};
use thiserror::Error;

/// A name, as the chain counts it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub u64);

/// Text that is no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a name has up to 13 of the characters a-z, 1-5 and the dot, and does not end in a dot")]
pub struct BadName;

const CHARACTERS: &[u8; 32] = b".12345abcdefghijklmnopqrstuvwxyz";

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let mut number = 0_u64;
        for (at, character) in text.bytes().enumerate() {
            let known = CHARACTERS.iter().position(|own| *own == character);
            let value = known.ok_or(BadName)? as u64;
            number |= match at {
                0..12 => value << (59 - 5 * at),
                12 if value < 16 => value,
                _ => return Err(BadName),
            };
        }
        // One spelling, and none for nothing.
        let name = Self(number);
        (!text.is_empty() && name.to_string() == text)
            .then_some(name)
            .ok_or(BadName)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |at: usize| match at {
            0..12 => (self.0 >> (59 - 5 * at)) & 31,
            _ => self.0 & 15,
        };
        let text: String = (0..13)
            .filter_map(|at| CHARACTERS.get(value(at) as usize))
            .map(|character| char::from(*character))
            .collect();
        f.write_str(text.trim_end_matches('.'))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_chain_counts_them() {
        // Constants of the chain's own tests.
        for (text, number) in [
            ("eosio", 6_138_663_577_826_885_632),
            ("eosio.token", 6_138_663_591_592_764_928),
            ("zzzzzzzzzzzzj", u64::MAX),
            ("a", 0x3000_0000_0000_0000),
        ] {
            assert_eq!(text.parse::<Name>().unwrap(), Name(number), "{text}");
            assert_eq!(Name(number).to_string(), text);
        }
        for wrong in [
            "",
            "A",
            "a.",
            "6",
            "abcdefghijklmn",
            "zzzzzzzzzzzzz",
            "ü",
            "a b",
        ] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong}");
        }
    }
}
