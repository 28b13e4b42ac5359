//! What the tables of a vault hold, in one digest each: an entry that is hidden, taken out
//! or put back changes it.
//!
//! A digest is the XOR of HMACs, one for each entry, with their number (Clarke et al., 2003,
//! "MSet-XOR-Hash"). It is sound while nobody without the key sees it: the vault keeps it
//! sealed. An entry is named by its place and by nonce and tag of its box, which hold its
//! value fast.

use aws_lc_rs::hmac;
use std::collections::BTreeMap;

use super::vault::PREFIX;

/// Number and digest of each table's entries, by the prefix of their places.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Sets(BTreeMap<Vec<u8>, Set>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Set {
    count: u64,
    digest: [u8; 32],
}

/// A table that does not hold what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Difference {
    pub(super) table: Vec<u8>,
    pub(super) written: u64,
    pub(super) found: u64,
}

impl Sets {
    /// Notes an entry.
    pub(super) fn add(&mut self, key: &hmac::Key, place: &[u8], sealed: &[u8]) {
        let set = self.mix(key, place, sealed);
        set.count = set.count.wrapping_add(1);
    }

    /// Notes that an entry is gone.
    pub(super) fn take(&mut self, key: &hmac::Key, place: &[u8], sealed: &[u8]) {
        let set = self.mix(key, place, sealed);
        set.count = set.count.wrapping_sub(1);
    }

    fn mix(&mut self, key: &hmac::Key, place: &[u8], sealed: &[u8]) -> &mut Set {
        let nonce = &sealed[..sealed.len().min(NONCE)];
        let tag = &sealed[sealed.len().saturating_sub(TAG)..];
        let length = (place.len() as u64).to_le_bytes();
        let entry = hmac::sign(key, &[&length, place, nonce, tag].concat());
        let table = place[..place.len().min(PREFIX)].to_vec();
        let set = self.0.entry(table).or_default();
        for (byte, other) in set.digest.iter_mut().zip(entry.as_ref()) {
            *byte ^= other;
        }
        set
    }

    /// The first table of which `found` holds something else. Of a table that one side
    /// lacks it holds none there; of two, the one that was written is named.
    pub(super) fn difference(&self, found: &Self) -> Option<Difference> {
        let none = Set::default();
        self.0.keys().chain(found.0.keys()).find_map(|table| {
            let written = self.0.get(table).unwrap_or(&none);
            let found = found.0.get(table).unwrap_or(&none);
            (written != found).then(|| Difference {
                table: table.clone(),
                written: written.count,
                found: found.count,
            })
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * RECORD);
        for (table, set) in &self.0 {
            bytes.extend_from_slice(table);
            bytes.extend_from_slice(&set.count.to_le_bytes());
            bytes.extend_from_slice(&set.digest);
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut sets = BTreeMap::new();
        for record in bytes.chunks(RECORD) {
            let (table, rest) = record.split_at_checked(PREFIX)?;
            let (count, digest) = rest.split_first_chunk::<8>()?;
            let set = Set {
                count: u64::from_le_bytes(*count),
                digest: digest.try_into().ok()?,
            };
            sets.insert(table.to_vec(), set);
        }
        Some(Self(sets))
    }
}

const NONCE: usize = 12;
const TAG: usize = 16;
const RECORD: usize = PREFIX + 8 + 32;
