//! The compact range (frontier): what a follower keeps to append leaves and know the
//! root, O(log n) hashes.

use base::Digest;
use serde::{Deserialize, Serialize};

use super::hash::{empty_root, leaf_hash, node_hash};

/// Roots of the perfect subtrees that the first `size` leaves fall into, largest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct CompactRange {
    size: u64,
    peaks: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    size: u64,
    peaks: Vec<Digest>,
}

impl TryFrom<Unchecked> for CompactRange {
    type Error = &'static str;
    fn try_from(value: Unchecked) -> Result<Self, Self::Error> {
        if value.peaks.len() as u64 != u64::from(value.size.count_ones()) {
            return Err("a compact range has one peak for each bit of its size");
        }
        Ok(Self {
            size: value.size,
            peaks: value.peaks,
        })
    }
}

impl CompactRange {
    /// The range of no leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf given its entry bytes.
    pub fn append(&mut self, entry: &[u8]) {
        self.append_hash(leaf_hash(entry));
    }

    /// Appends a leaf given its hash.
    pub fn append_hash(&mut self, leaf: Digest) {
        let mut node = leaf;
        let mut merges = self.size.trailing_ones();
        while merges > 0 {
            let Some(left) = self.peaks.pop() else { break };
            node = node_hash(&left, &node);
            merges -= 1;
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Root of the tree so far.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}
