//! The hints that a node keeps, its own and others': durable, one word for each speaker,
//! root and subject, numbered in the order they came so that another node can ask for what
//! is new. Bounded for each speaker; what is over the bound is not taken.

use ::database::Tables;
use base::{AccountId, Cid, Millis, Signed, codec};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde_bytes::ByteBuf;
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};
use thiserror::Error;

use super::hint::{CheckedHint, Hint, Says};
use crate::{exit::Result, home::database};

/// The book of hints.
pub struct Hints {
    tables: Tables,
    newest: AtomicU64,
    most: u64,
}

/// What became of a hint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noted {
    /// It is kept.
    New,
    /// A word of the same time or later is here.
    Known,
    /// The speaker has said too much.
    TooMany,
}

/// The book's database failed.
#[derive(Debug, Error)]
#[error("the book of hints failed: {0}")]
pub struct HintsError(#[from] redb::Error);

macro_rules! from_redb {
    ($($error:ident)*) => {$(
        impl From<redb::$error> for HintsError {
            fn from(error: redb::$error) -> Self { Self(error.into()) }
        }
    )*};
}
from_redb!(TransactionError TableError StorageError CommitError);

impl Hints {
    /// Opens or makes the book at `path`; it keeps at most `most` words of one speaker.
    ///
    /// # Errors
    /// A [`crate::exit::Fault`] naming the file.
    pub fn open(path: &Path, most: u64) -> Result<Self> {
        let name = path.display().to_string();
        let tables = if path.symlink_metadata().is_ok() {
            database::open(path, CACHE_BYTES, TABLES_VERSION)?
        } else {
            database::create(path, CACHE_BYTES, TABLES_VERSION, first)?
        };
        let newest = || -> std::result::Result<u64, redb::Error> {
            let handle = tables.handle()?;
            let words = handle.begin_read()?.open_table(WORDS)?;
            Ok(words.last()?.map_or(0, |(number, _)| number.value()))
        };
        let newest = newest().map_err(|error| database::fault(&name, error))?;
        Ok(Self {
            tables,
            newest: AtomicU64::new(newest),
            most,
        })
    }

    /// Number of the newest hint; 0 if there is none.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// Keeps a hint in the place of the speaker's earlier word; durable when this returns.
    ///
    /// # Errors
    /// [`HintsError`].
    pub fn note(&self, hint: &CheckedHint) -> std::result::Result<Noted, HintsError> {
        let said = hint.hint();
        let place = Place::of(said);
        let handle = self.tables.handle()?;
        let transaction = handle.begin_write()?;
        let number = {
            let mut words = transaction.open_table(WORDS)?;
            let mut places = transaction.open_table(PLACES)?;
            let mut counts = transaction.open_table(COUNTS)?;
            let before = places.get(place.key())?.map(|found| found.value());
            match before {
                Some((time, _)) if time >= said.time.0 => return Ok(Noted::Known),
                Some((_, number)) => {
                    words.remove(number)?;
                }
                None => {
                    let count = counts.get(said.account.0)?.map_or(0, |count| count.value());
                    if count >= self.most {
                        return Ok(Noted::TooMany);
                    }
                    counts.insert(said.account.0, count + 1)?;
                }
            }
            let last = words.last()?.map_or(0, |(number, _)| number.value());
            let number = last.max(self.newest()) + 1;
            words.insert(number, codec::encode(hint.as_signed()).as_slice())?;
            places.insert(place.key(), (said.time.0, number))?;
            number
        };
        transaction.commit()?;
        self.newest.store(number, Ordering::Release);
        Ok(Noted::New)
    }

    /// Hints with numbers above `after`, oldest first, of at most `bytes` bytes but at
    /// least one.
    ///
    /// # Errors
    /// [`HintsError`].
    pub fn since(
        &self,
        after: u64,
        bytes: usize,
    ) -> std::result::Result<Vec<(u64, ByteBuf)>, HintsError> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let words = view.open_table(WORDS)?;
        let mut found = Vec::new();
        let mut size = 0;
        for entry in words.range(after.saturating_add(1)..)? {
            let (number, word) = entry?;
            size += word.value().len();
            if size > bytes && !found.is_empty() {
                break;
            }
            found.push((number.value(), ByteBuf::from(word.value())));
        }
        Ok(found)
    }

    /// Accounts of the nodes that say they hold the root.
    pub fn holders(&self, root: &Cid) -> Vec<AccountId> {
        self.about(root, |hint| hint.says == Says::Held)
    }

    /// Accounts of the nodes that say they gave `keeper` the root to keep.
    pub fn entrusters(&self, root: &Cid, keeper: AccountId) -> Vec<AccountId> {
        self.about(root, |hint| hint.says == Says::Entrusted(keeper))
    }

    /// Accounts to which `giver` says it gave the root to keep, and since when.
    pub fn keepers(&self, root: &Cid, giver: AccountId) -> Vec<(AccountId, Millis)> {
        let given = self.words(root).unwrap_or_default();
        let kept = given.into_iter().filter(|hint| hint.account == giver);
        kept.filter_map(|hint| match hint.says {
            Says::Entrusted(keeper) => Some((keeper, hint.time)),
            _ => None,
        })
        .collect()
    }

    /// The newest word of `account` about the root and itself.
    pub fn own(&self, root: &Cid, account: AccountId) -> Option<Says> {
        let words = self.words(root).unwrap_or_default();
        let mut own = words.into_iter();
        own.find(|hint| hint.account == account && hint.says.is_own())
            .map(|hint| hint.says)
    }

    /// Every root of which `account` says that it holds it.
    ///
    /// # Errors
    /// [`HintsError`].
    pub fn held_by(&self, account: AccountId) -> std::result::Result<Vec<Cid>, HintsError> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let words = view.open_table(WORDS)?;
        let mut roots = Vec::new();
        for entry in words.iter()? {
            let (_, word) = entry?;
            if let Some(hint) = parse(word.value())
                && hint.account == account
                && hint.says == Says::Held
            {
                roots.push(hint.root);
            }
        }
        Ok(roots)
    }

    fn about(&self, root: &Cid, says: impl Fn(&Hint) -> bool) -> Vec<AccountId> {
        let words = self.words(root).unwrap_or_default();
        let speakers = words.into_iter().filter(says).map(|hint| hint.account);
        speakers.collect()
    }

    fn words(&self, root: &Cid) -> std::result::Result<Vec<Hint>, HintsError> {
        let handle = self.tables.handle()?;
        let view = handle.begin_read()?;
        let (places, words) = (view.open_table(PLACES)?, view.open_table(WORDS)?);
        let root = root.to_bytes();
        let mut hints = Vec::new();
        let first = (root.as_slice(), [0; 32], [0; 32], 0);
        let last = (root.as_slice(), [0xff; 32], [0xff; 32], u8::MAX);
        for entry in places.range(first..=last)? {
            let (_, number) = entry?.1.value();
            let word = words.get(number)?;
            hints.extend(word.and_then(|word| parse(word.value())));
        }
        Ok(hints)
    }
}

