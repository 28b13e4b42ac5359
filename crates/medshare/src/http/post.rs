//! What the node holds for parties besides ledger and store: letters that wait for
//! their readers, and agents' one-time keys, each handed out once. Durable in a redb of
//! its own; every letter is sealed, this file cannot read one.

pub mod check;

use base::{AccountId, Digest};
use database::{Device, FileDevice, Tables};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::{path::Path, sync::Arc};
use thiserror::Error;

use crate::{
    exit::{Fault, Result},
    files,
    home::database::{fault, open_on},
};

/// The node's post office.
#[derive(Debug)]
pub struct Post {
    tables: Tables,
    limits: PostLimits,
}

/// How much the post holds for whom.
#[derive(Clone, Copy, Debug)]
pub struct PostLimits {
    /// Of one reader's box.
    pub of_box: Room,
    /// Of one sender's letters in one box, so that nobody fills another's box alone.
    pub of_sender: Room,
    /// Of one sender's letters in all boxes.
    pub of_sender_everywhere: Room,
    /// One-time keys of one agent that wait.
    pub prekeys: u64,
    /// Roots that one account pins.
    pub pins: u64,
}

/// So many letters, so many bytes of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Letters.
    pub letters: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Default for PostLimits {
    fn default() -> Self {
        let room = |letters, mebibytes: u64| Room {
            letters,
            bytes: mebibytes << 20,
        };
        Self {
            of_box: room(100_000, 64),
            of_sender: room(10_000, 8),
            of_sender_everywhere: room(200_000, 256),
            prekeys: 10_000,
            pins: 1_000_000,
        }
    }
}

/// Why the post takes nothing more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PostError {
    /// The reader's box is full.
    #[error("the mailbox is full ({letters} letters or {bytes} bytes) until its owner reads")]
    BoxFull {
        /// Most letters.
        letters: u64,
        /// Most bytes.
        bytes: u64,
    },
    /// The sender's share of this box, or of all boxes, is used up.
    #[error(
        "{letters} letters or {bytes} bytes of this sender wait unread, and no more are taken until they are read"
    )]
    SharesFull {
        /// Most letters.
        letters: u64,
        /// Most bytes.
        bytes: u64,
    },
    /// Too many one-time keys wait.
    #[error("{limit} one-time keys wait already")]
    PrekeysFull {
        /// Most keys.
        limit: u64,
    },
    /// The account pins too much.
    #[error("this account pins {limit} roots already; erase some, or ask the node's operator")]
    PinsFull {
        /// Most roots.
        limit: u64,
    },
    /// Another account keeps a key bag there.
    #[error("another account's key bag is there")]
    NotYours,
    /// The database failed.
    #[error("the post's database failed: {0}")]
    Storage(#[from] redb::Error),
}

macro_rules! from_redb {
    ($($error:ident)*) => {$(
        impl From<redb::$error> for PostError {
            fn from(error: redb::$error) -> Self { Self::Storage(error.into()) }
        }
    )*};
}
from_redb!(TransactionError TableError StorageError CommitError);

