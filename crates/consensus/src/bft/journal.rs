//! Blocks that are not decided yet, and proofs against validators, on disk. A proposer finds
//! here what it proposed before it was killed, so that it never proposes two blocks for one
//! round; everybody finds here the block of a decision that was in flight.

use base::Digest;
use database::{Device, FileDevice, OpenError, Tables};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::{path::Path, sync::Arc};

use super::{context::BlockId, proposed::Proposed, recall::Past};

/// The open journal.
pub(super) struct Journal(Tables);

type BlockKey = (u64, [u8; 32]);
/// By height and hash: the block.
const BLOCKS: TableDefinition<'_, BlockKey, &[u8]> = TableDefinition::new("blocks");
/// By height and round: the hash of what this node proposed.
const OWN: TableDefinition<'_, (u64, u32), [u8; 32]> = TableDefinition::new("own");
/// By height and number: two signed messages of one validator that contradict each other.
const EVIDENCE: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("evidence");
/// What is remembered beside votes; the table `meta` is that of the file's version.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("memory");
/// Its file in a validator's folder.
pub const JOURNAL: &str = "journal.redb";
/// The number of its table layout.
pub const TABLES_VERSION: u32 = 1;
/// 1: it may vote.
const VOTES: &str = "votes";
/// 1: it has run as a voter, so that the engine's log must be there.
const BEGAN: &str = "began";
/// The height of the newest block that was kept.
const SEEN: &str = "seen";
/// Memory for pages.
const CACHE: usize = 4 << 20;

impl Journal {
    /// Makes the journal of a validator that has never voted; one that is there stays.
    pub(super) fn prepare(path: &Path) -> Result<(), OpenError> {
        Self::prepare_on(Arc::new(FileDevice::new(path)))
    }

    /// [`Journal::prepare`] on another device.
    pub(super) fn prepare_on(device: Arc<dyn Device>) -> Result<(), OpenError> {
        let there = device.exists().map_err(redb::Error::from);
        if there.map_err(OpenError::Database)? {
            return Ok(());
        }
        let made = Tables::create(device, CACHE, TABLES_VERSION, |database| {
            first(database, true)
        });
        made.map(drop).map_err(OpenError::Database)
    }

    /// Opens the journal at `path`. Where nothing is, the validator's memory of its votes is
    /// gone: one is made under which it does not vote.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(FileDevice::new(path)))
    }

    /// [`Journal::open`] on another device.
    pub(super) fn open_on(device: Arc<dyn Device>) -> Result<Self, OpenError> {
        let there = device.exists().map_err(redb::Error::from);
        let tables = match there.map_err(OpenError::Database)? {
            true => Tables::open(device, CACHE, TABLES_VERSION)?,
            false => {
                let first = |database: &redb::Database| first(database, false);
                Tables::create(device, CACHE, TABLES_VERSION, first).map_err(OpenError::Database)?
            }
        };
        Ok(Self(tables))
    }

    /// What it says of the validator's past.
    pub(super) fn past(&self) -> Result<Past, redb::Error> {
        let read = self.0.handle()?.begin_read()?;
        let meta = read.open_table(META)?;
        let number = |name| Ok::<_, redb::Error>(meta.get(name)?.map_or(0, |guard| guard.value()));
        Ok(Past {
            votes: number(VOTES)? == 1,
            began: number(BEGAN)? == 1,
            seen: number(SEEN)?,
        })
    }

    /// From now on it may, or may not. Written when the engine's own memory is there.
    pub(super) fn mark(&self, votes: bool) -> Result<(), redb::Error> {
        let handle = self.0.handle()?;
        let kept = write(&handle, |transaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert(VOTES, u64::from(votes))?;
            // After a while without votes the engine begins a new memory of its own.
            meta.insert(BEGAN, u64::from(votes))?;
            Ok(())
        });
        kept.inspect_err(|_| handle.give_up())
    }

    /// Keeps a block; as this node's own of a round, if one is given. Durable when this
    /// returns. What is at or below `decided` is forgotten.
    pub(super) fn keep(
        &self,
        block: &Proposed,
        own: Option<u32>,
        decided: u64,
    ) -> Result<(), redb::Error> {
        let handle = self.0.handle()?;
        let kept = write(&handle, |transaction| {
            let (height, id) = (block.header.height, block.id().0.0);
            let mut blocks = transaction.open_table(BLOCKS)?;
            blocks.retain(|(height, _), _| height > decided)?;
            blocks.insert((height, id), block.to_bytes().as_slice())?;
            transaction.open_table(META)?.insert(SEEN, height)?;
            let mut owned = transaction.open_table(OWN)?;
            owned.retain(|(height, _), _| height > decided)?;
            if let Some(round) = own {
                owned.insert((height, round), id)?;
            }
            Ok(())
        });
        kept.inspect_err(|_| handle.give_up())
    }

    /// What this node proposed.
    pub(super) fn own(&self, height: u64, round: u32) -> Result<Option<Proposed>, redb::Error> {
        let read = self.0.handle()?.begin_read()?;
        let id = read
            .open_table(OWN)?
            .get((height, round))?
            .map(|guard| guard.value());
        id.map_or(Ok(None), |id| self.block(height, BlockId(Digest(id))))
    }

    /// A block of an undecided height.
    pub(super) fn block(&self, height: u64, id: BlockId) -> Result<Option<Proposed>, redb::Error> {
        let read = self.0.handle()?.begin_read()?;
        let bytes = read.open_table(BLOCKS)?.get((height, id.0.0))?;
        bytes.map(|guard| parse(guard.value())).transpose()
    }

    /// Keeps a proof against a validator.
    pub(super) fn accuse(&self, height: u64, proof: &[u8]) -> Result<(), redb::Error> {
        let handle = self.0.handle()?;
        let kept = write(&handle, |transaction| {
            let mut table = transaction.open_table(EVIDENCE)?;
            let number = table.range((height, 0)..=(height, u32::MAX))?.count();
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            table.insert((height, number), proof)?;
            Ok(())
        });
        kept.inspect_err(|_| handle.give_up())
    }

    /// How many proofs are kept.
    pub(super) fn accusations(&self) -> Result<u64, redb::Error> {
        use redb::ReadableTableMetadata as _;
        let read = self.0.handle()?.begin_read()?;
        Ok(read.open_table(EVIDENCE)?.len()?)
    }
}

fn first(database: &redb::Database, votes: bool) -> Result<(), redb::Error> {
    write(database, |transaction| {
        transaction.open_table(BLOCKS)?;
        transaction.open_table(OWN)?;
        transaction.open_table(EVIDENCE)?;
        let mut meta = transaction.open_table(META)?;
        meta.insert(VOTES, u64::from(votes))?;
        Ok(())
    })
}

fn write(
    database: &redb::Database,
    change: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    change(&transaction)?;
    Ok(transaction.commit()?)
}

fn parse(bytes: &[u8]) -> Result<Proposed, redb::Error> {
    Proposed::parse(bytes).map_err(|error| redb::Error::Corrupted(error.to_string()))
}
