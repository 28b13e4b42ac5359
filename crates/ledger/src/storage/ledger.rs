//! The ledger: open, propose, commit.

use base::{Millis, Version, genesis::Genesis};
use database::{Device, FileDevice, Tables};
use redb::Database;
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    error::{CommitError, CreateError, OpenError, ProposeError},
    pending::{Pending, PendingLeaf},
    session::Sessions,
    tables::damaged,
    view::View,
    write::{self, TABLES_VERSION},
};
use crate::{
    assemble::{Builder, Slot},
    block::{Certificate, Head, Header},
    leaf::Refusal,
    log::{self, Appender, Memo},
    receipt::Receipt,
    state::{Fault, check_genesis},
    validators::Validators,
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

impl OpenOptions {
    /// The part for entries of the state that were used lately, decoded.
    fn recent(self) -> usize {
        self.cache / 4
    }

    /// The part for pages.
    fn pages(self) -> usize {
        self.cache - self.recent()
    }
}

/// A ledger on disk. One process has it open; any number of threads read and one at a
/// time writes.
pub struct Ledger {
    sessions: Sessions,
    writing: Mutex<()>,
    genesis: Genesis,
    /// As of the newest block.
    validators: Mutex<Validators>,
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
        Self::create_on(Arc::new(FileDevice::new(path)), genesis, options)
    }

    /// [`Ledger::create`] on another device.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create_on(
        device: Arc<dyn Device>,
        genesis: &Genesis,
        options: OpenOptions,
    ) -> Result<Self, CreateError> {
        check_genesis(genesis).map_err(CreateError::Genesis)?;
        if device.exists().map_err(CreateError::Io)? {
            return Err(CreateError::Exists(device.name().to_path_buf()));
        }
        // Made under another name, so that a crash leaves a whole ledger or none.
        let tables = Tables::create(device, options.pages(), TABLES_VERSION, |database| {
            write::first(database, genesis).map_err(|fault| CreateError::Open(fault.into()))
        })?;
        Self::on(tables, options, genesis).map_err(|fault| CreateError::Open(fault.into()))
    }

    /// Opens the ledger at `path` and checks that it is the one of `genesis`, complete
    /// and at a block boundary. One that is not, or of another version, stays as it is.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, genesis: &Genesis, options: OpenOptions) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(FileDevice::new(path)), genesis, options)
    }

    /// [`Ledger::open`] on another device.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(
        device: Arc<dyn Device>,
        genesis: &Genesis,
        options: OpenOptions,
    ) -> Result<Self, OpenError> {
        let io = |error: io::Error| OpenError::Fault(Fault::Storage(error.to_string()));
        if !device.exists().map_err(io)? {
            return Err(OpenError::Missing(device.name().to_path_buf()));
        }
        let tables = Tables::open_if(device, options.pages(), TABLES_VERSION, |database| {
            check_opened(database, genesis)
        })?;
        Ok(Self::on(tables, options, genesis)?)
    }

    fn on(tables: Tables, options: OpenOptions, genesis: &Genesis) -> Result<Self, Fault> {
        let ledger = Self {
            sessions: Sessions::new(tables, options.recent()),
            writing: Mutex::new(()),
            genesis: genesis.clone(),
            validators: Mutex::new(Validators::of(genesis)),
        };
        ledger.learn(&ledger.view()?)?;
        Ok(ledger)
    }

    /// Takes in what the tables know of validators, which are this node's own.
    fn learn(&self, view: &View) -> Result<(), Fault> {
        let mut known = self.lock_validators();
        for (height, set) in view.hand_overs(known.since(), usize::MAX)? {
            known.push(height + 1, set);
        }
        Ok(())
    }

    fn lock_validators(&self) -> MutexGuard<'_, Validators> {
        self.validators
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The genesis object.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Everybody who decided, and who decides after the newest block.
    pub fn validators(&self) -> Validators {
        self.lock_validators().clone()
    }

    /// A read snapshot: everything read from it belongs to one block.
    ///
    /// # Errors
    /// [`Fault`] when the tables cannot be read.
    pub fn view(&self) -> Result<View, Fault> {
        self.sessions.open()?.view()
    }

    /// The file that the ledger lies in: whether it is damaged, and a look at it.
    pub fn tables(&self) -> &Tables {
        self.sessions.tables()
    }

    /// Builds the next block from checked operations, in their order. Nothing is written.
    /// Operations that leave no leaf (another chain or sequence number, a key that was
    /// rotated meanwhile) are listed in [`Pending::fates`]. `slot` is the builder's turn: its
    /// account alone where that is the first of the height.
    ///
    /// # Errors
    /// [`ProposeError`] when the time does not increase or the tables cannot be read.
    pub fn propose(
        &self,
        operations: Vec<Checked>,
        time: Millis,
        slot: impl Into<Slot>,
    ) -> Result<Pending, ProposeError> {
        let view = self.view()?;
        let previous = view.head()?;
        if time <= previous.header.time {
            return Err(ProposeError::Time {
                last: previous.header.time,
            });
        }
        let snapshot = view.snapshot();
        let slot = slot.into();
        let (since, validators) = view.council()?;
        let mut builder = Builder::new(
            (since, &validators),
            snapshot,
            &previous.header,
            (time, slot),
            operations.len(),
        );
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
        let built = builder.finish()?;
        let changes = built.changes;
        let mut state_hash = view.state_hash()?;
        changes.update(&mut state_hash);
        let header = Header {
            version: Version,
            chain: previous.header.chain,
            height: previous.header.height + 1,
            time,
            previous: Some(previous.header.cid()),
            first_leaf: previous.header.tree_size,
            tree_size: tree.size(),
            tree_root: tree.root(),
            state_hash: state_hash.digest(),
            proposer: slot.proposer,
            round: slot.round,
            next_validators: built.next,
        };
        Ok(Pending {
            header,
            transition: built.transition,
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
    /// [`CommitError`]; nothing is written then, except after [`CommitError::Unknown`].
    pub fn commit(
        &self,
        pending: Pending,
        certificate: Certificate,
    ) -> Result<Vec<Receipt>, CommitError> {
        let _one_writer = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view()?;
        // A write whose end nobody knew may have brought a block since.
        self.learn(&view)?;
        let head = Head {
            header: pending.header.clone(),
            certificate,
        }
        .verify(&self.validators())?
        .into_head();
        if head.header.previous != Some(view.head()?.header.cid()) {
            return Err(CommitError::NotNext);
        }
        let receipts = receipts(&view, &pending, &head)?;
        drop(view);
        let session = self.sessions.open()?;
        match write::block(&session, &pending, &head) {
            Ok(()) => session.advance(head.header.height, pending.changes),
            Err(problem) => {
                session.handle().give_up();
                drop(session);
                self.fate(&head, problem)?;
            }
        }
        if let Some(set) = pending.transition {
            self.lock_validators().push(head.header.height + 1, set);
        }
        Ok(receipts)
    }

    /// After a write that failed: `Ok` if the block is there all the same, durably.
    fn fate(&self, head: &Head, problem: Fault) -> Result<(), CommitError> {
        match self.view().and_then(|view| view.head()) {
            Ok(found) if found == *head => Ok(()),
            Ok(_) => Err(problem.into()),
            Err(_) => Err(CommitError::Unknown(problem)),
        }
    }
}

/// The ledger of `genesis`, complete and at a block boundary.
fn check_opened(database: &Database, genesis: &Genesis) -> Result<(), OpenError> {
    let view = View::of(database)?;
    view.is_of(genesis)?;
    let head = view.head()?.header;
    if view.state_hash()?.digest() != head.state_hash {
        return Err(damaged("the state is not the head's").into());
    }
    if view.root_at(head.tree_size)? != head.tree_root {
        return Err(damaged("the log is not the head's").into());
    }
    Ok(())
}

/// Receipts against the new head, from the tree before and the nodes that the block adds.
fn receipts(view: &View, pending: &Pending, head: &Head) -> Result<Vec<Receipt>, Fault> {
    let nodes = Memo::new(view.snapshot(), &pending.nodes);
    let mut receipts = Vec::with_capacity(pending.leaves.len());
    for (index, leaf) in (head.header.first_leaf..).zip(&pending.leaves) {
        receipts.push(Receipt {
            id: leaf.id,
            index,
            outcome: leaf.outcome,
            leaf: leaf.hash,
            inclusion: log::inclusion_proof(&nodes, index, head.header.tree_size)?,
            head: head.clone(),
        });
    }
    Ok(receipts)
}
