//! Idempotency keys: a call that is sent again under its key is not done again, and gets the
//! answer of the first time. Kept in memory, for the newest thousand that were done: after a
//! restart of the process a program looks at the ledger for what became of its call.

use base::Digest;
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// What was done under which key.
#[derive(Default)]
pub(super) struct Once(Mutex<Keys>);

#[derive(Default)]
struct Keys {
    known: HashMap<String, Slot>,
    oldest: VecDeque<String>,
}

/// A call under a key: locked while it is being done, full once it is.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Done>>>;

/// A call that was done.
pub(super) struct Done {
    /// Of everything that was asked for.
    pub(super) asked: Digest,
    /// What it gave.
    pub(super) items: Vec<Value>,
}

impl Once {
    /// The place of `key`.
    pub(super) fn slot(&self, key: &str) -> Slot {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = keys.known.get(key) {
            return Arc::clone(slot);
        }
        if keys.oldest.len() >= MOST
            && let Some(oldest) = keys.oldest.pop_front()
        {
            keys.known.remove(&oldest);
        }
        let slot = Slot::default();
        keys.known.insert(key.to_owned(), Arc::clone(&slot));
        keys.oldest.push_back(key.to_owned());
        slot
    }
}

/// Keys that are remembered.
const MOST: usize = 1000;
/// Longest key, in bytes.
pub(super) const LONGEST: usize = 255;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn so_many_keys_are_remembered() {
        let once = Once::default();
        let first = once.slot("0");
        assert!(Arc::ptr_eq(&first, &once.slot("0")));
        for key in 1..=MOST {
            once.slot(&key.to_string());
        }
        assert!(!Arc::ptr_eq(&first, &once.slot("0")));
        assert_eq!(once.0.lock().unwrap().known.len(), MOST);
    }
}
