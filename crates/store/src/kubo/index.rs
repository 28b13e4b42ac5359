//! What a Kubo does not know, in one redb file beside it: how often each root is pinned, which blocks a root
//! reaches, what came up and was not pinned yet, and what is to be deleted.
//!
//! ```text
//! about    "format" -> "medshare-kubo 1", "name" -> the name of our pins in that Kubo
//! pins     root -> number of pins
//! trees    root -> blocks it reaches, itself among them, held or not
//! reached  block -> roots that reach it: `trees` the other way round
//! fresh    block -> when it came, milliseconds since 1970; until a root that reaches it is pinned
//! doomed   block; not yet deleted from the Kubo
//! ```

use super::OpenError;
use crate::{PutError, block};
use base::cid::{self, Cid};
use redb::{
    Database, MultimapTableDefinition, ReadableDatabase as _, ReadableMultimapTable,
    ReadableTable as _, TableDefinition, WriteTransaction,
};
use std::{
    collections::HashSet,
    io,
    ops::RangeInclusive,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// A block's name in the tables: its digest, then its codec. Both forms of a CID have the same.
pub(super) type Key = [u8; 33];

type Multimap = MultimapTableDefinition<'static, Key, Key>;

const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");
const PINS: TableDefinition<'_, Key, u64> = TableDefinition::new("pins");
const TREES: Multimap = MultimapTableDefinition::new("trees");
const REACHED: Multimap = MultimapTableDefinition::new("reached");
const FRESH: TableDefinition<'_, Key, u64> = TableDefinition::new("fresh");
const DOOMED: TableDefinition<'_, Key, ()> = TableDefinition::new("doomed");

const FORMAT: &str = "medshare-kubo 1";
const CACHE: usize = 8 << 20;

/// The database failed.
#[derive(Debug)]
pub(super) struct Fault(redb::Error);

macro_rules! from_redb {
    ($($error:ident)*) => {$(
        impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self { Self(error.into()) }
        }
    )*};
}
from_redb!(DatabaseError TransactionError TableError StorageError CommitError);

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault.0 {
            redb::Error::Io(error) => error,
            other => Self::other(other),
        }
    }
}

impl From<Fault> for PutError {
    fn from(fault: Fault) -> Self {
        io::Error::from(fault).into()
    }
}

type Result<T> = std::result::Result<T, Fault>;

/// The name of a CID in the tables; `None` if no block of its kind is kept.
pub(super) fn key(cid: &Cid) -> Option<Key> {
    let mut key = [0; 33];
    key[..32].copy_from_slice(&block::digest(cid)?);
    key[32] = u8::try_from(cid.codec()).ok()?;
    Some(key)
}

/// The version 1 CID of a name in the tables.
pub(super) fn named(key: &Key) -> Cid {
    let mut digest = [0; 32];
    digest.copy_from_slice(&key[..32]);
    cid::of_digest(key[32].into(), digest)
}

/// The names of one digest under every codec: a Kubo holds the bytes once.
fn aliases(key: &Key) -> RangeInclusive<Key> {
    let (mut first, mut last) = (*key, *key);
    (first[32], last[32]) = (0, u8::MAX);
    first..=last
}

/// What [`Index::take_pin`] did.
pub(super) enum Taken {
    /// The root had no pin.
    NotPinned,
    /// It has so many left.
    Left(u64),
}

/// The file.
pub(super) struct Index {
    database: Database,
    name: String,
}

impl Index {
    /// Opens or makes the file.
    pub(super) fn open(path: &Path) -> std::result::Result<Self, OpenError> {
        let failed = |fault: Fault| match fault.0 {
            redb::Error::DatabaseAlreadyOpen => OpenError::InUse(path.to_owned()),
            other => OpenError::Index {
                path: path.to_owned(),
                source: Fault(other).into(),
            },
        };
        let open = || -> Result<(Database, String, String)> {
            let database = Database::builder().set_cache_size(CACHE).create(path)?;
            let write = database.begin_write()?;
            let (format, name) = {
                let mut about = write.open_table(ABOUT)?;
                if about.get("format")?.is_none() {
                    about.insert("format", FORMAT)?;
                    about.insert("name", &*new_name()?)?;
                }
                let word = |key| -> Result<String> {
                    Ok(about
                        .get(key)?
                        .map(|word| word.value().to_owned())
                        .unwrap_or_default())
                };
                (word("format")?, word("name")?)
            };
            write.open_table(PINS)?;
            write.open_multimap_table(TREES)?;
            write.open_multimap_table(REACHED)?;
            write.open_table(FRESH)?;
            write.open_table(DOOMED)?;
            write.commit()?;
            Ok((database, format, name))
        };
        let (database, format, name) = open().map_err(failed)?;
        if format != FORMAT {
            return Err(OpenError::Index {
                path: path.to_owned(),
                source: io::Error::other(format!("it is of another version: {format:?}")),
            });
        }
        Ok(Self { database, name })
    }

