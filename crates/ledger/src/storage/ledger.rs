//! The ledger: open, propose, commit.

use base::{
    AccountId, Millis, codec,
    genesis::{Genesis, Policy},
};
use redb::{Database, DatabaseError, ReadableDatabase};
use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use thiserror::Error;

use super::{
    pending::{Pending, PendingLeaf},
    tables::{BLOCKS, LEAVES, LISTS, META, NODES, OPERATIONS, STATE, Snapshot, fault, node_key},
    view::View,
};
use crate::{
    assemble::Builder,
    block::{Certificate, Head, HeadError, Header, ValidatorSet},
    leaf::Refusal,
    log::{self, Appender, Memo},
    receipt::Receipt,
    state::{self, Changes, Fault, StateHash, operation_key, write_genesis},
    verify::Checked,
};

/// The number of the table layout.
const VERSION: &[u8] = &[1];

/// How a ledger is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Memory for cached pages, bytes.
    pub cache: usize,
}

impl Default for OpenOptions {
    /// 64 MiB.
    fn default() -> Self {
        Self { cache: 64 << 20 }
    }
}

/// A ledger on disk. One process has it open; any number of threads read and one at a
/// time writes.
pub struct Ledger {
    path: PathBuf,
    options: OpenOptions,
    database: RwLock<Option<Arc<Database>>>,
    writing: Mutex<()>,
    genesis: Genesis,
    validators: ValidatorSet,
}

