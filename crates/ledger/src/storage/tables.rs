//! The tables and a read snapshot of them.

use base::Digest;
use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata as _, TableDefinition,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    known::Known,
    numbers::{Waiting, entry_name},
    recent::Recent,
    session::Beside,
};
use crate::{
    log::Nodes,
    state::{
        Fault, Read, Stored,
        entry::{Entry as _, Institution, Standing},
    },
};

/// `genesis`, `state-hash`, `next-number`, `turn`; the version of the tables stands beside
/// them.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Height -> canonical [`crate::Head`].
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// Leaf index -> canonical [`crate::Leaf`].
pub(super) const LEAVES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("leaves");
/// Number -> hashes of [`NODES_EACH`] perfect subtrees, in the order of [`node_place`]; the
/// last row is shorter.
pub(super) const NODES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("nodes");
/// Just about a page.
pub(super) const NODES_EACH: u64 = 120;
/// Digest -> number: see `super::numbers`.
pub(super) const NUMBERS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("numbers");
/// Height -> pairs that [`NUMBERS`] lacks.
pub(super) const WAITING: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("waiting");
/// Row -> entry of the state, in the order in which entries came up: [`row_bytes`]. What
/// came up together is mostly changed together.
pub(super) const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
/// Key -> entry of the few kinds that are read from first to last ([`is_scanned`]).
pub(super) const SCANNED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("scanned");
/// [`list_key`] -> item.
pub(super) const LISTS: TableDefinition<'_, &[u8; 17], &[u8; 32]> = TableDefinition::new("lists");

/// Height of the last block that a set of validators decided -> canonical
/// [`crate::ValidatorSet`] of the next height. Not there before the first change.
pub(super) const HAND_OVERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("hand-overs");

/// The place of a perfect subtree among all of them, in the order in which they are
/// completed: every block writes at the end. No tree has 2^62 leaves.
pub(super) fn node_place(level: u8, index: u64) -> u64 {
    let last = ((index + 1) << level) - 1; // leaf that completes it
    2 * last - last.count_ones() as u64 + level as u64
}

/// Number of a list's subject, kind of the list, leaf index, big-endian: all lists of one
/// account lie together, each in log order.
pub(super) fn list_key(subject: u64, kind: u8, leaf: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&subject.to_be_bytes());
    key[8] = kind;
    key[9..].copy_from_slice(&leaf.to_be_bytes());
    key
}

/// Whether a kind of entry is kept in [`SCANNED`], by the tag of its key.
pub(super) fn is_scanned(key: &[u8]) -> bool {
    matches!(key.first(), Some(&(Institution::TAG | Standing::TAG)))
}

/// Length of the key, key, value. Keys are shorter than 256 bytes.
pub(super) fn row_bytes(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&[key.len() as u8], key, value].concat()
}

/// Key and value of a row.
pub(super) fn of_row(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    bytes
        .split_first()
        .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
        .ok_or_else(|| damaged("a row of the state"))
}

/// Any error of the database, in words.
pub(super) fn fault(error: impl Into<redb::Error>) -> Fault {
    match error.into() {
        redb::Error::Corrupted(what) => Fault::Damaged(what),
        // Damage that a read met, or no database at all.
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Fault::Damaged(error.to_string())
        }
        error @ (redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)) => Fault::Damaged(error.to_string()),
        other => Fault::Storage(other.to_string()),
    }
}

/// Tables that are not what they must be.
pub(super) fn damaged(what: &str) -> Fault {
    Fault::Damaged(what.to_owned())
}

/// Every table at one moment.
pub(super) struct Snapshot {
    height: u64,
    waiting: Arc<Waiting>,
    known: Arc<Known>,
    recent: Arc<Mutex<Recent>>,
    pub(super) meta: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(super) blocks: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) leaves: ReadOnlyTable<u64, &'static [u8]>,
    nodes: ReadOnlyTable<u64, &'static [u8]>,
    numbers: ReadOnlyTable<&'static [u8; 32], u64>,
    pub(super) rows: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) scanned: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) lists: ReadOnlyTable<&'static [u8; 17], &'static [u8; 32]>,
    pub(super) hand_overs: Option<ReadOnlyTable<u64, &'static [u8]>>,
}

impl Snapshot {
    /// None if what waited at this height is not known any more: a newer block is there.
    pub(super) fn new(
        transaction: &ReadTransaction,
        beside: &Beside,
    ) -> Result<Option<Self>, Fault> {
        let blocks = transaction.open_table(BLOCKS).map_err(fault)?;
        let height = last_height(&blocks)?;
        let Some(waiting) = beside.versions.at(height) else {
            return Ok(None);
        };
        Ok(Some(Self {
            height,
            waiting,
            known: Arc::clone(&beside.known),
            recent: Arc::clone(&beside.recent),
            meta: transaction.open_table(META).map_err(fault)?,
            blocks,
            leaves: transaction.open_table(LEAVES).map_err(fault)?,
            nodes: transaction.open_table(NODES).map_err(fault)?,
            numbers: transaction.open_table(NUMBERS).map_err(fault)?,
            rows: transaction.open_table(ROWS).map_err(fault)?,
            scanned: transaction.open_table(SCANNED).map_err(fault)?,
            lists: transaction.open_table(LISTS).map_err(fault)?,
            hand_overs: match transaction.open_table(HAND_OVERS) {
                Ok(table) => Some(table),
                Err(redb::TableError::TableDoesNotExist(_)) => None,
                Err(error) => return Err(fault(error)),
            },
        }))
    }

