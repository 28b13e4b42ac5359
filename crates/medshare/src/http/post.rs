//! What the node holds for parties besides ledger and store: letters that wait for
//! their readers, and agents' one-time keys, each handed out once. Durable in a redb of
//! its own; every letter is sealed, this file cannot read one.

use base::{AccountId, Digest};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::path::Path;
use thiserror::Error;

use crate::{exit::Result, home::database};

/// The node's post office.
#[derive(Debug)]
pub struct Post {
    database: Database,
}

/// Why the post takes nothing more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PostError {
    /// The reader's box is full.
    #[error(
        "the mailbox holds {MAX_LETTERS} letters or {MAX_BOX_BYTES} bytes and takes no more until its owner reads"
    )]
    BoxFull,
    /// Too many one-time keys wait.
    #[error("{MAX_PREKEYS} one-time keys wait already")]
    PrekeysFull,
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
    /// A [`crate::exit::Fault`] naming the file.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let fault = |error: redb::Error| database::fault(&name, error);
        let database = if path.symlink_metadata().is_ok() {
            database::open(path, CACHE_BYTES)?
        } else {
            database::create(path, CACHE_BYTES)?
        };
        let create = || -> std::result::Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            transaction.open_table(LETTERS)?;
            transaction.open_table(BOXES)?;
            transaction.open_table(PREKEYS)?;
            transaction.open_table(SEEN)?;
            transaction.open_table(NEXT)?;
            transaction.open_table(HASHES)?;
            transaction.open_table(BAGS)?;
            transaction.open_table(PINS)?;
            transaction.commit()?;
            Ok(())
        };
        create().map_err(fault)?;
        Ok(Self { database })
    }

    /// Puts a sealed letter into `to`'s box; durable when this returns. The same letter
    /// twice is one letter.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn send(&self, to: AccountId, letter: &[u8]) -> Result<(), PostError> {
        let hash = Digest::of(letter);
        let transaction = self.database.begin_write()?;
        {
            let mut hashes = transaction.open_table(HASHES)?;
            if hashes.get((to.0, hash.0))?.is_some() {
                return Ok(());
            }
            let mut boxes = transaction.open_table(BOXES)?;
            let (count, bytes) = boxes.get(to.0)?.map_or((0, 0), |used| used.value());
            let bytes = bytes + letter.len() as u64;
            if count >= MAX_LETTERS || bytes > MAX_BOX_BYTES {
                return Err(PostError::BoxFull);
            }
            boxes.insert(to.0, (count + 1, bytes))?;
            let number = next(&transaction, "letter")?;
            transaction
                .open_table(LETTERS)?
                .insert((to.0, number), letter)?;
            hashes.insert((to.0, hash.0), number)?;
        }
        transaction.commit()?;
        Ok(())
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
        let view = self.database.begin_read()?;
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
        let view = self.database.begin_read()?;
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
        let transaction = self.database.begin_write()?;
        let found = {
            let mut hashes = transaction.open_table(HASHES)?;
            let number = hashes
                .remove((account.0, letter.0))?
                .map(|number| number.value());
            match number {
                None => false,
                Some(number) => {
                    let mut letters = transaction.open_table(LETTERS)?;
                    let removed = letters.remove((account.0, number))?;
                    let length = removed.map_or(0, |letter| letter.value().len() as u64);
                    let mut boxes = transaction.open_table(BOXES)?;
                    let (count, bytes) = boxes.get(account.0)?.map_or((0, 0), |used| used.value());
                    boxes.insert(
                        account.0,
                        (count.saturating_sub(1), bytes.saturating_sub(length)),
                    )?;
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
        let transaction = self.database.begin_write()?;
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
        let view = self.database.begin_read()?;
        let bag = view.open_table(BAGS)?.get(locator.0)?;
        Ok(bag.map(|bag| bag.value().1.to_vec()))
    }

    /// Notes that `account` pins a root, once `pin` has done it. One that is noted already
    /// is left as it is: who asks again after a lost answer adds nothing.
    ///
    /// # Errors
    /// [`PostError::Storage`]; inside, what `pin` gives: then nothing is noted.
    pub fn add_pin<E>(
        &self,
        account: AccountId,
        root: &[u8],
        pin: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<(), E>, PostError> {
        let transaction = self.database.begin_write()?;
        {
            let mut pins = transaction.open_table(PINS)?;
            if pins.get((account.0, root))?.is_some() {
                return Ok(Ok(()));
            }
            if let Err(error) = pin() {
                return Ok(Err(error));
            }
            pins.insert((account.0, root), 1)?;
        }
        transaction.commit()?;
        Ok(Ok(()))
    }

    /// Takes the pin of `account` off a root; `false` if it had none.
    ///
    /// # Errors
    /// [`PostError::Storage`].
    pub fn remove_pin(&self, account: AccountId, root: &[u8]) -> Result<bool, PostError> {
        let transaction = self.database.begin_write()?;
        let had = transaction
            .open_table(PINS)?
            .remove((account.0, root))?
            .is_some();
        transaction.commit()?;
        Ok(had)
    }

    /// Adds one-time keys of `agent`; durable when this returns. A key that was ever here
    /// before, waiting or given away, is left out. Gives how many wait now.
    ///
    /// # Errors
    /// [`PostError`]; then none is added.
    pub fn put_prekeys(&self, agent: AccountId, keys: &[Vec<u8>]) -> Result<u64, PostError> {
        let transaction = self.database.begin_write()?;
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
                if waiting > MAX_PREKEYS {
                    return Err(PostError::PrekeysFull);
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
        let transaction = self.database.begin_write()?;
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
        let view = self.database.begin_read()?;
        let prekeys = view.open_table(PREKEYS)?;
        let mut count = 0;
        for entry in prekeys.range((agent.0, 0)..=(agent.0, u64::MAX))? {
            entry?;
            count += 1;
        }
        Ok(count)
    }
}

/// A number never used before, so that a deleted letter's is not given again.
fn next(transaction: &redb::WriteTransaction, name: &str) -> Result<u64, PostError> {
    let mut numbers = transaction.open_table(NEXT)?;
    let number = numbers.get(name)?.map_or(0, |last| last.value()) + 1;
    numbers.insert(name, number)?;
    Ok(number)
}

const LETTERS: TableDefinition<'_, ([u8; 32], u64), &[u8]> = TableDefinition::new("letters");
const BOXES: TableDefinition<'_, [u8; 32], (u64, u64)> = TableDefinition::new("boxes");
const HASHES: TableDefinition<'_, ([u8; 32], [u8; 32]), u64> = TableDefinition::new("hashes");
const BAGS: TableDefinition<'_, [u8; 32], ([u8; 32], &[u8])> = TableDefinition::new("bags");
const PINS: TableDefinition<'_, ([u8; 32], &[u8]), u64> = TableDefinition::new("pins");
const PREKEYS: TableDefinition<'_, ([u8; 32], u64), &[u8]> = TableDefinition::new("prekeys");
/// Hashes of every one-time key that was ever left, those given away as well.
const SEEN: TableDefinition<'_, ([u8; 32], [u8; 32]), ()> = TableDefinition::new("seen");
const NEXT: TableDefinition<'_, &str, u64> = TableDefinition::new("next");

/// Most letters that wait in one box.
const MAX_LETTERS: u64 = 100_000;
/// Most bytes that wait in one box.
const MAX_BOX_BYTES: u64 = 64 << 20;
/// Most one-time keys of one agent that wait.
const MAX_PREKEYS: u64 = 10_000;
const CACHE_BYTES: usize = 16 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn letters_wait_in_order_and_numbers_are_not_reused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("post.redb");
        let (a, b) = (AccountId([1; 32]), AccountId([2; 32]));
        {
            let post = Post::open(&path).unwrap();
            post.send(a, b"one").unwrap();
            post.send(b, b"other").unwrap();
            post.send(a, b"two").unwrap();
            post.send(a, b"two").unwrap();
        }
        let post = Post::open(&path).unwrap();
        let all = post.inbox(a, 0, 1 << 20).unwrap();
        assert_eq!(all, [(1, b"one".to_vec()), (3, b"two".to_vec())]);
        assert_eq!(post.inbox(a, 0, 1).unwrap().len(), 1);
        assert_eq!(post.inbox(a, 1, 1).unwrap()[0].0, 3);
        let other = Digest::of(b"other");
        assert!(!post.delete(a, other).unwrap(), "b's letter is not a's");
        let two = Digest::of(b"two");
        assert!(post.delete(a, two).unwrap());
        assert!(!post.delete(a, two).unwrap());
        post.send(a, b"three").unwrap();
        assert_eq!(post.inbox(a, 1, 1).unwrap()[0].0, 4);
    }

    #[test]
    fn bags_and_pins_belong_to_one_account() {
        let dir = tempfile::tempdir().unwrap();
        let post = Post::open(&dir.path().join("post.redb")).unwrap();
        let (a, b, locator) = (AccountId([1; 32]), AccountId([2; 32]), Digest([3; 32]));
        post.put_bag(locator, a, b"first").unwrap();
        assert!(matches!(
            post.put_bag(locator, b, b"mine"),
            Err(PostError::NotYours)
        ));
        post.put_bag(locator, a, b"second").unwrap();
        assert_eq!(post.read_bag(locator).unwrap().unwrap(), b"second");
        assert_eq!(post.read_bag(Digest([4; 32])).unwrap(), None);
        let mut done = 0;
        let mut pin = |result: Result<(), ()>| {
            let mut act = || {
                done += 1;
                result
            };
            post.add_pin(a, b"root", &mut act).unwrap()
        };
        assert_eq!(pin(Err(())), Err(()));
        assert_eq!(pin(Ok(())), Ok(()), "what failed is not noted");
        assert_eq!(pin(Ok(())), Ok(()));
        assert_eq!(done, 2, "one that is there is not pinned again");
        assert!(!post.remove_pin(b, b"root").unwrap());
        assert!(post.remove_pin(a, b"root").unwrap());
        assert!(!post.remove_pin(a, b"root").unwrap());
    }

    #[test]
    fn a_one_time_key_is_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("post.redb");
        let a = AccountId([1; 32]);
        {
            let post = Post::open(&path).unwrap();
            assert_eq!(post.put_prekeys(a, &[vec![1], vec![2]]).unwrap(), 2);
            assert_eq!(post.take_prekey(a).unwrap(), Some(vec![1]));
        }
        let post = Post::open(&path).unwrap();
        // Sent again after a lost answer: neither the one given away nor the other.
        assert_eq!(post.put_prekeys(a, &[vec![1], vec![2]]).unwrap(), 1);
        let many: Vec<_> = (0..MAX_PREKEYS).map(|n| n.to_le_bytes().to_vec()).collect();
        assert!(matches!(
            post.put_prekeys(a, &many),
            Err(PostError::PrekeysFull)
        ));
        assert_eq!(post.count_prekeys(a).unwrap(), 1);
        assert_eq!(post.take_prekey(AccountId([2; 32])).unwrap(), None);
        assert_eq!(post.take_prekey(a).unwrap(), Some(vec![2]));
        assert_eq!(post.take_prekey(a).unwrap(), None);
    }
}
