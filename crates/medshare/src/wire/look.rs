//! A node's folder, looked at without a change.

use base::{Action, Cid, Millis, RecordId, genesis::Genesis};
use ledger::{Depth, FileDevice, Inspection, Look, OpenError, OpenOptions, View};
use std::{
    cell::Cell,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use store::{BlockStore as _, Embedded, embedded, scrub::ScrubReport};

use super::{
    BLOCKS, CONFLICT, COPIES, HINTS, LEDGER, POST,
    open::{kept_conflict, open_fault, store_fault},
    storage,
};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    home::database,
    peers::{copies, hints},
};

/// What a look at a ledger found.
#[derive(Debug)]
pub struct LookedLedger {
    /// What holds and what does not.
    pub inspection: Inspection,
    /// Time of the newest block, if it can be read.
    pub time: Option<Millis>,
    /// The records that were accepted and not erased, each with its current state; none if
    /// the ledger is damaged.
    pub current: Option<Vec<(RecordId, Cid)>>,
}

/// Looks at a node's ledger, which must be there.
///
/// # Errors
/// [`Exit::Home`] when it is damaged below its tables, or another's, [`Exit::Busy`],
/// [`Exit::Storage`].
pub fn look_at_ledger(folder: &Path, genesis: &Genesis, depth: Depth) -> Result<LookedLedger> {
    let path = folder.join(LEDGER);
    let look = open_look(&path, genesis)?;
    let view = look.view().map_err(|fault| damaged(&path, fault))?;
    let inspection = view.inspect(genesis, depth).map_err(storage)?;
    let current = match inspection.damage.is_empty() {
        true => Some(current(&view).map_err(|fault| damaged(&path, fault))?),
        false => None,
    };
    Ok(LookedLedger {
        inspection,
        time: view.head().ok().map(|head| head.header.time),
        current,
    })
}

pub(super) fn open_look(path: &Path, genesis: &Genesis) -> Result<Look> {
    files::check_kept(path)?;
    let look = Look::open(FileDevice::new(path), genesis, OpenOptions::default());
    look.map_err(|error| match error {
        OpenError::Fault(fault) => damaged(path, fault),
        other => open_fault(path, other),
    })
}

fn damaged(path: &Path, fault: ledger::Fault) -> Fault {
    match fault {
        ledger::Fault::Damaged(reason) => Fault::new(
            Exit::Home,
            format!(
                "{} is damaged ({reason}); restore the node's home from a copy",
                path.display()
            ),
        ),
        other => open_fault(path, other.into()),
    }
}

/// Every record has one leaf that publishes it.
fn current(view: &View) -> std::result::Result<Vec<(RecordId, Cid)>, ledger::Fault> {
    let (mut found, mut next) = (Vec::new(), 0);
    loop {
        let leaves = view.leaves(next, LEAVES_AT_ONCE)?;
        if leaves.is_empty() {
            return Ok(found);
        }
        next += leaves.len() as u64;
        for leaf in leaves.iter().filter(|leaf| leaf.outcome.is_ok()) {
            if let Action::Publish(publish) = &leaf.operation.body.action
                && let Some(record) = view.record(publish.record)?
                && let (Some(state), false) = (record.accepted, record.is_erased())
            {
                found.push((record.id, state));
            }
        }
    }
}

/// What a look at a store found.
#[derive(Debug)]
pub struct LookedStore {
    /// Pinned roots and their counts.
    pub pins: BTreeMap<Cid, u64>,
    /// Every block's hash.
    pub report: ScrubReport,
    /// Files that a crash left: opening the store removes them.
    pub leftovers: Vec<PathBuf>,
}

/// A store, or what is left of one.
#[derive(Debug)]
pub enum StoreLook {
    /// Its index is whole.
    Store(LookedStore),
    /// Its index is missing or damaged, and the packs are there.
    NoIndex(Fault),
}

/// Looks at the store in a node's folder. `hashed` is told how many blocks were hashed, and
/// of how many.
///
/// # Errors
/// [`Exit::Home`] when there is none or it is not one of ours, [`Exit::Storage`].
pub fn look_at_store(folder: &Path, hashed: &dyn Fn(u64, u64)) -> Result<StoreLook> {
    let path = folder.join(BLOCKS);
    if path.symlink_metadata().is_err() {
        return Err(files::missing(&path));
    }
    let looked = match Embedded::look(&path) {
        Ok(looked) => looked,
        Err(error @ embedded::OpenError::Damaged { .. }) => {
            return Ok(StoreLook::NoIndex(Fault::new(Exit::Home, error)));
        }
        Err(error) => return Err(store_fault(&path, error)),
    };
    let done = Cell::new(0);
    let one_more = || {
        hashed(done.get(), looked.blocks);
        done.set(done.get() + 1);
        false
    };
    let nobody = |_: &Cid, _: &[Cid]| None;
    let scrubbed = looked.store.scrub(&nobody, u64::MAX, &one_more);
    let report = match scrubbed {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Ok(StoreLook::NoIndex(Fault::new(
                Exit::Home,
                format!("the index of {} is damaged: {error}", path.display()),
            )));
        }
        scrubbed => scrubbed.map_err(|error| Fault::io(path.display(), &error))?,
    };
    let pins = looked.store.pins();
    Ok(StoreLook::Store(LookedStore {
        pins: pins
            .map_err(|error| Fault::io(path.display(), &error))?
            .into_iter()
            .collect(),
        report,
        leftovers: looked.leftovers,
    }))
}

/// Looks at what a node keeps of other nodes; gives the proof for which it halted, if it
/// did.
///
/// # Errors
/// [`Exit::Home`] when a file of it is damaged, [`Exit::Storage`].
pub fn look_at_peers(folder: &Path) -> Result<Option<PathBuf>> {
    for (name, version) in [
        (HINTS, hints::TABLES_VERSION),
        (COPIES, copies::TABLES_VERSION),
    ] {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok() {
            database::look(&path, CACHE, version)?;
        }
    }
    let note = folder.join(CONFLICT);
    Ok(kept_conflict(&note)?.map(|_| note))
}

/// Where a node's post is.
pub fn post_path(folder: &Path) -> PathBuf {
    folder.join(POST)
}

/// Where a node's files are while they are being made.
pub fn drafts(folder: &Path) -> Vec<PathBuf> {
    let files = [LEDGER, POST, HINTS, COPIES];
    let files = files.map(|name| folder.join(name).with_extension(database::DRAFT));
    let index = Embedded::draft(folder.join(BLOCKS));
    files.into_iter().chain([index]).collect()
}

/// Refuses a folder without a ledger in which one was.
///
/// # Errors
/// [`Exit::Home`].
pub fn check_new(folder: &Path) -> Result<()> {
    let ran = [BLOCKS, POST]
        .iter()
        .any(|name| folder.join(name).symlink_metadata().is_ok());
    match ran {
        true => Err(files::missing(&folder.join(LEDGER))),
        false => Ok(()),
    }
}

const LEAVES_AT_ONCE: usize = 1_000;
const CACHE: usize = 8 << 20;
