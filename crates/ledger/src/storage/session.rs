//! An open database, with what is kept in memory beside it for as long as it is open.

use database::{Handle, Tables};
use redb::{Database, ReadableDatabase as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{
    known::Known,
    numbers::Versions,
    recent::Recent,
    tables::{Snapshot, fault, known, waiting},
    view::View,
};
use crate::state::{Changes, Fault};

/// How often a view is tried for: a try fails only if two blocks were committed between
/// its two steps.
const TRIES: usize = 1_000;

/// The tables of a ledger. A handle that failed is replaced by a fresh one, and what was
/// kept beside it goes with it.
pub(super) struct Sessions {
    tables: Tables,
    /// Memory for recent entries, bytes.
    limit: usize,
    last: Mutex<Option<(Weak<Handle>, Arc<Beside>)>>,
}

/// One handle with what belongs to it. It is held while it is used, not longer.
pub(super) struct Session {
    handle: Arc<Handle>,
    beside: Arc<Beside>,
}

/// What is kept beside a handle.
pub(super) struct Beside {
    pub(super) versions: Versions,
    pub(super) known: Arc<Known>,
    pub(super) recent: Arc<Mutex<Recent>>,
}

impl Sessions {
    pub(super) fn new(tables: Tables, limit: usize) -> Self {
        Self {
            tables,
            limit,
            last: Mutex::new(None),
        }
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The open database.
    pub(super) fn open(&self) -> Result<Session, Fault> {
        let handle = self.tables.handle().map_err(fault)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // As long as the weak pointer is here, no other handle has its address.
        if let Some((of, beside)) = &*last
            && of.as_ptr() == Arc::as_ptr(&handle)
        {
            let beside = Arc::clone(beside);
            return Ok(Session { handle, beside });
        }
        let beside = Arc::new(Beside::load(&handle, self.limit)?);
        *last = Some((Arc::downgrade(&handle), Arc::clone(&beside)));
        Ok(Session { handle, beside })
    }
}

impl Beside {
    pub(super) fn load(database: &Database, limit: usize) -> Result<Self, Fault> {
        let transaction = database.begin_read().map_err(fault)?;
        let waiting = waiting(&transaction)?;
        let known = known(&transaction, &waiting)?;
        let recent = Recent::new(waiting.height(), limit);
        Ok(Self {
            versions: Versions::new(waiting),
            known: Arc::new(known),
            recent: Arc::new(Mutex::new(recent)),
        })
    }
}

impl Session {
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn versions(&self) -> &Versions {
        &self.beside.versions
    }

    pub(super) fn known(&self) -> &Known {
        &self.beside.known
    }

    /// A read snapshot.
    pub(super) fn view(&self) -> Result<View, Fault> {
        for _ in 0..TRIES {
            let transaction = self.handle.begin_read().map_err(fault)?;
            if let Some(snapshot) = Snapshot::new(&transaction, &self.beside)? {
                return Ok(View::new(snapshot));
            }
        }
        Err(Fault::Storage("blocks come too fast to look at one".into()))
    }

    /// What a block changed is what the next one reads.
    pub(super) fn advance(&self, height: u64, changes: Changes) {
        let recent = self.beside.recent.lock();
        recent
            .unwrap_or_else(PoisonError::into_inner)
            .advance(height, changes);
    }
}
