//! Changes of a block on top of a state that does not move, with undo for an operation
//! that fails.

use base::{OperationId, cid};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use thiserror::Error;

use super::{
    StateHash,
    entry::{self, Entry},
    index::IndexEntry,
    stored::{Shared, Stored, typed},
};

/// A state that cannot be read: the medium failed or the tables are damaged. Never the
/// fault of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The database said so.
    #[error("ledger database: {0}")]
    Storage(String),
    /// An entry is missing or is not what its key says.
    #[error("ledger database is damaged: {0}")]
    Damaged(String),
}

/// Read access to stored entries by stored key.
pub trait Read {
    /// The entry, if there is one.
    ///
    /// # Errors
    /// [`Fault`] of the back-end.
    fn read(&self, key: &[u8]) -> Result<Option<Arc<Stored>>, Fault>;
}

/// Entries in memory: the back-end of replays and tests.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Memory {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Read for Memory {
    fn read(&self, key: &[u8]) -> Result<Option<Arc<Stored>>, Fault> {
        let bytes = self.entries.get(key).cloned();
        Ok(bytes.map(Stored::new))
    }
}

impl Memory {
    /// Every stored key and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    pub(crate) fn write(&mut self, changes: &Changes) {
        for change in &changes.entries {
            self.entries
                .insert(change.key.clone(), change.after.bytes().to_vec());
        }
    }
}

/// What a block changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Entries that differ, by kind, and in the order in which the block came to them.
    pub(crate) entries: Vec<ChangedEntry>,
    /// Index entries to add.
    pub(crate) index: Vec<IndexEntry>,
}

#[derive(Clone, Debug)]
pub(crate) struct ChangedEntry {
    pub(crate) key: Vec<u8>,
    pub(crate) before: Option<Arc<Stored>>,
    pub(crate) after: Arc<Stored>,
}

impl Changes {
    /// Moves a state hash over these changes.
    pub(crate) fn update(&self, hash: &mut StateHash) {
        for change in &self.entries {
            if let Some(before) = &change.before {
                hash.remove(&change.key, before.bytes());
            }
            hash.add(&change.key, change.after.bytes());
        }
    }
}

/// A state with changes that nobody has stored yet. Entries are added and replaced, never
/// removed. Each is decoded once and encoded once, however often a block touches it.
pub struct Overlay<'a> {
    base: &'a dyn Read,
    slots: RefCell<Slots>,
    index: Vec<IndexEntry>,
    /// Key and what was written there before, oldest first.
    undo: Vec<(Vec<u8>, Option<Shared>)>,
    index_mark: usize,
}

/// What is known of a key.
struct Slot {
    /// How many keys were asked for before.
    number: usize,
    /// What the base holds, once it was asked.
    base: Option<Option<Arc<Stored>>>,
    written: Option<Shared>,
}

type Slots = HashMap<Vec<u8>, Slot>;

/// The slot of a key, a new one if need be.
fn slot(slots: &mut Slots, key: Vec<u8>) -> &mut Slot {
    let number = slots.len();
    slots.entry(key).or_insert(Slot {
        number,
        base: None,
        written: None,
    })
}

impl<'a> Overlay<'a> {
    /// No changes yet.
    pub fn new(base: &'a dyn Read) -> Self {
        Self::with_room(base, 0)
    }

    /// No changes yet, but those of so many operations to come.
    pub(crate) fn with_room(base: &'a dyn Read, operations: usize) -> Self {
        Self {
            base,
            slots: RefCell::new(HashMap::with_capacity(6 * operations)),
            index: Vec::with_capacity(3 * operations),
            undo: Vec::new(),
            index_mark: 0,
        }
    }

    /// The entry of a key, if there is one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn get<E: Entry>(&self, key: &E::Key) -> Result<Option<E>, Fault> {
        Ok(self.find(key)?.map(Arc::unwrap_or_clone))
    }

    /// As [`Self::get`], to look at only.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn find<E: Entry>(&self, key: &E::Key) -> Result<Option<Arc<E>>, Fault> {
        let key = entry::stored_key::<E>(key);
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.get(&key) {
            if let Some(written) = &slot.written {
                return typed(written).map(Some);
            }
            if let Some(base) = &slot.base {
                return base.as_ref().map(|stored| stored.entry()).transpose();
            }
        }
        let stored = self.base.read(&key)?;
        let entry = stored.as_ref().map(|stored| stored.entry()).transpose()?;
        slot(&mut slots, key).base = Some(stored);
        Ok(entry)
    }

    /// Adds or replaces an entry.
    pub fn put<E: Entry>(&mut self, key: &E::Key, entry: &E) {
        let key = entry::stored_key::<E>(key);
        let slot = slot(self.slots.get_mut(), key.clone());
        let before = slot.written.replace(Arc::new(entry.clone()));
        self.undo.push((key, before));
    }

    pub(crate) fn list(&mut self, entry: IndexEntry) {
        self.index.push(entry);
    }

    /// From here on, [`Self::roll_back`] undoes.
    pub(crate) fn mark(&mut self) {
        self.undo.clear();
        self.index_mark = self.index.len();
    }

    /// Undoes everything since the last mark.
    pub(crate) fn roll_back(&mut self) {
        let slots = self.slots.get_mut();
        while let Some((key, before)) = self.undo.pop() {
            slot(slots, key).written = before;
        }
        self.index.truncate(self.index_mark);
    }

    /// What differs from the base.
    pub(crate) fn into_changes(self) -> Result<Changes, Fault> {
        let slots = self.slots.into_inner();
        let mut entries = Vec::with_capacity(slots.len());
        for (key, slot) in slots {
            let Some(written) = slot.written else {
                continue;
            };
            let before = match slot.base {
                Some(before) => before,
                None => self.base.read(&key)?,
            };
            let after = Stored::of(written);
            if before
                .as_ref()
                .is_none_or(|before| before.bytes() != after.bytes())
            {
                let order = (key.first().copied(), slot.number);
                entries.push((order, ChangedEntry { key, before, after }));
            }
        }
        entries.sort_unstable_by_key(|(order, _)| *order);
        Ok(Changes {
            entries: entries.into_iter().map(|(_, change)| change).collect(),
            index: self.index,
        })
    }
}

/// The digest in an operation id, if the id has the one form that ids of operations have.
pub(crate) fn operation_key(id: OperationId) -> Option<[u8; 32]> {
    let digest = cid::sha256_digest(&id.0)?;
    (cid::of_digest(cid::DAG_CBOR, digest) == id.0).then_some(digest)
}