impl Post {
    /// Opens or makes the database at `path`.
    ///
    /// # Errors
    /// A [`Fault`] naming the file.
    pub fn open(path: &Path, limits: PostLimits) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            files::check_kept(path)?;
        }
        let post = Self::open_on(Arc::new(FileDevice::new(path)), limits)?;
        files::keep_private(path)?;
        Ok(post)
    }

    /// [`Post::open`] on another device.
    ///
    /// # Errors
    /// A [`Fault`] naming it.
    pub fn open_on(device: Arc<dyn Device>, limits: PostLimits) -> Result<Self> {
        let name = device.name().display().to_string();
        let tables = match device.exists() {
            Err(error) => return Err(Fault::io(&name, &error)),
            Ok(true) => open_on(device, CACHE_BYTES, TABLES_VERSION)?,
            Ok(false) => Tables::create(device, CACHE_BYTES, TABLES_VERSION, first)
                .map_err(|error| fault(&name, error))?,
        };
        Ok(Self { tables, limits })
    }

    /// The file that all of it lies in.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Puts a sealed letter of `from` into `to`'s box; durable when this returns. The same
    /// letter twice is one letter.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn send(&self, from: AccountId, to: AccountId, letter: &[u8]) -> Result<(), PostError> {
        let hash = Digest::of(letter);
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        {
            let mut names = transaction.open_table(NAMES)?;
            if names.get((to.0, hash.0))?.is_some() {
                return Ok(());
            }
            let mut sums = transaction.open_table(SUMS)?;
            for (name, limit) in self.sums(from, to) {
                let (count, bytes) = sums.get(name)?.map_or((0, 0), |used| used.value());
                let (count, bytes) = (count + 1, bytes + letter.len() as u64);
                let Room {
                    letters,
                    bytes: most,
                } = limit;
                if count > letters || bytes > most {
                    return Err(match name.0 {
                        IN_BOX => PostError::BoxFull {
                            letters,
                            bytes: most,
                        },
                        _ => PostError::SharesFull {
                            letters,
                            bytes: most,
                        },
                    });
                }
                sums.insert(name, (count, bytes))?;
            }
            let number = next(&transaction, "letter")?;
            transaction
                .open_table(LETTERS)?
                .insert((to.0, number), letter)?;
            names.insert((to.0, hash.0), (number, from.0))?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The sums that a letter counts in, with their limits.
    fn sums(&self, from: AccountId, to: AccountId) -> [(SumName, Room); 3] {
        let limits = &self.limits;
        [
            ((IN_BOX, to.0, [0; 32]), limits.of_box),
            ((IN_BOX_BY, to.0, from.0), limits.of_sender),
            ((BY, from.0, [0; 32]), limits.of_sender_everywhere),
        ]
    }

    /// Letters of `account` with numbers above `after`, oldest first, at most
    /// `limit_bytes` of them (but at least one).
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn inbox(
        &self,
        account: AccountId,
        after: u64,
        limit_bytes: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, PostError> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let letters = view.open_table(LETTERS)?;
        let mut found = Vec::new();
        let mut size = 0;
        for entry in letters.range((account.0, after.saturating_add(1))..=(account.0, u64::MAX))? {
            let (key, letter) = entry?;
            size += letter.value().len();
            if size > limit_bytes && !found.is_empty() {
                break;
            }
            found.push((key.value().1, letter.value().to_vec()));
        }
        Ok(found)
    }

    /// Number of the newest letter of `account`; 0 if there is none.
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn newest(&self, account: AccountId) -> Result<u64, PostError> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let letters = view.open_table(LETTERS)?;
        let last = letters
            .range((account.0, 0)..=(account.0, u64::MAX))?
            .next_back()
            .transpose()?;
        Ok(last.map_or(0, |(key, _)| key.value().1))
    }

    /// Deletes the letter of `account` with this SHA2-256; says whether there was one.
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn delete(&self, account: AccountId, letter: Digest) -> Result<bool, PostError> {
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        let found = {
            let mut names = transaction.open_table(NAMES)?;
            let named = names
                .remove((account.0, letter.0))?
                .map(|named| named.value());
            match named {
                None => false,
                Some((number, from)) => {
                    let mut letters = transaction.open_table(LETTERS)?;
                    let removed = letters.remove((account.0, number))?;
                    let length = removed.map_or(0, |letter| letter.value().len() as u64);
                    let mut sums = transaction.open_table(SUMS)?;
                    for (name, _) in self.sums(AccountId(from), account) {
                        let (count, bytes) = sums.get(name)?.map_or((0, 0), |used| used.value());
                        match count {
                            0 | 1 => sums.remove(name)?,
                            _ => sums.insert(name, (count - 1, bytes.saturating_sub(length)))?,
                        };
                    }
                    true
                }
            }
        };
        transaction.commit()?;
        Ok(found)
    }

    /// Keeps the sealed head of a key bag at `locator`, in place of the one before;
    /// durable when this returns. The first account to write a locator owns it.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn put_bag(&self, locator: Digest, owner: AccountId, head: &[u8]) -> Result<(), PostError> {
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        {
            let mut bags = transaction.open_table(BAGS)?;
            let theirs = bags
                .get(locator.0)?
                .is_some_and(|bag| bag.value().0 != owner.0);
            if theirs {
                return Err(PostError::NotYours);
            }
            bags.insert(locator.0, (owner.0, head))?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The sealed head of the key bag at `locator`.
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn read_bag(&self, locator: Digest) -> Result<Option<Vec<u8>>, PostError> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let bag = view.open_table(BAGS)?.get(locator.0)?;
        Ok(bag.map(|bag| bag.value().1.to_vec()))
    }

    /// Notes that `account` pins a root, once `pin` has done it. One that is noted already
    /// is left as it is: who asks again after a lost answer adds nothing.
    ///
    /// # Errors
    /// [`PostError`]; inside, what `pin` gives: then nothing is noted.
    pub fn add_pin<E>(
        &self,
        account: AccountId,
        root: &[u8],
        pin: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<(), E>, PostError> {
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        {
            let mut pins = transaction.open_table(PINS)?;
            if pins.get((account.0, root))?.is_some() {
                return Ok(Ok(()));
            }
            let mut pinned = transaction.open_table(PINNED)?;
            let count = pinned.get(account.0)?.map_or(0, |count| count.value());
            if count >= self.limits.pins {
                let limit = self.limits.pins;
                return Err(PostError::PinsFull { limit });
            }
            if let Err(error) = pin() {
                return Ok(Err(error));
            }
            pins.insert((account.0, root), 1)?;
            pinned.insert(account.0, count + 1)?;
        }
        transaction.commit()?;
        Ok(Ok(()))
    }

    /// Takes the pin of `account` off a root; `false` if it had none.
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn remove_pin(&self, account: AccountId, root: &[u8]) -> Result<bool, PostError> {
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        let had = transaction
            .open_table(PINS)?
            .remove((account.0, root))?
            .is_some();
        if had {
            let mut pinned = transaction.open_table(PINNED)?;
            let count = pinned.get(account.0)?.map_or(0, |count| count.value());
            pinned.insert(account.0, count.saturating_sub(1))?;
        }
        transaction.commit()?;
        Ok(had)
    }

    /// Adds one-time keys of `agent`; durable when this returns. A key that was ever here
    /// before, waiting or given away, is left out. Gives how many wait now.
    ///
    /// # Errors
    /// [`PostError`]; then none is added.
    pub fn put_prekeys(&self, agent: AccountId, keys: &[Vec<u8>]) -> Result<u64, PostError> {
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        let waiting = {
            let mut seen = transaction.open_table(SEEN)?;
            let mut prekeys = transaction.open_table(PREKEYS)?;
            let mut waiting = 0;
            for entry in prekeys.range((agent.0, 0)..=(agent.0, u64::MAX))? {
                entry?;
                waiting += 1;
            }
            for key in keys {
                if seen.insert((agent.0, Digest::of(key).0), ())?.is_some() {
                    continue;
                }
                waiting += 1;
                let limit = self.limits.prekeys;
                if waiting > limit {
                    return Err(PostError::PrekeysFull { limit });
                }
                let number = next(&transaction, "prekey")?;
                prekeys.insert((agent.0, number), key.as_slice())?;
            }
            waiting
        };
        transaction.commit()?;
        Ok(waiting)
    }

    /// Takes the oldest one-time key of `agent`: it is gone, durably, before it is given.
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn take_prekey(&self, agent: AccountId) -> Result<Option<Vec<u8>>, PostError> {
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        let taken = {
            let mut prekeys = transaction.open_table(PREKEYS)?;
            let first = prekeys
                .range((agent.0, 0)..=(agent.0, u64::MAX))?
                .next()
                .transpose()?
                .map(|(key, _)| key.value());
            match first {
                None => None,
                Some(key) => prekeys.remove(key)?.map(|bytes| bytes.value().to_vec()),
            }
        };
        transaction.commit()?;
        Ok(taken)
    }

    /// How many one-time keys of `agent` wait.
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn count_prekeys(&self, agent: AccountId) -> Result<u64, PostError> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let prekeys = view.open_table(PREKEYS)?;
        let mut count = 0;
        for entry in prekeys.range((agent.0, 0)..=(agent.0, u64::MAX))? {
            entry?;
            count += 1;
        }
        Ok(count)
    }
}

