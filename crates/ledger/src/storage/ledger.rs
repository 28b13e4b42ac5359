//! The ledger: open, propose, commit.

use base::{AccountId, Millis, codec, genesis::Genesis};
use redb::{Database, ReadableDatabase};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use super::{
    error::{CommitError, CreateError, OpenError, ProposeError},
    pending::{Pending, PendingLeaf},
    tables::{Snapshot, damaged, fault},
    view::View,
    write,
};
use crate::{
    assemble::Builder,
    block::{Certificate, Head, Header, ValidatorSet},
    leaf::Refusal,
    log::{self, Appender, Memo},
    receipt::Receipt,
    state::{Fault, check_genesis},
    verify::Checked,
};

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
        check_genesis(genesis).map_err(CreateError::Genesis)?;
        if path.exists() {
            return Err(CreateError::Exists(path.to_path_buf()));
        }
        // Made under another name, so that a crash leaves a whole ledger or none.
        let unfinished = path.with_extension("new");
        let _ = fs::remove_file(&unfinished); // of an attempt that a crash ended
        let database = builder(options)
            .create(&unfinished)
            .map_err(OpenError::from)?;
        write::first(&database, genesis).map_err(OpenError::Fault)?;
        drop(database);
        write::settle_name(&unfinished, path).map_err(CreateError::Io)?;
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
            Some(version) if version == write::VERSION => {}
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
        if let Err(problem) = self
            .database()
            .and_then(|database| write::block(&database, &pending, &head))
        {
            self.let_go();
            return Err(problem.into());
        }
        Ok(receipts)
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

fn builder(options: OpenOptions) -> redb::Builder {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(options.cache);
    builder
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
