//! What the services remember: a file of tables (docs/adr/0016), one entry for each thing said,
//! one stream of them for each [`Subject`] and chain.
//!
//! An entry is durable, with the signed transaction in it, before anything is sent. Nothing
//! is ever deleted: the entries are the proofs, and the account of what was spent.

use base::{Millis, Version, codec};
use database::{Handle, Tables};
use redb::{AccessGuard, Database, ReadableDatabase as _, TableDefinition};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

use crate::{
    chain::{Attempt, Chain, Place},
    checkpoint::Checkpoint,
    proof::Evidence,
    record::Record,
    subject::Subject,
};

/// One thing said, from the intent to the proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<S = Checkpoint> {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// What it says. The first of them to be kept gave the name.
    #[serde(rename = "checkpoint")]
    pub says: S,
    /// When it was begun.
    pub made: Millis,
    /// Signed transactions, oldest first, all of one slot; none if another node sent it.
    pub attempts: Vec<Attempt>,
    /// How it stands.
    pub state: State,
    /// What it cost, in [`Chain::unit`]s.
    pub cost: u64,
}

/// How it stands.
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
    /// It was never said and never will be.
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
    turn: Mutex<()>,
}

impl Journal {
    /// The journal in tables of [`TABLES_VERSION`].
    pub fn new(tables: Tables) -> Self {
        let turn = Mutex::new(());
        Self { tables, turn }
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

    /// Held from the choice of a slot until the transaction that takes it is durable: services
    /// of one key, a thread each, take slots in turn.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry behind the others; its number. It is durable then.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn add<S: Subject>(&self, chain: Chain, entry: &Entry<S>) -> Result<u64, JournalError> {
        let number = self.newest::<S>(chain)?.map_or(0, |(number, _)| number + 1);
        self.put(chain, number, entry)?;
        Ok(number)
    }

