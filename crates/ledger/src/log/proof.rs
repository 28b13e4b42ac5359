//! Proofs and their verification. RFC 9162 sections 2.1.3.2 and 2.1.4.2.

use base::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::hash::{leaf_hash, node_hash};

/// A proof that does not show what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The numbers or the length of the path are impossible.
    #[error("the proof's sizes or length are impossible")]
    Shape,
    /// The path leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// That a leaf stands at `index` in the tree of `tree_size` leaves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// Index of the leaf, from 0.
    pub index: u64,
    /// Leaves in the tree.
    pub tree_size: u64,
    /// Sibling hashes, leaf to root; at most 64.
    pub path: Vec<Digest>,
}

impl InclusionProof {
    /// Checks the proof for a leaf's entry bytes against a root.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, entry: &[u8], root: &Digest) -> Result<(), ProofError> {
        self.verify_hash(leaf_hash(entry), root)
    }

    /// As [`Self::verify`], for a leaf hash.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify_hash(&self, leaf: Digest, root: &Digest) -> Result<(), ProofError> {
        if self.index >= self.tree_size {
            return Err(ProofError::Shape);
        }
        let (mut at, mut last, mut node) = (self.index, self.tree_size - 1, leaf);
        for sibling in &self.path {
            if last == 0 {
                return Err(ProofError::Shape);
            }
            if at & 1 == 1 || at == last {
                node = node_hash(sibling, &node);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                node = node_hash(&node, sibling);
            }
            at >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(ProofError::Shape);
        }
        (node == *root).then_some(()).ok_or(ProofError::Root)
    }
}

/// That the tree of `from` leaves is a prefix of the tree of `to` leaves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// The smaller size; 0 is a prefix of everything.
    pub from: u64,
    /// The larger size.
    pub to: u64,
    /// Hashes as RFC 9162 orders them; at most 65.
    pub path: Vec<Digest>,
}

impl ConsistencyProof {
    /// Checks the proof against both roots.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, from_root: &Digest, to_root: &Digest) -> Result<(), ProofError> {
        if self.from > self.to {
            return Err(ProofError::Shape);
        }
        if self.from == self.to || self.from == 0 {
            return self.verify_trivial(from_root, to_root);
        }
        let (mut at, mut last) = (self.from - 1, self.to - 1);
        while at & 1 == 1 {
            at >>= 1;
            last >>= 1;
        }
        // RFC 9162: when `from` is a power of two, its root is the proof's first node.
        let mut path = self.path.iter();
        let start = if self.from.is_power_of_two() {
            *from_root
        } else {
            *path.next().ok_or(ProofError::Shape)?
        };
        let (mut old, mut new) = (start, start);
        for node in path {
            if last == 0 {
                return Err(ProofError::Shape);
            }
            if at & 1 == 1 || at == last {
                old = node_hash(node, &old);
                new = node_hash(node, &new);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                new = node_hash(&new, node);
            }
            at >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(ProofError::Shape);
        }
        (old == *from_root && new == *to_root)
            .then_some(())
            .ok_or(ProofError::Root)
    }

    fn verify_trivial(&self, from_root: &Digest, to_root: &Digest) -> Result<(), ProofError> {
        if !self.path.is_empty() {
            return Err(ProofError::Shape);
        }
        let holds = if self.from == self.to {
            from_root == to_root
        } else {
            *from_root == super::hash::empty_root()
        };
        holds.then_some(()).ok_or(ProofError::Root)
    }
}
