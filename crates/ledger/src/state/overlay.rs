//! Changes of a block on top of a state that does not move, with undo for an operation
//! that fails.

use base::{OperationId, cid, codec};
use std::{
    any::Any,
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
};
use thiserror::Error;

use super::{
    StateHash,
    entry::{self, Entry},
    index::IndexEntry,
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
    /// The value, if there is one.
    ///
    /// # Errors
    /// [`Fault`] of the back-end.
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;
}

/// Entries in memory: the back-end of replays and tests.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Memory {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Read for Memory {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.entries.get(key).cloned())
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
                .insert(change.key.clone(), change.after.clone());
        }
    }
}

/// What a block changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Entries that differ, in key order.
    pub(crate) entries: Vec<ChangedEntry>,
    /// Index entries to add.
    pub(crate) index: Vec<IndexEntry>,
}

#[derive(Clone, Debug)]
pub(crate) struct ChangedEntry {
    pub(crate) key: Vec<u8>,
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) after: Vec<u8>,
}

impl Changes {
    /// Moves a state hash over these changes.
    pub(crate) fn update(&self, hash: &mut StateHash) {
        for change in &self.entries {
            if let Some(before) = &change.before {
                hash.remove(&change.key, before);
            }
            hash.add(&change.key, &change.after);
        }
    }
}

/// A state with changes that nobody has stored yet. Entries are added and replaced, never
/// removed. Each is decoded once and encoded once, however often a block touches it.
pub struct Overlay<'a> {
    base: &'a dyn Read,
    seen: RefCell<HashMap<Vec<u8>, Seen>>,
    written: HashMap<Vec<u8>, Shared>,
    index: Vec<IndexEntry>,
    /// Key and what was written there before, oldest first.
    undo: Vec<(Vec<u8>, Option<Shared>)>,
    index_mark: usize,
}

/// What the base holds under a key.
struct Seen {
    bytes: Option<Vec<u8>>,
    entry: Option<Shared>,
}

/// An entry of any kind, decoded.
type Shared = Rc<dyn Stored>;

/// See [`Shared`].
trait Stored {
    fn bytes(&self) -> Vec<u8>;
    fn as_any(&self) -> &dyn Any;
}

impl<E: Entry> Stored for E {
    fn bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<'a> Overlay<'a> {
    /// No changes yet.
    pub fn new(base: &'a dyn Read) -> Self {
        Self {
            base,
            seen: RefCell::default(),
            written: HashMap::new(),
            index: Vec::new(),
            undo: Vec::new(),
            index_mark: 0,
        }
    }

    /// The entry of a key, if there is one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn get<E: Entry>(&self, key: &E::Key) -> Result<Option<E>, Fault> {
        let key = entry::stored_key::<E>(key);
        if let Some(entry) = self.written.get(&key) {
            return typed(entry).map(Some);
        }
        if let Some(seen) = self.seen.borrow().get(&key) {
            return seen.entry.as_ref().map(typed).transpose();
        }
        let bytes = self.base.read(&key)?;
        let entry = bytes.as_deref().map(decode::<E>).transpose()?;
        let stored = entry.clone().map(|entry| -> Shared { Rc::new(entry) });
        let seen = Seen {
            bytes,
            entry: stored,
        };
        self.seen.borrow_mut().insert(key, seen);
        Ok(entry)
    }

    /// Adds or replaces an entry.
    pub fn put<E: Entry>(&mut self, key: &E::Key, entry: &E) {
        let key = entry::stored_key::<E>(key);
        let before = self.written.insert(key.clone(), Rc::new(entry.clone()));
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
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(entry) => self.written.insert(key, entry),
                None => self.written.remove(&key),
            };
        }
        self.index.truncate(self.index_mark);
    }

    /// What differs from the base; entries and lists in key order.
    pub(crate) fn into_changes(mut self) -> Result<Changes, Fault> {
        let mut seen = self.seen.into_inner();
        let mut entries = Vec::with_capacity(self.written.len());
        for (key, entry) in self.written {
            let before = match seen.remove(&key) {
                Some(seen) => seen.bytes,
                None => self.base.read(&key)?,
            };
            let after = entry.bytes();
            if before.as_deref() != Some(&after) {
                entries.push(ChangedEntry { key, before, after });
            }
        }
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        self.index.sort_by_cached_key(IndexEntry::key);
        Ok(Changes {
            entries,
            index: self.index,
        })
    }
}

/// The entry as the kind that its key says.
fn typed<E: Entry>(entry: &Shared) -> Result<E, Fault> {
    let entry = (**entry).as_any().downcast_ref::<E>();
    entry
        .cloned()
        .ok_or_else(|| Fault::Damaged("an entry of another kind".into()))
}

fn decode<E: Entry>(bytes: &[u8]) -> Result<E, Fault> {
    codec::decode_lenient(bytes).map_err(|error| Fault::Damaged(error.to_string()))
}

/// The digest in an operation id, if the id has the one form that ids of operations have.
pub(crate) fn operation_key(id: OperationId) -> Option<[u8; 32]> {
    let digest = cid::sha256_digest(&id.0)?;
    (cid::of_digest(cid::DAG_CBOR, digest) == id.0).then_some(digest)
}
