//! Entries that were read or written lately, ready to use: what a block touches, the next
//! one mostly touches again.

use std::{collections::HashMap, sync::Arc};

use crate::state::{Changes, Stored};

/// Bytes that an entry takes beside its own.
const OVERHEAD: usize = 256;

/// Entries as of one block. When they are too many, those not asked for since the last
/// time go.
pub(super) struct Recent {
    height: u64,
    young: HashMap<Vec<u8>, Arc<Stored>>,
    old: HashMap<Vec<u8>, Arc<Stored>>,
    /// Of the young ones.
    bytes: usize,
    limit: usize,
}

impl Recent {
    /// Nothing yet, as of `height`; at most about `limit` bytes.
    pub(super) fn new(height: u64, limit: usize) -> Self {
        Self {
            height,
            young: HashMap::new(),
            old: HashMap::new(),
            bytes: 0,
            limit,
        }
    }

    /// The entry of a key as of `height`, if it is here.
    pub(super) fn find(&mut self, height: u64, key: &[u8]) -> Option<Arc<Stored>> {
        if height != self.height {
            return None;
        }
        if let Some(found) = self.young.get(key) {
            return Some(Arc::clone(found));
        }
        let (key, found) = self.old.remove_entry(key)?;
        self.put(key, Arc::clone(&found));
        Some(found)
    }

    /// Keeps what was read as of `height`.
    pub(super) fn keep(&mut self, height: u64, key: &[u8], entry: &Arc<Stored>) {
        if height == self.height {
            self.put(key.to_vec(), Arc::clone(entry));
        }
    }

    /// Goes on to the next block.
    pub(super) fn advance(&mut self, height: u64, changes: Changes) {
        self.height = height;
        for change in changes.entries {
            self.old.remove(&change.key);
            self.put(change.key, change.after);
        }
    }

    fn put(&mut self, key: Vec<u8>, entry: Arc<Stored>) {
        // Bytes, and about as much again once it is decoded.
        self.bytes += OVERHEAD + key.len() + 2 * entry.bytes().len();
        self.young.insert(key, entry);
        if self.bytes > self.limit / 2 {
            let room = HashMap::with_capacity(self.young.len());
            self.old = std::mem::replace(&mut self.young, room);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_what_is_asked_for_stays() {
        let limit = 100_000;
        let mut recent = Recent::new(3, limit);
        let mut most = 0;
        for round in 0..10_000_u32 {
            recent.keep(3, &round.to_be_bytes(), &Stored::new(vec![1; 100]));
            if round == 0 {
                continue;
            }
            assert!(recent.find(3, &0_u32.to_be_bytes()).is_some(), "{round}");
            let held = recent.young.len() + recent.old.len();
            assert!(held * (OVERHEAD + 204) <= limit + 1_000);
            most = most.max(held);
        }
        assert!(most * (OVERHEAD + 204) > limit * 9 / 10, "{most}");
        assert!(recent.find(3, &1_u32.to_be_bytes()).is_none());
    }

    #[test]
    fn another_block_has_other_entries() {
        let mut recent = Recent::new(3, 1 << 20);
        recent.keep(3, b"key", &Stored::new(vec![1]));
        assert!(recent.find(2, b"key").is_none());
        recent.keep(2, b"late", &Stored::new(vec![1]));
        assert!(recent.find(3, b"late").is_none());
        recent.advance(4, Changes::default());
        assert!(recent.find(3, b"key").is_none());
        assert_eq!(recent.find(4, b"key").unwrap().bytes(), [1]);
    }
}
