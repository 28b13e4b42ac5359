//! Signatures that were found good lately, so that none is verified twice: an operation comes
//! to a validator from its sender, from other nodes and in blocks, in any order.

use base::{OperationId, key::OperationKey};
use std::{collections::HashSet, mem};

/// What was verified, by [`Signatures::check_batch`]. It holds at least the last `limit` good
/// signatures and at most twice as many, 32 bytes each.
#[derive(Debug)]
pub struct Signatures {
    limit: usize,
    newer: HashSet<Mark>,
    older: HashSet<Mark>,
    verified: u64,
}

impl Signatures {
    /// Remembers the last `limit`.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            newer: HashSet::new(),
            older: HashSet::new(),
            verified: 0,
        }
    }

    /// Operations whose sender's signature was verified, good or not. What was remembered is
    /// not counted; one whose account has several keys in one batch counts once.
    pub fn verified(&self) -> u64 {
        self.verified
    }

    pub(crate) fn count(&mut self) {
        self.verified += 1;
    }

    pub(crate) fn knows(&self, mark: &Mark) -> bool {
        self.newer.contains(mark) || self.older.contains(mark)
    }

    pub(crate) fn keep(&mut self, mark: Mark) {
        if self.newer.len() >= self.limit {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(mark);
    }
}

/// One signature: a hash of everything that it is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Mark(pub(crate) [u8; 32]);

/// Whose signature in an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Sender,
    Ask,
}

impl Mark {
    /// Message, signature and chain stand in the operation's bytes, of which the id is a hash.
    pub(crate) fn of(part: Part, key: &OperationKey, id: OperationId) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(part == Part::Ask)]);
        hasher.update(&key.0);
        hasher.update(id.0.hash().digest());
        Self(*hasher.finalize().as_bytes())
    }
}