    /// Replaces an entry. It is durable then.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn put<S: Subject>(
        &self,
        chain: Chain,
        number: u64,
        entry: &Entry<S>,
    ) -> Result<(), JournalError> {
        let handle = self.handle()?;
        let write = || -> Result<(), redb::Error> {
            let transaction = handle.begin_write()?;
            let bytes = codec::encode(entry);
            transaction
                .open_table(ENTRIES)?
                .insert((S::lane(chain), number), bytes.as_slice())?;
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
    pub fn newest<S: Subject>(&self, chain: Chain) -> Numbered<S> {
        self.find_back(chain, |_| true)
    }

    /// The newest entry that is final.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn newest_final<S: Subject>(&self, chain: Chain) -> Numbered<S> {
        self.find_back(chain, |entry| matches!(entry.state, State::Final { .. }))
    }

    /// The newest entry that is final or may become so.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn newest_standing<S: Subject>(&self, chain: Chain) -> Numbered<S> {
        self.find_back(chain, |entry| entry.state != State::Void)
    }

    /// The newest entries for which `keep` holds, newest first, until one for which it does
    /// not.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn back_while<S: Subject>(
        &self,
        chain: Chain,
        mut keep: impl FnMut(&Entry<S>) -> bool,
    ) -> Result<Vec<(u64, Entry<S>)>, JournalError> {
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
        self.walk_back(chain, |_, entry: Entry| {
            let covers = entry.says.size > index;
            if covers && matches!(entry.state, State::Final { .. }) {
                best = Some(entry);
            }
            !covers
        })?;
        Ok(best)
    }

    /// The final entry of a single record.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn record(&self, chain: Chain, index: u64) -> Result<Option<Entry<Record>>, JournalError> {
        let wanted = |entry: &Entry<Record>| {
            entry.says.index == index && matches!(entry.state, State::Final { .. })
        };
        let newest = self.newest::<Record>(chain)?;
        if newest.is_none_or(|(_, newest)| newest.says.index < index) {
            return Ok(None);
        }
        // Each takes a number at least, in the log's order, unless the contract was replaced.
        let (mut first, mut found) = (0, None);
        self.walk(chain, 0, &mut |_, entry: Entry<Record>| {
            first = entry.says.index;
            true
        })?;
        let number = index.saturating_sub(first);
        self.walk(chain, number, &mut |_, entry| {
            let is = wanted(&entry);
            if is {
                found = Some(entry);
            }
            is
        })?;
        match found {
            Some(found) => Ok(Some(found)),
            None => Ok(self.find_back(chain, wanted)?.map(|(_, entry)| entry)),
        }
    }

    /// Attempts of the newest entry of each other stream that sends with the same key.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn beside<S: Subject>(&self, chain: Chain) -> Result<Vec<Attempt>, JournalError> {
        let handle = self.handle()?;
        let transaction = handle.begin_read().map_err(redb::Error::from)?;
        let table = transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        let mut attempts = Vec::new();
        let others = LANES.iter().filter(|lane| {
            let same_chain = lane.split('-').next() == Some(chain.name());
            same_chain && **lane != S::lane(chain)
        });
        for lane in others {
            let range = (*lane, 0)..=(*lane, u64::MAX);
            for item in table.range(range).map_err(redb::Error::from)?.rev() {
                let (_, value) = item.map_err(redb::Error::from)?;
                let sent: Sent = codec::decode_lenient(value.value())
                    .map_err(|error| JournalError::Entry(error.to_string()))?;
                let none = sent.attempts.is_empty();
                attempts.extend(sent.attempts);
                if !none {
                    break;
                }
            }
        }
        Ok(attempts)
    }

    /// How many entries are final, and what all cost, in [`Chain::unit`]s.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sums<S: Subject>(&self, chain: Chain) -> Result<(u64, u64), JournalError> {
        let (mut count, mut cost) = (0, 0_u64);
        self.walk_back(chain, |_, entry: Entry<S>| {
            count += u64::from(matches!(entry.state, State::Final { .. }));
            cost = cost.saturating_add(entry.cost);
            false
        })?;
        Ok((count, cost))
    }

    fn find_back<S: Subject>(
        &self,
        chain: Chain,
        wanted: impl Fn(&Entry<S>) -> bool,
    ) -> Numbered<S> {
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
    fn walk_back<S: Subject>(
        &self,
        chain: Chain,
        mut done: impl FnMut(u64, Entry<S>) -> bool,
    ) -> Result<(), JournalError> {
        let handle = self.handle()?;
        let transaction = handle.begin_read().map_err(redb::Error::from)?;
        let table = transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        let lane = S::lane(chain);
        let range = table.range((lane, 0)..=(lane, u64::MAX));
        show(range.map_err(redb::Error::from)?.rev(), &mut done)
    }

    /// The same from an entry on, forward.
    fn walk<S: Subject>(
        &self,
        chain: Chain,
        from: u64,
        done: &mut dyn FnMut(u64, Entry<S>) -> bool,
    ) -> Result<(), JournalError> {
        let handle = self.handle()?;
        let transaction = handle.begin_read().map_err(redb::Error::from)?;
        let table = transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        let lane = S::lane(chain);
        let range = table.range((lane, from)..=(lane, u64::MAX));
        show(range.map_err(redb::Error::from)?, done)
    }

    fn handle(&self) -> Result<Arc<Handle>, JournalError> {
        Ok(self.tables.handle()?)
    }
}

/// An entry and its number, if there is one.
pub type Numbered<S> = Result<Option<(u64, Entry<S>)>, JournalError>;

type Item<'a> = Result<
    (
        AccessGuard<'a, (&'static str, u64)>,
        AccessGuard<'a, &'static [u8]>,
    ),
    redb::StorageError,
>;

fn show<'a, S: Subject>(
    items: impl Iterator<Item = Item<'a>>,
    done: &mut dyn FnMut(u64, Entry<S>) -> bool,
) -> Result<(), JournalError> {
    for item in items {
        let (key, value) = item.map_err(redb::Error::from)?;
        let entry =
            codec::decode(value.value()).map_err(|error| JournalError::Entry(error.to_string()))?;
        if done(key.value().1, entry) {
            return Ok(());
        }
    }
    Ok(())
}

/// What every entry has, whatever it says.
#[derive(Deserialize)]
struct Sent {
    attempts: Vec<Attempt>,
}

/// Every [`Subject::lane`].
const LANES: [&str; 5] = [
    "ethereum",
    "ethereum-records",
    "ethereum-permissions",
    "bitcoin",
    "eos",
];

/// Version of the tables of `anchors.redb`.
pub const TABLES_VERSION: u32 = 1;
const ENTRIES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("anchors");