/// The tables, empty.
fn first(database: &Database) -> std::result::Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(LETTERS)?;
    transaction.open_table(SUMS)?;
    transaction.open_table(PREKEYS)?;
    transaction.open_table(SEEN)?;
    transaction.open_table(NEXT)?;
    transaction.open_table(NAMES)?;
    transaction.open_table(BAGS)?;
    transaction.open_table(PINS)?;
    transaction.open_table(PINNED)?;
    Ok(transaction.commit()?)
}

/// A number never used before, so that a deleted letter's is not given again.
fn next(transaction: &redb::WriteTransaction, name: &str) -> Result<u64, PostError> {
    let mut numbers = transaction.open_table(NEXT)?;
    let number = numbers.get(name)?.map_or(0, |last| last.value()) + 1;
    numbers.insert(name, number)?;
    Ok(number)
}

/// Version of the tables of `post.redb`.
pub const TABLES_VERSION: u32 = 1;
const LETTERS: TableDefinition<'_, ([u8; 32], u64), &[u8]> = TableDefinition::new("letters");
/// What is summed up, and whose: box, box and sender, or sender.
type SumName = (u8, [u8; 32], [u8; 32]);
/// Letters that wait and their bytes.
const SUMS: TableDefinition<'_, SumName, (u64, u64)> = TableDefinition::new("sums");
const IN_BOX: u8 = 0;
const IN_BOX_BY: u8 = 1;
const BY: u8 = 2;
/// Reader and hash of a letter.
type Name = ([u8; 32], [u8; 32]);
/// A letter's number and sender.
const NAMES: TableDefinition<'_, Name, (u64, [u8; 32])> = TableDefinition::new("names");
const BAGS: TableDefinition<'_, [u8; 32], ([u8; 32], &[u8])> = TableDefinition::new("bags");
const PINS: TableDefinition<'_, ([u8; 32], &[u8]), u64> = TableDefinition::new("pins");
/// How many roots an account pins.
const PINNED: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("pinned");
const PREKEYS: TableDefinition<'_, ([u8; 32], u64), &[u8]> = TableDefinition::new("prekeys");
/// Hashes of every one-time key that was ever left, those given away as well.
const SEEN: TableDefinition<'_, ([u8; 32], [u8; 32]), ()> = TableDefinition::new("seen");
const NEXT: TableDefinition<'_, &str, u64> = TableDefinition::new("next");

const CACHE_BYTES: usize = 16 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