    /// The name of our pins in the Kubo, which nobody else's have.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Every pinned root with its pins.
    pub(super) fn pins(&self) -> Result<Vec<(Cid, u64)>> {
        let pins = self.database.begin_read()?.open_table(PINS)?;
        pins.iter()?
            .map(|row| {
                let (root, count) = row?;
                Ok((named(&root.value()), count.value()))
            })
            .collect()
    }

    /// The pinned roots that reach a block.
    pub(super) fn roots_of(&self, key: &Key) -> Result<Vec<Key>> {
        let reached = self.database.begin_read()?.open_multimap_table(REACHED)?;
        let mut roots = Vec::new();
        for row in reached.range(aliases(key))? {
            for root in row?.1 {
                roots.push(root?.value());
            }
        }
        roots.sort_unstable();
        roots.dedup();
        Ok(roots)
    }

    /// Of these blocks, those that a pinned root reaches.
    pub(super) fn reached_of(&self, keys: &[Key]) -> Result<Vec<Key>> {
        let reached = self.database.begin_read()?.open_multimap_table(REACHED)?;
        let mut found = Vec::new();
        for key in keys {
            if is_reached(&reached, key)? {
                found.push(*key);
            }
        }
        Ok(found)
    }

    /// Every block that a pinned root reaches.
    pub(super) fn reached(&self) -> Result<HashSet<Key>> {
        let reached = self.database.begin_read()?.open_multimap_table(REACHED)?;
        reached
            .range::<Key>(..)?
            .map(|row| Ok(row?.0.value()))
            .collect()
    }

    /// Whether the block came and no root that reaches it was pinned since.
    pub(super) fn is_fresh(&self, key: &Key) -> Result<bool> {
        let fresh = self.database.begin_read()?.open_table(FRESH)?;
        Ok(fresh.get(key)?.is_some())
    }

    /// Notes that these blocks come now, before they do.
    pub(super) fn note(&self, keys: &[Key]) -> Result<()> {
        let now = milliseconds(SystemTime::now());
        self.write(|write| {
            let mut fresh = write.open_table(FRESH)?;
            let mut doomed = write.open_table(DOOMED)?;
            for key in keys {
                fresh.insert(key, now)?;
                doomed.retain_in(aliases(key), |_, ()| false)?;
            }
            Ok(())
        })
    }

    /// Adds a pin to a root that has one; `None` if it has none.
    pub(super) fn add_pin(&self, root: &Key) -> Result<Option<u64>> {
        let has = self.database.begin_read()?.open_table(PINS)?;
        if has.get(root)?.is_none() {
            return Ok(None);
        }
        self.pin(root, &[]).map(Some)
    }

    /// Adds a pin to a root that reaches these blocks; what a pin holds is fresh no more. The pins it has now.
    pub(super) fn pin(&self, root: &Key, tree: &[Key]) -> Result<u64> {
        self.write(|write| {
            extend(write, tree.iter().map(|block| (*root, *block)))?;
            let trees = write.open_multimap_table(TREES)?;
            let mut fresh = write.open_table(FRESH)?;
            for block in trees.get(root)? {
                fresh.remove(block?.value())?;
            }
            let mut pins = write.open_table(PINS)?;
            let count = pins.get(root)?.map_or(0, |count| count.value());
            let count = count.saturating_add(1);
            pins.insert(root, count)?;
            Ok(count)
        })
    }

