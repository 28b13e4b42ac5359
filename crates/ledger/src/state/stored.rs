//! An entry as it is stored, and decoded once for all who look at it.

use base::codec;
use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use super::{Fault, entry::Entry};

/// The stored bytes of an entry.
pub struct Stored {
    bytes: Vec<u8>,
    entry: OnceLock<Shared>,
    row: OnceLock<u64>,
}

/// An entry of any kind, decoded.
pub(super) type Shared = Arc<dyn Kind>;

/// See [`Shared`].
pub(super) trait Kind: Send + Sync {
    fn bytes(&self) -> Vec<u8>;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<E: Entry> Kind for E {
    fn bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Stored {
    /// As read from a back-end.
    pub(crate) fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            entry: OnceLock::new(),
            row: OnceLock::new(),
        })
    }

    /// As it will be stored.
    pub(super) fn of(entry: Shared) -> Arc<Self> {
        Arc::new(Self {
            bytes: entry.bytes(),
            entry: OnceLock::from(entry),
            row: OnceLock::new(),
        })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the tables keep it, if they told.
    pub(crate) fn row(&self) -> Option<u64> {
        self.row.get().copied()
    }

    /// Notes where the tables keep it: the same place for good.
    pub(crate) fn set_row(&self, row: u64) {
        let _ = self.row.set(row);
    }

    /// The entry, which is of the kind that its key says.
    pub(super) fn entry<E: Entry>(&self) -> Result<Arc<E>, Fault> {
        if let Some(known) = self.entry.get() {
            return typed(known);
        }
        let entry: E = codec::decode_lenient(&self.bytes)
            .map_err(|error| Fault::Damaged(error.to_string()))?;
        let entry = Arc::new(entry);
        let _ = self.entry.set(Arc::<E>::clone(&entry)); // another thread was as quick
        Ok(entry)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({} bytes)", self.bytes.len())
    }
}

/// The entry as the kind that its key says.
pub(super) fn typed<E: Entry>(entry: &Shared) -> Result<Arc<E>, Fault> {
    Arc::clone(entry)
        .into_any()
        .downcast()
        .map_err(|_| Fault::Damaged("an entry of another kind".into()))
}
