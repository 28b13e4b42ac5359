//! What is written: the first transaction, and one for each block.

use base::{Digest, codec, genesis::Genesis};
use redb::{Database, ReadableTable, WriteTransaction};
use std::collections::{HashMap, hash_map::Entry};

use super::{
    known::Known,
    numbers::{self, Pair, Waiting, entry_name, subject_name},
    pending::Pending,
    session::Session,
    tables::{
        BLOCKS, HAND_OVERS, LEAVES, LISTS, META, NODES, NODES_EACH, NUMBERS, ROWS, SCANNED,
        WAITING, damaged, fault, is_scanned, list_key, node_place, row_bytes,
    },
};
use crate::{
    block::Head,
    state::{self, Changes, Fault, IndexEntry, StateHash, operation_key, write_genesis},
};

/// Version of the tables of `ledger.redb`.
pub const TABLES_VERSION: u32 = 2;

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
        transaction.open_table(WAITING).map_err(fault)?;
        let mut writer = Writer::new(&transaction, None)?;
        writer.changes(&write_genesis(genesis), &state::genesis_hash(genesis))?;
        let new = writer.finish()?;
        let mut numbers = transaction.open_table(NUMBERS).map_err(fault)?;
        numbers::insert(&mut numbers, &new)?;
    }
    transaction.commit().map_err(fault)
}

/// A block and all its effects in one durable transaction.
pub(super) fn block(session: &Session, pending: &Pending, head: &Head) -> Result<(), Fault> {
    let before = head.header.height.checked_sub(1);
    let waiting = before.and_then(|height| session.versions().at(height));
    let waiting = waiting.ok_or_else(|| damaged("no block before"))?;
    let database = session.handle();
    let transaction = database.begin_write().map_err(fault)?;
    let mut writer = Writer::new(&transaction, Some((&waiting, session.known())))?;
    writer.log(pending, head)?;
    writer.changes(&pending.changes, &pending.state_hash)?;
    let new = writer.finish()?;
    session.known().add(new.iter().map(|(digest, _)| digest));
    let merge = waiting.after(&new);
    merge.write(&transaction, &new)?;
    session.versions().publish(merge.next);
    transaction.commit().map_err(fault)
}

/// One transaction at work.
struct Writer<'t> {
    transaction: &'t WriteTransaction,
    before: Option<(&'t Waiting, &'t Known)>,
    /// Digests that get their numbers here.
    new: Vec<Pair>,
    /// The next row or subject.
    next: u64,
}

impl<'t> Writer<'t> {
    /// `before`: what is known of the digests, as of the block before; nothing at first.
    fn new(
        transaction: &'t WriteTransaction,
        before: Option<(&'t Waiting, &'t Known)>,
    ) -> Result<Self, Fault> {
        let meta = transaction.open_table(META).map_err(fault)?;
        let next = match meta.get("next-number").map_err(fault)? {
            Some(bytes) => u64::from_be_bytes(
                bytes
                    .value()
                    .try_into()
                    .map_err(|_| damaged("the next number"))?,
            ),
            None => 1, // 0 has the lists without a subject
        };
        Ok(Self {
            transaction,
            before,
            new: Vec::new(),
            next,
        })
    }

    /// Head, leaves, their ids and the tree over them.
    fn log(&mut self, pending: &Pending, head: &Head) -> Result<(), Fault> {
        let mut blocks = self.transaction.open_table(BLOCKS).map_err(fault)?;
        let bytes = codec::encode(head);
        blocks
            .insert(head.header.height, bytes.as_slice())
            .map_err(fault)?;
        let mut leaves = self.transaction.open_table(LEAVES).map_err(fault)?;
        for (index, leaf) in (head.header.first_leaf..).zip(&pending.leaves) {
            leaves.insert(index, leaf.bytes.as_slice()).map_err(fault)?;
            let key = operation_key(leaf.id).ok_or_else(|| damaged("an id of our own"))?;
            self.new.push((key, index));
        }
        drop((blocks, leaves));
        if let Some(set) = &pending.transition {
            let mut hand_overs = self.transaction.open_table(HAND_OVERS).map_err(fault)?;
            let bytes = codec::encode(set);
            hand_overs
                .insert(head.header.height, bytes.as_slice())
                .map_err(fault)?;
        }
        self.nodes(&pending.nodes)
    }

