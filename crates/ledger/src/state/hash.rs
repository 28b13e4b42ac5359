//! The state hash: LtHash16 (Bellare and Micciancio 1997; Lewi et al. 2019), a
//! homomorphic hash of the set of entries. Changing one entry costs two hashes, whatever
//! the size of the state; and anybody recomputes it from the tables in any order.
//!
//! Element = BLAKE3 XOF (2048 bytes) of preamble(`state`) ‖ u32 key length ‖ key ‖ value,
//! as 1024 little-endian u16 lanes, added lane by lane modulo 2^16.

use base::{Digest, domain};
use std::fmt;

/// Lanes of 16 bits.
const LANES: usize = 1024;

/// The sum of all entries of a state.
#[derive(Clone, PartialEq, Eq)]
pub struct StateHash(Box<[u16; LANES]>);

impl Default for StateHash {
    /// The hash of the state without entries.
    fn default() -> Self {
        Self(Box::new([0; LANES]))
    }
}

impl StateHash {
    /// Length of [`Self::to_bytes`].
    pub const LENGTH: usize = 2 * LANES;

    /// Adds an entry that was not there.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let element = element(key, value);
        for (lane, bytes) in self.0.iter_mut().zip(element.chunks_exact(2)) {
            *lane = lane.wrapping_add(u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }

    /// Takes out an entry that was there.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        let element = element(key, value);
        for (lane, bytes) in self.0.iter_mut().zip(element.chunks_exact(2)) {
            *lane = lane.wrapping_sub(u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }

    /// What a header holds: SHA2-256 of the lanes, little-endian.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// The lanes, little-endian: 2048 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// From [`Self::to_bytes`]; none if the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LENGTH {
            return None;
        }
        let mut hash = Self::default();
        for (lane, bytes) in hash.0.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        Some(hash)
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateHash({})", self.digest())
    }
}

fn element(key: &[u8], value: &[u8]) -> [u8; 2 * LANES] {
    let mut bytes = [0; 2 * LANES];
    blake3::Hasher::new()
        .update(&domain::preamble(domain::STATE))
        .update(&(key.len() as u32).to_le_bytes()) // keys are < 100 bytes
        .update(key)
        .update(value)
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_removal_undoes() {
        let (mut a, mut b) = (StateHash::default(), StateHash::default());
        a.add(b"k1", b"v1");
        a.add(b"k2", b"v2");
        b.add(b"k2", b"v2");
        b.add(b"k3", b"v3");
        b.add(b"k1", b"v1");
        assert_ne!(a, b);
        b.remove(b"k3", b"v3");
        assert_eq!(a, b);
        assert_eq!(StateHash::from_bytes(&a.to_bytes()), Some(a));
        assert_eq!(StateHash::from_bytes(&[0; 10]), None);
    }

    #[test]
    fn the_border_between_key_and_value_counts() {
        let (mut a, mut b) = (StateHash::default(), StateHash::default());
        a.add(b"ab", b"c");
        b.add(b"a", b"bc");
        assert_ne!(a, b);
    }
}
