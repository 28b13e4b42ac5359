//! Making roots and proofs from stored nodes. RFC 9162 sections 2.1.1, 2.1.3.1, 2.1.4.1.
//!
//! Only perfect subtrees are stored, at (level, index): a node never changes once it is
//! written. The ragged right edge of a tree is recomputed, O(log n) hashes.

use base::Digest;
use std::{cell::RefCell, collections::HashMap};

use super::{
    hash::{empty_root, node_hash},
    proof::{ConsistencyProof, InclusionProof},
};

/// Where stored nodes come from: the root of the perfect subtree of 2^`level` leaves that
/// starts at leaf `index`·2^`level`.
pub trait Nodes {
    /// What reading can go wrong with.
    type Error;

    /// The node, which exists whenever the log is long enough.
    ///
    /// # Errors
    /// The back-end's, a missing node included.
    fn node(&self, level: u8, index: u64) -> Result<Digest, Self::Error>;

    /// Root of leaves `begin..end`, where `begin` is a multiple of the next power of two
    /// above `end - begin`.
    ///
    /// # Errors
    /// The back-end's.
    fn span(&self, begin: u64, end: u64) -> Result<Digest, Self::Error> {
        compute(self, begin, end)
    }
}

/// [`Nodes::span`] from a node or two shorter spans.
fn compute<N: Nodes + ?Sized>(nodes: &N, begin: u64, end: u64) -> Result<Digest, N::Error> {
    let length = end - begin;
    if length.is_power_of_two() {
        let level = length.trailing_zeros() as u8; // < 64
        return nodes.node(level, begin >> level);
    }
    let middle = begin + split(length);
    let left = nodes.span(begin, middle)?;
    let right = nodes.span(middle, end)?;
    Ok(node_hash(&left, &right))
}

/// Root of the first `size` leaves.
///
/// # Errors
/// The back-end's.
pub fn root_at<N: Nodes>(nodes: &N, size: u64) -> Result<Digest, N::Error> {
    if size == 0 {
        return Ok(empty_root());
    }
    nodes.span(0, size)
}

/// Proof that leaf `index` stands in the tree of `size` leaves; `index < size`.
///
/// # Errors
/// The back-end's.
pub fn inclusion_proof<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<InclusionProof, N::Error> {
    let mut path = Vec::with_capacity(64 - size.leading_zeros() as usize);
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(nodes.span(middle, end)?);
            end = middle;
        } else {
            path.push(nodes.span(begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(InclusionProof {
        index,
        tree_size: size,
        path,
    })
}

/// Proof that the tree of `from` leaves is a prefix of that of `to`; `from <= to`.
///
/// # Errors
/// The back-end's.
pub fn consistency_proof<N: Nodes>(
    nodes: &N,
    from: u64,
    to: u64,
) -> Result<ConsistencyProof, N::Error> {
    let mut path = Vec::new();
    if from != 0 && from != to {
        let (mut begin, mut end) = (0, to);
        // While the old tree ends inside (begin, end): RFC 9162's SUBPROOF.
        let mut whole = true;
        while end != from {
            let middle = begin + split(end - begin);
            if from <= middle {
                path.push(nodes.span(middle, end)?);
                end = middle;
            } else {
                path.push(nodes.span(begin, middle)?);
                begin = middle;
                whole = false;
            }
        }
        if !whole {
            path.push(nodes.span(begin, end)?);
        }
        path.reverse();
    }
    Ok(ConsistencyProof { from, to, path })
}

/// Largest power of two smaller than `length`; `length >= 2`.
fn split(length: u64) -> u64 {
    1 << (63 - (length - 1).leading_zeros())
}

/// Appends leaves and collects the perfect nodes that they complete.
pub(crate) struct Appender {
    size: u64,
    peaks: Vec<Digest>,
    added: Vec<(u8, u64, Digest)>,
}

impl Appender {
    /// The tree of no leaves.
    pub(crate) fn new() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
            added: Vec::new(),
        }
    }

    /// Continues a tree of `size` leaves.
    pub(crate) fn resume<N: Nodes>(nodes: &N, size: u64) -> Result<Self, N::Error> {
        let mut peaks = Vec::new();
        let mut begin = 0;
        for level in (0..64_u8).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(nodes.node(level, begin >> level)?);
            begin += 1 << level;
        }
        Ok(Self {
            size,
            peaks,
            added: Vec::new(),
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn append(&mut self, leaf: Digest) {
        let (mut node, mut level, mut index) = (leaf, 0, self.size);
        self.added.push((level, index, node));
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = node_hash(&left, &node);
            level += 1;
            index >>= 1;
            self.added.push((level, index, node));
        }
        self.peaks.push(node);
        self.size += 1;
    }

    pub(crate) fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }

    /// The new perfect nodes since the last call.
    pub(crate) fn take_added(&mut self) -> Vec<(u8, u64, Digest)> {
        std::mem::take(&mut self.added)
    }

    /// (level, index, hash) of each new perfect node, in order of completion.
    pub(crate) fn into_added(self) -> Vec<(u8, u64, Digest)> {
        self.added
    }
}

/// Nodes with a memory, for many proofs at one size.
pub(crate) struct Memo<'a, N> {
    inner: &'a N,
    /// What was computed or read, by first leaf and end.
    seen: RefCell<HashMap<(u64, u64), Digest>>,
}

impl<'a, N: Nodes> Memo<'a, N> {
    pub(crate) fn new(inner: &'a N, known: &[(u8, u64, Digest)]) -> Self {
        let seen = known
            .iter()
            .map(|(level, index, hash)| ((index << level, (index + 1) << level), *hash))
            .collect();
        Self {
            inner,
            seen: RefCell::new(seen),
        }
    }
}

impl<N: Nodes> Nodes for Memo<'_, N> {
    type Error = N::Error;

    fn node(&self, level: u8, index: u64) -> Result<Digest, N::Error> {
        self.inner.node(level, index)
    }

    fn span(&self, begin: u64, end: u64) -> Result<Digest, N::Error> {
        if let Some(hash) = self.seen.borrow().get(&(begin, end)) {
            return Ok(*hash);
        }
        let hash = compute(self, begin, end)?;
        self.seen.borrow_mut().insert((begin, end), hash);
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Nodes computed from the leaves, by the definition.
    struct Leaves(Vec<Digest>);

    impl Nodes for Leaves {
        type Error = Infallible;

        fn node(&self, level: u8, index: u64) -> Result<Digest, Infallible> {
            if level == 0 {
                return Ok(self.0[index as usize]);
            }
            let left = self.node(level - 1, 2 * index)?;
            Ok(node_hash(&left, &self.node(level - 1, 2 * index + 1)?))
        }
    }

    #[test]
    fn a_memory_changes_no_proof() {
        let leaves = |count: u64| (0..count).map(|at| Digest::of(&at.to_be_bytes())).collect();
        for size in 1..40 {
            let nodes = Leaves(leaves(size));
            for before in 0..size {
                let Ok(mut tree) = Appender::resume(&nodes, before);
                nodes.0[before as usize..]
                    .iter()
                    .for_each(|leaf| tree.append(*leaf));
                let Ok(root) = root_at(&nodes, size);
                assert_eq!(tree.root(), root);
                let memo = Memo::new(&nodes, &tree.into_added());
                for index in 0..size {
                    let plain = inclusion_proof(&nodes, index, size);
                    assert_eq!(inclusion_proof(&memo, index, size), plain);
                    let plain = consistency_proof(&nodes, index, size);
                    assert_eq!(consistency_proof(&memo, index, size), plain);
                }
            }
        }
    }
}