    /// Nodes of the tree, which follow those that are there.
    fn nodes(&self, nodes: &[(u8, u64, Digest)]) -> Result<(), Fault> {
        let mut table = self.transaction.open_table(NODES).map_err(fault)?;
        let Some((level, index, _)) = nodes.first() else {
            return Ok(());
        };
        let place = node_place(*level, *index);
        let mut number = place / NODES_EACH;
        let begun = table.get(number).map_err(fault)?;
        let mut row = begun.map_or_else(Vec::new, |row| row.value().to_vec());
        if row.len() as u64 != place % NODES_EACH * 32 {
            return Err(damaged("the nodes of the tree"));
        }
        for (_, _, hash) in nodes {
            row.extend_from_slice(&hash.0);
            if row.len() as u64 == NODES_EACH * 32 {
                table.insert(number, row.as_slice()).map_err(fault)?;
                row.clear();
                number += 1;
            }
        }
        if !row.is_empty() {
            table.insert(number, row.as_slice()).map_err(fault)?;
        }
        Ok(())
    }

    /// Entries and lists.
    fn changes(&mut self, changes: &Changes, hash: &StateHash) -> Result<(), Fault> {
        let mut meta = self.transaction.open_table(META).map_err(fault)?;
        meta.insert("state-hash", hash.to_bytes().as_slice())
            .map_err(fault)?;
        drop(meta);
        let mut scanned = self.transaction.open_table(SCANNED).map_err(fault)?;
        let mut old = Vec::new();
        let mut new = Vec::new();
        for change in &changes.entries {
            if is_scanned(&change.key) {
                scanned
                    .insert(change.key.as_slice(), change.after.bytes())
                    .map_err(fault)?;
                continue;
            }
            match &change.before {
                Some(before) => {
                    let row = before.row().ok_or_else(|| damaged("an entry of no row"))?;
                    old.push((row, change));
                }
                None => {
                    new.push((self.next, change));
                    self.new.push((entry_name(&change.key), self.next));
                    self.next += 1;
                }
            }
        }
        old.sort_unstable_by_key(|(row, _)| *row);
        let mut rows = self.transaction.open_table(ROWS).map_err(fault)?;
        for (row, change) in old.into_iter().chain(new) {
            let bytes = row_bytes(&change.key, change.after.bytes());
            rows.insert(row, bytes.as_slice()).map_err(fault)?;
            change.after.set_row(row);
        }
        self.lists(&changes.index)
    }

    fn lists(&mut self, entries: &[IndexEntry]) -> Result<(), Fault> {
        let numbers = self.transaction.open_table(NUMBERS).map_err(fault)?;
        let mut keyed = Vec::with_capacity(entries.len());
        let mut known = HashMap::new();
        for entry in entries {
            let subject = match entry.list.subject() {
                None => 0,
                Some(subject) => match known.entry(subject) {
                    Entry::Occupied(found) => *found.get(),
                    Entry::Vacant(slot) => *slot.insert(self.subject(&subject, &numbers)?),
                },
            };
            keyed.push((list_key(subject, entry.list.kind(), entry.leaf), entry.item));
        }
        keyed.sort_unstable(); // neighbours in the tree, one after the other
        let mut lists = self.transaction.open_table(LISTS).map_err(fault)?;
        for (key, item) in keyed {
            lists.insert(&key, &item).map_err(fault)?;
        }
        Ok(())
    }

    /// The number under which the lists of a subject are kept: a new one at its first.
    fn subject(
        &mut self,
        subject: &[u8; 32],
        numbers: &impl ReadableTable<&'static [u8; 32], u64>,
    ) -> Result<u64, Fault> {
        let name = subject_name(subject);
        if let Some((waiting, known)) = self.before
            && known.may_have(&name)
        {
            if let Some(number) = waiting.find(&name) {
                return Ok(number);
            }
            if let Some(number) = numbers.get(&name).map_err(fault)? {
                return Ok(number.value());
            }
        }
        let number = self.next;
        self.next += 1;
        self.new.push((name, number));
        Ok(number)
    }

    /// The pairs that came up, sorted.
    fn finish(mut self) -> Result<Vec<Pair>, Fault> {
        let mut meta = self.transaction.open_table(META).map_err(fault)?;
        let next = self.next.to_be_bytes();
        meta.insert("next-number", next.as_slice()).map_err(fault)?;
        self.new.sort_unstable();
        Ok(self.new)
    }
}