fn parse(bytes: &[u8]) -> Option<Hint> {
    let signed: Signed<Hint> = codec::decode_lenient(bytes).ok()?;
    Some(signed.body)
}

/// Where a word stands: root, speaker, subject, and whether it is about itself.
struct Place {
    root: Vec<u8>,
    speaker: AccountId,
    subject: AccountId,
    own: u8,
}

type Key<'a> = (&'a [u8], [u8; 32], [u8; 32], u8);

impl Place {
    fn of(hint: &Hint) -> Self {
        Self {
            root: hint.root.to_bytes(),
            speaker: hint.account,
            subject: hint.says.subject(hint.account),
            own: u8::from(hint.says.is_own()),
        }
    }

    fn key(&self) -> Key<'_> {
        (&self.root, self.speaker.0, self.subject.0, self.own)
    }
}

/// What a new file begins with.
fn first(database: &Database) -> std::result::Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(WORDS)?;
    transaction.open_table(PLACES)?;
    transaction.open_table(COUNTS)?;
    transaction.commit()?;
    Ok(())
}

/// Version of the tables of `hints.redb`.
pub(crate) const TABLES_VERSION: u32 = 1;
/// Number -> canonical bytes of the signed hint.
const WORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("words");
/// Place -> time and number of the word there.
const PLACES: TableDefinition<'_, Key<'_>, (u64, u64)> = TableDefinition::new("places");
/// Speaker -> how many places it fills.
const COUNTS: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("counts");
const CACHE_BYTES: usize = 4 << 20;
