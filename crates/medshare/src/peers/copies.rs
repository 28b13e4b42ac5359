//! Copies that this node keeps for other hospitals: what was promised and what is pinned,
//! durable, within a capacity.
//!
//! A copy's life: promised when the publisher's node asked, pinned once all of it is here,
//! let go when its record is erased, its state is not the record's current one any more, or
//! the publisher's node takes it back.

use ::database::Tables;
use base::{AccountId, Cid, Millis, RecordId, Version, codec};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};
use thiserror::Error;

use crate::{exit::Result, home::database};

/// The copies of one node.
pub struct Copies {
    tables: Tables,
    capacity: u64,
    /// Bytes of all of them.
    used: Mutex<u64>,
}

/// One copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    #[serde(rename = "v")]
    version: Version,
    /// Root of the state.
    pub root: Cid,
    /// Its record.
    pub record: RecordId,
    /// The node that asked.
    pub giver: AccountId,
    /// Bytes that it may have, as its giver said.
    pub bytes: u64,
    /// When it was promised.
    pub since: Millis,
    /// Whether all of it is here and pinned.
    pub pinned: bool,
}

impl Copy {
    /// A copy that is promised.
    pub fn promised(
        root: Cid,
        record: RecordId,
        giver: AccountId,
        bytes: u64,
        since: Millis,
    ) -> Self {
        Self {
            version: Version,
            root,
            record,
            giver,
            bytes,
            since,
            pinned: false,
        }
    }
}

/// Why a copy is not promised.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CopiesError {
    /// No room.
    #[error("no room: {used} of {capacity} bytes are promised")]
    Full {
        /// Bytes promised.
        used: u64,
        /// Most bytes.
        capacity: u64,
    },
    /// The database failed.
    #[error("the table of copies failed: {0}")]
    Storage(#[from] redb::Error),
}

macro_rules! from_redb {
    ($($error:ident)*) => {$(
        impl From<redb::$error> for CopiesError {
            fn from(error: redb::$error) -> Self { Self::Storage(error.into()) }
        }
    )*};
}
from_redb!(TransactionError TableError StorageError CommitError);

type Done<T> = std::result::Result<T, CopiesError>;

impl Copies {
    /// Opens or makes the table at `path`, for at most `capacity` bytes.
    ///
    /// # Errors
    /// A [`crate::exit::Fault`] naming the file.
    pub fn open(path: &Path, capacity: u64) -> Result<Self> {
        let name = path.display().to_string();
        let tables = if path.symlink_metadata().is_ok() {
            database::open(path, CACHE_BYTES, TABLES_VERSION)?
        } else {
            database::create(path, CACHE_BYTES, TABLES_VERSION, first)?
        };
        let copies = Self {
            tables,
            capacity,
            used: Mutex::new(0),
        };
        let all = copies.all().map_err(|error| {
            crate::exit::Fault::new(crate::exit::Exit::Storage, format!("{name}: {error}"))
        })?;
        *copies.used() = all.iter().map(|copy| copy.bytes).sum();
        Ok(copies)
    }

    /// Bytes promised, and the most there may be.
    pub fn room(&self) -> (u64, u64) {
        (*self.used(), self.capacity)
    }

    /// Promises a copy; one that is promised already stays as it is.
    ///
    /// # Errors
    /// [`CopiesError`].
    pub fn promise(&self, copy: &Copy) -> Done<()> {
        let mut used = self.used();
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        {
            let mut copies = transaction.open_table(COPIES)?;
            let root = copy.root.to_bytes();
            if copies.get(root.as_slice())?.is_some() {
                return Ok(());
            }
            let sum = used.saturating_add(copy.bytes);
            if sum > self.capacity {
                return Err(CopiesError::Full {
                    used: *used,
                    capacity: self.capacity,
                });
            }
            copies.insert(root.as_slice(), codec::encode(copy).as_slice())?;
            *used = sum;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Notes that all of a copy is here and pinned.
    ///
    /// # Errors
    /// [`CopiesError::Storage`].
    pub fn keep(&self, copy: &Copy) -> Done<()> {
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        let kept = Copy {
            pinned: true,
            ..*copy
        };
        transaction.open_table(COPIES)?.insert(
            copy.root.to_bytes().as_slice(),
            codec::encode(&kept).as_slice(),
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// Forgets a copy.
    ///
    /// # Errors
    /// [`CopiesError::Storage`].
    pub fn forget(&self, copy: &Copy) -> Done<()> {
        let mut used = self.used();
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        let root = copy.root.to_bytes();
        let had = transaction
            .open_table(COPIES)?
            .remove(root.as_slice())?
            .is_some();
        transaction.commit()?;
        if had {
            *used = used.saturating_sub(copy.bytes);
        }
        Ok(())
    }

    /// Every copy, by root.
    ///
    /// # Errors
    /// [`CopiesError::Storage`].
    pub fn all(&self) -> Done<Vec<Copy>> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let copies = view.open_table(COPIES)?;
        let mut all = Vec::new();
        for entry in copies.iter()? {
            let (_, bytes) = entry?;
            all.extend(codec::decode_lenient::<Copy>(bytes.value()).ok());
        }
        Ok(all)
    }

    fn used(&self) -> std::sync::MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a new file begins with.
fn first(database: &Database) -> std::result::Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(COPIES)?;
    transaction.commit()?;
    Ok(())
}

/// Version of the tables of `copies.redb`.
pub(crate) const TABLES_VERSION: u32 = 1;
const COPIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("copies");
const CACHE_BYTES: usize = 1 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base::cid;

    #[test]
    fn room_is_counted_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copies.redb");
        let copy = |name: &str, bytes| {
            let root = cid::of_object(name.as_bytes());
            Copy::promised(
                root,
                RecordId([1; 32]),
                AccountId([2; 32]),
                bytes,
                Millis(3),
            )
        };
        let copies = Copies::open(&path, 100).unwrap();
        copies.promise(&copy("a", 60)).unwrap();
        copies.promise(&copy("a", 60)).unwrap(); // once
        assert!(matches!(
            copies.promise(&copy("b", 41)),
            Err(CopiesError::Full {
                used: 60,
                capacity: 100
            })
        ));
        copies.promise(&copy("b", 40)).unwrap();
        copies.keep(&copy("a", 60)).unwrap();
        drop(copies);
        let copies = Copies::open(&path, 100).unwrap();
        assert_eq!(copies.room(), (100, 100));
        assert_eq!(
            copies
                .all()
                .unwrap()
                .iter()
                .filter(|copy| copy.pinned)
                .count(),
            1
        );
        copies.forget(&copy("a", 60)).unwrap();
        copies.forget(&copy("a", 60)).unwrap();
        assert_eq!(copies.room(), (40, 100));
        assert!(copies.promise(&copy("c", u64::MAX)).is_err());
    }
}
