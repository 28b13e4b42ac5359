//! What is written: the first transaction, and one for each block.

use base::{codec, genesis::Genesis};
use redb::Database;

use super::{
    pending::Pending,
    tables::{BLOCKS, LEAVES, LISTS, META, NODES, OPERATIONS, STATE, damaged, fault, node_key},
};
use crate::{
    block::Head,
    state::{self, Changes, Fault, StateHash, operation_key, write_genesis},
};

/// Version of the tables of `ledger.redb`.
pub const TABLES_VERSION: u32 = 1;

/// The first transaction: genesis, its state, and the head of height 0.
pub(super) fn first(database: &Database, genesis: &Genesis) -> Result<(), Fault> {
    let transaction = database.begin_write().map_err(fault)?;
    {
        let mut meta = transaction.open_table(META).map_err(fault)?;
        let bytes = codec::encode(genesis);
        meta.insert("genesis", bytes.as_slice()).map_err(fault)?;
        drop(meta);
        let mut blocks = transaction.open_table(BLOCKS).map_err(fault)?;
        let head = codec::encode(&Head::genesis(genesis));
        blocks.insert(0, head.as_slice()).map_err(fault)?;
        transaction.open_table(LEAVES).map_err(fault)?;
        transaction.open_table(NODES).map_err(fault)?;
        transaction.open_table(OPERATIONS).map_err(fault)?;
        let changes = write_genesis(genesis);
        write_changes(&transaction, &changes, &state::genesis_hash(genesis))?;
    }
    transaction.commit().map_err(fault)
}

fn write_changes(
    transaction: &redb::WriteTransaction,
    changes: &Changes,
    hash: &StateHash,
) -> Result<(), Fault> {
    let mut meta = transaction.open_table(META).map_err(fault)?;
    meta.insert("state-hash", hash.to_bytes().as_slice())
        .map_err(fault)?;
    let mut entries = transaction.open_table(STATE).map_err(fault)?;
    for change in &changes.entries {
        entries
            .insert(change.key.as_slice(), change.after.bytes())
            .map_err(fault)?;
    }
    let mut lists = transaction.open_table(LISTS).map_err(fault)?;
    for entry in &changes.index {
        lists.insert(&entry.key(), &entry.item).map_err(fault)?;
    }
    Ok(())
}

/// A block and all its effects in one durable transaction.
pub(super) fn block(database: &Database, pending: &Pending, head: &Head) -> Result<(), Fault> {
    let transaction = database.begin_write().map_err(fault)?;
    {
        let mut blocks = transaction.open_table(BLOCKS).map_err(fault)?;
        let bytes = codec::encode(head);
        blocks
            .insert(head.header.height, bytes.as_slice())
            .map_err(fault)?;
        let mut leaves = transaction.open_table(LEAVES).map_err(fault)?;
        let mut ids = Vec::with_capacity(pending.leaves.len());
        for (index, leaf) in (head.header.first_leaf..).zip(&pending.leaves) {
            leaves.insert(index, leaf.bytes.as_slice()).map_err(fault)?;
            let key = operation_key(leaf.id).ok_or_else(|| damaged("an id of our own"))?;
            ids.push((key, index));
        }
        ids.sort_unstable(); // neighbours in the tree, one after the other
        let mut operations = transaction.open_table(OPERATIONS).map_err(fault)?;
        for (key, index) in ids {
            operations.insert(&key, index).map_err(fault)?;
        }
        let mut nodes = transaction.open_table(NODES).map_err(fault)?;
        for (level, index, hash) in &pending.nodes {
            nodes
                .insert(node_key(*level, *index), &hash.0)
                .map_err(fault)?;
        }
        write_changes(&transaction, &pending.changes, &pending.state_hash)?;
    }
    transaction.commit().map_err(fault)
}