    /// Adds blocks, each with the root that reaches it, to the trees of pinned roots.
    pub(super) fn extend(&self, rows: &[(Key, Key)]) -> Result<()> {
        self.write(|write| extend(write, rows.iter().copied()))
    }

    /// Takes a pin from a root. With its last one what it alone reaches is doomed, except what came since.
    pub(super) fn take_pin(&self, root: &Key) -> Result<Taken> {
        self.write(|write| {
            let mut pins = write.open_table(PINS)?;
            let left = match pins.get(root)?.map(|count| count.value()) {
                None | Some(0) => return Ok(Taken::NotPinned),
                Some(count) => count - 1,
            };
            if left > 0 {
                pins.insert(root, left)?;
                return Ok(Taken::Left(left));
            }
            pins.remove(root)?;
            let mut trees = write.open_multimap_table(TREES)?;
            let mut reached = write.open_multimap_table(REACHED)?;
            let mut tree = Vec::new();
            for block in trees.remove_all(root)? {
                let block = block?.value();
                reached.remove(block, root)?;
                tree.push(block);
            }
            let fresh = write.open_table(FRESH)?;
            let mut doomed = write.open_table(DOOMED)?;
            for block in tree {
                let came = fresh.range(aliases(&block))?.next().transpose()?.is_some();
                if !came && !is_reached(&reached, &block)? {
                    doomed.insert(block, ())?;
                }
            }
            Ok(Taken::Left(0))
        })
    }

    /// Dooms what came before `until` and no pinned root reaches. What is doomed then, and how many blocks are too
    /// young for it.
    pub(super) fn doom(&self, until: SystemTime) -> Result<(Vec<Key>, u64)> {
        let until = milliseconds(until);
        self.write(|write| {
            let reached = write.open_multimap_table(REACHED)?;
            let mut fresh = write.open_table(FRESH)?;
            let mut doomed = write.open_table(DOOMED)?;
            let (mut old, mut recent) = (Vec::new(), 0);
            for row in fresh.iter()? {
                let (block, came) = row?;
                match (came.value() <= until, is_reached(&reached, &block.value())?) {
                    (true, held) => old.push((block.value(), held)),
                    (false, true) => {}
                    (false, false) => recent += 1,
                }
            }
            for (block, held) in old {
                fresh.remove(block)?;
                if !held {
                    doomed.insert(block, ())?;
                }
            }
            let doomed: Result<_> = doomed.iter()?.map(|row| Ok(row?.0.value())).collect();
            Ok((doomed?, recent))
        })
    }

    /// What is to be deleted.
    pub(super) fn doomed(&self) -> Result<Vec<Key>> {
        let doomed = self.database.begin_read()?.open_table(DOOMED)?;
        doomed.iter()?.map(|row| Ok(row?.0.value())).collect()
    }

    /// These are deleted, or shall stay.
    pub(super) fn spare(&self, keys: &[Key]) -> Result<()> {
        self.write(|write| {
            let mut doomed = write.open_table(DOOMED)?;
            for key in keys {
                doomed.remove(key)?;
            }
            Ok(())
        })
    }

    fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let write = self.database.begin_write()?;
        let done = work(&write)?;
        write.commit()?;
        Ok(done)
    }
}

fn extend(write: &WriteTransaction, rows: impl Iterator<Item = (Key, Key)>) -> Result<()> {
    let mut trees = write.open_multimap_table(TREES)?;
    let mut reached = write.open_multimap_table(REACHED)?;
    let mut doomed = write.open_table(DOOMED)?;
    for (root, block) in rows {
        trees.insert(root, block)?;
        reached.insert(block, root)?;
        doomed.retain_in(aliases(&block), |_, ()| false)?;
    }
    Ok(())
}

fn is_reached(reached: &impl ReadableMultimapTable<Key, Key>, key: &Key) -> Result<bool> {
    Ok(reached.range(aliases(key))?.next().transpose()?.is_some())
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn new_name() -> Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| Fault(redb::Error::Io(io::Error::other(error))))?;
    Ok(format!("{NAME_PREFIX}{:016x}", u64::from_ne_bytes(random)))
}

/// The file's name in its folder.
pub(super) const FILE: &str = "kubo.redb";
/// What the names of all our pins begin with.
pub(super) const NAME_PREFIX: &str = "medshare-";
