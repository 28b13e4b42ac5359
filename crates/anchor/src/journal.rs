//! What the service remembers: a file of tables (docs/adr/0016), one entry an anchor.
//!
//! An entry is durable, with the signed transaction in it, before anything is sent. Nothing
//! is ever deleted: the entries are the proofs, and the account of what was spent.

use base::{Millis, Version, codec};
use database::{Handle, Tables};
use redb::{Database, ReadableDatabase as _, TableDefinition};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use thiserror::Error;

use crate::{
    chain::{Attempt, Chain, Place},
    checkpoint::Checkpoint,
    proof::Evidence,
};

/// One anchor, from the intent to the proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// When it was begun.
    pub made: Millis,
    /// Signed transactions, oldest first, all of one slot; none if another node sent it.
    pub attempts: Vec<Attempt>,
    /// How it stands.
    pub state: State,
    /// What it cost, in [`Chain::unit`]s.
    pub cost: u64,
}

/// How an anchor stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Begun; perhaps sent, perhaps in a block that is not deep enough.
    Open,
    /// In a block that is deep enough.
    Final {
        /// Where.
        place: Place,
        /// What proves it.
        evidence: Evidence,
    },
    /// It never anchored and never will.
    Void,
}

/// Why the journal cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file.
    #[error("{0}")]
    Tables(#[from] redb::Error),
    /// An entry that this version does not read.
    #[error("an entry of the journal cannot be read: {0}")]
    Entry(String),
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    tables: Tables,
}

impl Journal {
    /// The journal in tables of [`TABLES_VERSION`].
    pub fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// What the first transaction of a new file writes.
    ///
    /// # Errors
    /// [`redb::Error`].
    pub fn begin(database: &Database) -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(ENTRIES)?;
        Ok(transaction.commit()?)
    }

    /// The open file.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Adds an entry behind the others; its number. It is durable then.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn add(&self, chain: Chain, entry: &Entry) -> Result<u64, JournalError> {
        let number = self.newest(chain)?.map_or(0, |(number, _)| number + 1);
        self.put(chain, number, entry)?;
        Ok(number)
    }

    /// Replaces an entry. It is durable then.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn put(&self, chain: Chain, number: u64, entry: &Entry) -> Result<(), JournalError> {
        let handle = self.handle()?;
        let write = || -> Result<(), redb::Error> {
            let transaction = handle.begin_write()?;
            let bytes = codec::encode(entry);
            transaction
                .open_table(ENTRIES)?
                .insert((chain.name(), number), bytes.as_slice())?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error| {
            handle.give_up();
            error.into()
        })
    }

    /// The newest entry.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn newest(&self, chain: Chain) -> Result<Option<(u64, Entry)>, JournalError> {
        self.find_back(chain, |_| true)
    }

    /// The newest entry that is final.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn newest_final(&self, chain: Chain) -> Result<Option<(u64, Entry)>, JournalError> {
        self.find_back(chain, |entry| matches!(entry.state, State::Final { .. }))
    }

    /// The newest entries for which `keep` holds, newest first, until one for which it does
    /// not.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn back_while(
        &self,
        chain: Chain,
        mut keep: impl FnMut(&Entry) -> bool,
    ) -> Result<Vec<(u64, Entry)>, JournalError> {
        let mut found = Vec::new();
        self.walk_back(chain, |number, entry| {
            let kept = keep(&entry);
            if kept {
                found.push((number, entry));
            }
            !kept
        })?;
        Ok(found)
    }

    /// The final entry with the smallest tree that holds leaf `index`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn covering(&self, chain: Chain, index: u64) -> Result<Option<Entry>, JournalError> {
        // Sizes of final entries grow with their numbers.
        let mut best = None;
        self.walk_back(chain, |_, entry| {
            let covers = entry.checkpoint.size > index;
            if covers && matches!(entry.state, State::Final { .. }) {
                best = Some(entry);
            }
            !covers
        })?;
        Ok(best)
    }

    /// How many entries are final, and what all cost, in [`Chain::unit`]s.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sums(&self, chain: Chain) -> Result<(u64, u64), JournalError> {
        let (mut count, mut cost) = (0, 0_u64);
        self.walk_back(chain, |_, entry| {
            count += u64::from(matches!(entry.state, State::Final { .. }));
            cost = cost.saturating_add(entry.cost);
            false
        })?;
        Ok((count, cost))
    }

    fn find_back(
        &self,
        chain: Chain,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Option<(u64, Entry)>, JournalError> {
        let mut found = None;
        self.walk_back(chain, |number, entry| {
            let is = wanted(&entry);
            if is {
                found = Some((number, entry));
            }
            is
        })?;
        Ok(found)
    }

    /// Shows entries from the newest on, until `done` says so.
    fn walk_back(
        &self,
        chain: Chain,
        mut done: impl FnMut(u64, Entry) -> bool,
    ) -> Result<(), JournalError> {
        let handle = self.handle()?;
        let transaction = handle.begin_read().map_err(redb::Error::from)?;
        let table = transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        let range = (chain.name(), 0)..=(chain.name(), u64::MAX);
        for item in table.range(range).map_err(redb::Error::from)?.rev() {
            let (key, value) = item.map_err(redb::Error::from)?;
            let entry: Entry = codec::decode(value.value())
                .map_err(|error| JournalError::Entry(error.to_string()))?;
            if done(key.value().1, entry) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn handle(&self) -> Result<Arc<Handle>, JournalError> {
        Ok(self.tables.handle()?)
    }
}

/// Version of the tables of `anchors.redb`.
pub const TABLES_VERSION: u32 = 1;
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("anchors");