impl Ledger {
    /// Makes a new ledger at `path`, which must not exist.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(
        path: &Path,
        genesis: &Genesis,
        options: OpenOptions,
    ) -> Result<Self, CreateError> {
        check_genesis(genesis)?;
        if path.exists() {
            return Err(CreateError::Exists(path.to_path_buf()));
        }
        // Made under another name, so that a crash leaves a whole ledger or none.
        let unfinished = path.with_extension("new");
        let _ = fs::remove_file(&unfinished); // of an attempt that a crash ended
        let database = builder(options)
            .create(&unfinished)
            .map_err(OpenError::from)?;
        write_first(&database, genesis).map_err(OpenError::Fault)?;
        drop(database);
        settle_name(&unfinished, path).map_err(CreateError::Io)?;
        Ok(Self::open(path, genesis, options)?)
    }

    /// Opens the ledger at `path` and checks that it is the one of `genesis`, complete
    /// and at a block boundary.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, genesis: &Genesis, options: OpenOptions) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing(path.to_path_buf()));
        }
        let database = builder(options).open(path)?;
        let ledger = Self::new(path, options, database, genesis);
        ledger.check_opened()?;
        Ok(ledger)
    }

    fn new(path: &Path, options: OpenOptions, database: Database, genesis: &Genesis) -> Self {
        Self {
            path: path.to_path_buf(),
            options,
            database: RwLock::new(Some(Arc::new(database))),
            writing: Mutex::new(()),
            genesis: genesis.clone(),
            validators: ValidatorSet::of(genesis),
        }
    }

    fn check_opened(&self) -> Result<(), OpenError> {
        let view = self.view()?;
        match view.meta("version")? {
            Some(version) if version == VERSION => {}
            _ => return Err(OpenError::Version),
        }
        if view.meta("genesis")?.as_deref() != Some(&codec::encode(&self.genesis)) {
            return Err(OpenError::OtherGenesis);
        }
        let head = view.head()?.header;
        if view.state_hash()?.digest() != head.state_hash {
            return Err(damaged("the state is not the head's").into());
        }
        if view.root_at(head.tree_size)? != head.tree_root {
            return Err(damaged("the log is not the head's").into());
        }
        Ok(())
    }

    /// The genesis object.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The validators.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// A read snapshot: everything read from it belongs to one block.
    ///
    /// # Errors
    /// [`Fault`] when the tables cannot be read.
    pub fn view(&self) -> Result<View, Fault> {
        let transaction = self.database()?.begin_read().map_err(fault)?;
        Ok(View::new(Snapshot::new(&transaction)?))
    }

    /// Builds the next block from checked operations, in their order. Nothing is written.
    /// Operations that leave no leaf (another chain or sequence number, a key that was
    /// rotated meanwhile) are listed in [`Pending::fates`].
    ///
    /// # Errors
    /// [`ProposeError`] when the time does not increase or the tables cannot be read.
    pub fn propose(
        &self,
        operations: Vec<Checked>,
        time: Millis,
        proposer: AccountId,
    ) -> Result<Pending, ProposeError> {
        let view = self.view()?;
        let previous = view.head()?;
        if time <= previous.header.time {
            return Err(ProposeError::Time {
                last: previous.header.time,
            });
        }
        let snapshot = view.snapshot();
        let mut builder = Builder::new(&self.validators, snapshot, &previous.header, time);
        let mut tree = Appender::resume(snapshot, previous.header.tree_size)?;
        let mut leaves = Vec::with_capacity(operations.len());
        let mut fates = Vec::with_capacity(operations.len());
        let mut taken = HashMap::new();
        for operation in operations {
            let index = tree.size();
            let fate = match builder.take(&operation, index)? {
                Err(Refusal::WrongSequence { expected, found }) => {
                    let at = match taken.get(&operation.id()) {
                        Some(index) => Some(*index),
                        None => view.index_of(operation.id())?,
                    };
                    Err(
                        at.map_or(Refusal::WrongSequence { expected, found }, |index| {
                            Refusal::Duplicate { index }
                        }),
                    )
                }
                other => other,
            };
            if let Ok(outcome) = fate {
                taken.insert(operation.id(), index);
                let leaf = PendingLeaf::new(&operation, outcome);
                tree.append(leaf.hash);
                leaves.push(leaf);
            }
            fates.push(fate);
        }
        let changes = builder.finish()?;
        let mut state_hash = view.state_hash()?;
        changes.update(&mut state_hash);
        let header = Header {
            chain: previous.header.chain,
            height: previous.header.height + 1,
            time,
            previous: Some(previous.header.cid()),
            first_leaf: previous.header.tree_size,
            tree_size: tree.size(),
            tree_root: tree.root(),
            state_hash: state_hash.digest(),
            proposer,
        };
        Ok(Pending {
            header,
            leaves,
            changes,
            nodes: tree.into_added(),
            state_hash,
            fates,
        })
    }

    /// Writes a certified block and its effects durably; when this returns, no crash of
    /// process or machine loses it. Receipts are in the order of the block's operations.
    ///
    /// # Errors
    /// [`CommitError`]; nothing is written then.
    pub fn commit(
        &self,
        pending: Pending,
        certificate: Certificate,
    ) -> Result<Vec<Receipt>, CommitError> {
        let _one_writer = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let head = Head {
            header: pending.header.clone(),
            certificate,
        }
        .verify(&self.validators)?
        .into_head();
        let view = self.view()?;
        if head.header.previous != Some(view.head()?.header.cid()) {
            return Err(CommitError::NotNext);
        }
        let receipts = receipts(&view, &pending, &head)?;
        drop(view);
        if let Err(problem) = self.write(&pending, &head) {
            self.let_go();
            return Err(problem.into());
        }
        Ok(receipts)
    }

    fn write(&self, pending: &Pending, head: &Head) -> Result<(), Fault> {
        let transaction = self.database()?.begin_write().map_err(fault)?;
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

    /// The open database. After a failed write redb refuses everything, reads too, and is
    /// let go of; a fresh handle starts at the last durable block. While a reader still
    /// holds the old one this fails, and the next call tries again.
    fn database(&self) -> Result<Arc<Database>, Fault> {
        let slot = self.database.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = slot.as_ref() {
            return Ok(Arc::clone(database));
        }
        drop(slot);
        let mut slot = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = slot.as_ref() {
            return Ok(Arc::clone(database));
        }
        let database = builder(self.options).open(&self.path).map_err(fault)?;
        let database = Arc::new(database);
        *slot = Some(Arc::clone(&database));
        Ok(database)
    }

    fn let_go(&self) {
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Renames durably.
fn settle_name(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    #[cfg(unix)]
    if let Some(folder) = to.parent() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn builder(options: OpenOptions) -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(options.cache);
    builder
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged(what.to_owned())
}

/// The first transaction: genesis, its state, and the head of height 0.
fn write_first(database: &Database, genesis: &Genesis) -> Result<(), Fault> {
    let transaction = database.begin_write().map_err(fault)?;
    {
        let mut meta = transaction.open_table(META).map_err(fault)?;
        meta.insert("version", VERSION).map_err(fault)?;
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
            .insert(change.key.as_slice(), change.after.as_slice())
            .map_err(fault)?;
    }
    let mut lists = transaction.open_table(LISTS).map_err(fault)?;
    for entry in &changes.index {
        lists.insert(&entry.key(), &entry.item).map_err(fault)?;
    }
    Ok(())
}

/// Receipts against the new head, from the tree before and the nodes that the block adds.
fn receipts(view: &View, pending: &Pending, head: &Head) -> Result<Vec<Receipt>, Fault> {
    let nodes = Memo::new(view.snapshot(), &pending.nodes);
    (head.header.first_leaf..)
        .zip(&pending.leaves)
        .map(|(index, leaf)| {
            Ok(Receipt {
                id: leaf.id,
                index,
                outcome: leaf.outcome,
                leaf: leaf.hash,
                inclusion: log::inclusion_proof(&nodes, index, head.header.tree_size)?,
                head: head.clone(),
            })
        })
        .collect()
}

/// A genesis object must be able to start a ledger.
fn check_genesis(genesis: &Genesis) -> Result<(), CreateError> {
    if genesis.version != 1 {
        return Err(CreateError::Genesis("its version is not 1"));
    }
    let ids: HashSet<AccountId> = genesis
        .validators
        .iter()
        .map(|validator| AccountId::of(&validator.key))
        .collect();
    if ids.is_empty() || ids.len() != genesis.validators.len() {
        return Err(CreateError::Genesis(
            "it needs at least one validator and no key twice",
        ));
    }
    let institutions: HashSet<AccountId> = genesis
        .institutions
        .iter()
        .map(|founding| founding.account)
        .collect();
    if institutions.len() != genesis.institutions.len() || !institutions.is_disjoint(&ids) {
        return Err(CreateError::Genesis(
            "an institution is named twice or is a validator's account",
        ));
    }
    policy_is_sound(&genesis.policy)
        .then_some(())
        .ok_or(CreateError::Genesis("its policy contradicts itself"))
}

/// Tiers strictly increase and their numbers fit a byte; a half-life and a budget exist.
pub(crate) fn policy_is_sound(policy: &Policy) -> bool {
    policy.tiers.windows(2).all(|pair| pair[0] < pair[1])
        && policy.tiers.first().is_none_or(|first| *first > 0)
        && policy.tiers.len() <= 255
        && policy.half_life_days > 0
        && policy.emergency_hours > 0
}

/// Why a ledger cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Something is at the path.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The genesis object cannot start a ledger.
    #[error("the genesis object cannot start a ledger: {0}")]
    Genesis(&'static str),
    /// The file cannot be put in place.
    #[error("the ledger's file cannot be put in place: {0}")]
    Io(#[source] io::Error),
    /// The database cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Why a ledger cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none.
    #[error("there is no ledger at {0}")]
    Missing(PathBuf),
    /// Another process has it open.
    #[error("another process has the ledger open")]
    Locked,
    /// Its tables have another layout.
    #[error("the ledger's tables have a version that this program does not know")]
    Version,
    /// It was made from another genesis object.
    #[error("the ledger was made from another genesis object")]
    OtherGenesis,
    /// It cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<DatabaseError> for OpenError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::Locked,
            DatabaseError::UpgradeRequired(_) => Self::Version,
            other => Self::Fault(fault(other)),
        }
    }
}

/// Why a block cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// The time is not after the last block's.
    #[error("the block's time is not after the last block's, {last}")]
    Time {
        /// Time of the last block.
        last: Millis,
    },
    /// The tables cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a block cannot be committed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The certificate does not hold.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Another block was committed since it was built.
    #[error("the block does not follow the last one")]
    NotNext,
    /// The tables cannot be written (a full disk, for example). The block is not there.
    #[error(transparent)]
    Fault(#[from] Fault),
}
