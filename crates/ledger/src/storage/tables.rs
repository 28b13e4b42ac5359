//! The tables and a read snapshot of them.

use base::Digest;
use redb::{ReadOnlyTable, ReadTransaction, TableDefinition};
use std::{io, sync::Arc};

use crate::{
    log::Nodes,
    state::{Fault, Read, Stored},
};

/// `genesis`, `state-hash`; the version of the tables stands beside them.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Height -> canonical [`crate::Head`].
pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
/// Leaf index -> canonical [`crate::Leaf`].
pub(super) const LEAVES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("leaves");
/// [`node_key`] -> hash of a perfect subtree.
pub(super) const NODES: TableDefinition<'_, u64, &[u8; 32]> = TableDefinition::new("nodes");
/// Digest of the operation id -> leaf index.
pub(super) const OPERATIONS: TableDefinition<'_, &[u8; 32], u64> =
    TableDefinition::new("operations");
/// State entries.
pub(super) const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");
/// Lists: prefix and leaf index -> item.
pub(super) const LISTS: TableDefinition<'_, &[u8; 41], &[u8; 32]> = TableDefinition::new("lists");

/// Level in the top byte, index below it: no tree has 2^56 leaves.
pub(super) const fn node_key(level: u8, index: u64) -> u64 {
    (level as u64) << 56 | index
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
    pub(super) meta: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(super) blocks: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) leaves: ReadOnlyTable<u64, &'static [u8]>,
    pub(super) nodes: ReadOnlyTable<u64, &'static [u8; 32]>,
    pub(super) operations: ReadOnlyTable<&'static [u8; 32], u64>,
    pub(super) state: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub(super) lists: ReadOnlyTable<&'static [u8; 41], &'static [u8; 32]>,
}

impl Snapshot {
    pub(super) fn new(transaction: &ReadTransaction) -> Result<Self, Fault> {
        Ok(Self {
            meta: transaction.open_table(META).map_err(fault)?,
            blocks: transaction.open_table(BLOCKS).map_err(fault)?,
            leaves: transaction.open_table(LEAVES).map_err(fault)?,
            nodes: transaction.open_table(NODES).map_err(fault)?,
            operations: transaction.open_table(OPERATIONS).map_err(fault)?,
            state: transaction.open_table(STATE).map_err(fault)?,
            lists: transaction.open_table(LISTS).map_err(fault)?,
        })
    }
}

impl Read for Snapshot {
    fn read(&self, key: &[u8]) -> Result<Option<Arc<Stored>>, Fault> {
        let value = self.state.get(key).map_err(fault)?;
        Ok(value.map(|guard| Stored::new(guard.value().to_vec())))
    }
}

impl Nodes for Snapshot {
    type Error = Fault;

    fn node(&self, level: u8, index: u64) -> Result<Digest, Fault> {
        let node = self.nodes.get(node_key(level, index)).map_err(fault)?;
        node.map(|guard| Digest(*guard.value()))
            .ok_or_else(|| Fault::Damaged(format!("no tree node {index} at level {level}")))
    }
}