    /// Nodes of the tree.
    pub(super) fn node_count(&self) -> Result<u64, Fault> {
        let last = self.nodes.last().map_err(fault)?;
        Ok(last.map_or(0, |(number, row)| {
            number.value() * NODES_EACH + row.value().len() as u64 / 32
        }))
    }

    /// Digests that have a number, and how many there must be.
    pub(super) fn digest_count(&self) -> Result<(u64, u64), Fault> {
        let waiting = self.waiting.digests().count() as u64;
        let found = waiting + self.numbers.len().map_err(fault)?;
        let next = self.meta.get("next-number").map_err(fault)?;
        let next = next.and_then(|next| Some(u64::from_be_bytes(next.value().try_into().ok()?)));
        let rows_and_subjects = next.and_then(|next| next.checked_sub(1));
        let rows_and_subjects = rows_and_subjects.ok_or_else(|| damaged("the next number"))?;
        Ok((found, rows_and_subjects + self.leaves.len().map_err(fault)?))
    }

    /// Entries of the state.
    pub(super) fn entry_count(&self) -> Result<u64, Fault> {
        Ok(self.rows.len().map_err(fault)? + self.scanned.len().map_err(fault)?)
    }

    /// The number of a digest.
    pub(super) fn number(&self, digest: &[u8; 32]) -> Result<Option<u64>, Fault> {
        if !self.known.may_have(digest) {
            return Ok(None);
        }
        if let Some(number) = self.waiting.find(digest) {
            return Ok(Some(number));
        }
        let number = self.numbers.get(digest).map_err(fault)?;
        Ok(number.map(|guard| guard.value()))
    }

    /// An entry from its table.
    fn stored(&self, key: &[u8]) -> Result<Option<Arc<Stored>>, Fault> {
        if is_scanned(key) {
            let value = self.scanned.get(key).map_err(fault)?;
            return Ok(value.map(|guard| Stored::new(guard.value().to_vec())));
        }
        let Some(row) = self.number(&entry_name(key))? else {
            return Ok(None);
        };
        let bytes = self.rows.get(row).map_err(fault)?;
        let bytes = bytes.ok_or_else(|| damaged("a number names no row"))?;
        let (found, value) = of_row(bytes.value())?;
        if found != key {
            return Err(damaged("a number names another row"));
        }
        let stored = Stored::new(value.to_vec());
        stored.set_row(row);
        Ok(Some(stored))
    }
}

/// What waits at the newest block.
pub(super) fn waiting(transaction: &ReadTransaction) -> Result<Waiting, Fault> {
    let meta = transaction.open_table(META).map_err(fault)?;
    let turn = meta.get("turn").map_err(fault)?;
    let height = last_height(&transaction.open_table(BLOCKS).map_err(fault)?)?;
    let table = transaction.open_table(WAITING).map_err(fault)?;
    Waiting::load(height, turn.as_ref().map(|bytes| bytes.value()), &table)
}

/// Every digest that has a number.
pub(super) fn known(transaction: &ReadTransaction, waiting: &Waiting) -> Result<Known, Fault> {
    let numbers = transaction.open_table(NUMBERS).map_err(fault)?;
    let count = numbers.len().map_err(fault)? as usize + waiting.digests().count();
    let known = Known::new(count);
    known.add(waiting.digests());
    for item in numbers.iter().map_err(fault)? {
        let (digest, _) = item.map_err(fault)?;
        known.add(std::iter::once(digest.value()));
    }
    Ok(known)
}

/// The height of the newest block.
fn last_height(blocks: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, Fault> {
    let last = blocks.last().map_err(fault)?;
    let (height, _) = last.ok_or_else(|| damaged("no block"))?;
    Ok(height.value())
}

impl Read for Snapshot {
    fn read(&self, key: &[u8]) -> Result<Option<Arc<Stored>>, Fault> {
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = recent().find(self.height, key) {
            return Ok(Some(found));
        }
        let stored = self.stored(key)?;
        if let Some(stored) = &stored {
            recent().keep(self.height, key, stored);
        }
        Ok(stored)
    }
}

impl Nodes for Snapshot {
    type Error = Fault;

    fn node(&self, level: u8, index: u64) -> Result<Digest, Fault> {
        let place = node_place(level, index);
        let row = self.nodes.get(place / NODES_EACH).map_err(fault)?;
        row.and_then(|row| {
            let (hashes, _) = row.value().as_chunks();
            hashes.get((place % NODES_EACH) as usize).copied()
        })
        .map(Digest)
        .ok_or_else(|| Fault::Damaged(format!("no tree node {index} at level {level}")))
    }
}
