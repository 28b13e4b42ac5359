//! Who may have which block: block -> pinned roots that reach it -> the record they are
//! states of -> [`rules`](super::rules). What nothing allows looks absent.
//!
//! **Whose a block is.** A root is a state of the record that its own bytes name, once the
//! ledger has it as one; its link to the state before must be of the same record, or the
//! root counts for nothing: roots stand on the ledger for all to see, and a stranger's
//! record that links to one must not open it. Where several records reach a block, the one
//! that was logged first decides alone.
//!
//! **How fresh.** Every call looks at the ledger's newest block; a ruling is remembered
//! for that block and until the next time that changes it. On a node that follows, grants
//! count only while its ledger is known to be as new as the upstream's.

use base::{Cid, Millis, RecordId, codec};
use ledger::{Fault, View};
use share::sealed::SealedRecord;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::GetError;

use super::{
    hints::Hints,
    registry::{Node, Registry},
    rules::{self, Case, Ground, Ruling},
};
use crate::http::{interface::Views, log_line};

/// What is asked of the store: which pinned roots reach a block, and a block's bytes.
pub trait Shelf: Send + Sync + 'static {
    /// Pinned roots that reach the block.
    ///
    /// # Errors
    /// [`GetError`].
    fn roots_of(&self, cid: &Cid) -> Result<Vec<Cid>, GetError>;

    /// A block that is here.
    ///
    /// # Errors
    /// [`GetError`].
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError>;
}

/// Whether the ledger at hand is as new as it must be for what can be revoked.
pub type Freshness = Box<dyn Fn() -> Freshly + Send + Sync>;

/// How far the ledger at hand may be relied upon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshly {
    /// For everything.
    Current,
    /// Not for what can be revoked: the upstream was not heard of for too long.
    Stale,
    /// For nothing: the ledger contradicts itself.
    Halted,
}

/// Decides on every block of every request.
pub struct Releases {
    views: Views,
    shelf: Arc<dyn Shelf>,
    registry: Arc<Registry>,
    hints: Arc<Hints>,
    freshness: Freshness,
    clock: fn() -> Millis,
    memory: Mutex<Memory>,
}

/// A block of the ledger and a state of the hints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Moment {
    height: u64,
    hints: u64,
}

/// What was found at one moment.
#[derive(Default)]
struct Memory {
    at: Moment,
    /// Root -> its record and where the ledger has it; none for what is no state.
    owners: HashMap<Cid, Option<Owner>>,
    rulings: HashMap<(Node, Cid), Ruling>,
}

/// The record of a root, ordered by when it was logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Owner {
    height: u64,
    index: u64,
    record: RecordId,
}

impl Releases {
    /// Rules over a ledger, a store and what nodes said of each other.
    pub fn new(
        views: Views,
        shelf: Arc<dyn Shelf>,
        registry: Arc<Registry>,
        hints: Arc<Hints>,
        freshness: Freshness,
        clock: fn() -> Millis,
    ) -> Self {
        Self {
            views,
            shelf,
            registry,
            hints,
            freshness,
            clock,
            memory: Mutex::default(),
        }
    }

    /// Whether the node behind `peer` may have the block. What cannot be found out is no.
    pub fn may_have(&self, peer: &[u8], cid: &Cid) -> bool {
        self.decide(peer, cid).unwrap_or_else(|fault| {
            log_line(&fault);
            false
        })
    }

    fn decide(&self, peer: &[u8], cid: &Cid) -> Result<bool, Fault> {
        let freshly = (self.freshness)();
        if freshly == Freshly::Halted {
            return Ok(false);
        }
        let view = (self.views)()?;
        self.registry.catch_up(&view)?;
        let nodes = self.registry.nodes_of(peer);
        if nodes.is_empty() {
            return Ok(false);
        }
        if self.registry.public_key(cid).is_some() {
            return Ok(true);
        }
        let Ok(roots) = self.shelf.roots_of(cid) else {
            return Ok(false);
        };
        let at = self.moment(&view)?;
        let mut owned = Vec::new();
        for root in roots {
            if let Some(owner) = self.owner(at, &view, &root)? {
                owned.push((owner, root));
            }
        }
        let Some(first) = owned.iter().map(|(owner, _)| *owner).min() else {
            return Ok(false);
        };
        for (owner, root) in owned {
            if owner.record != first.record {
                continue;
            }
            for node in &nodes {
                let ground = self.ruling(at, &view, (owner.record, root), *node)?.ground;
                let holds = match ground {
                    None => false,
                    Some(Ground::Grant) => freshly == Freshly::Current,
                    Some(_) => true,
                };
                if holds {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Where the ledger stands; what was remembered of earlier moments is forgotten.
    fn moment(&self, view: &View) -> Result<Moment, Fault> {
        let at = Moment {
            height: view.head()?.header.height,
            hints: self.hints.newest(),
        };
        let mut memory = self.lock();
        let full = memory.rulings.len() > MAX_REMEMBERED || memory.owners.len() > MAX_REMEMBERED;
        if memory.at < at || full {
            *memory = Memory {
                at: at.max(memory.at),
                ..Memory::default()
            };
        }
        Ok(at)
    }

    /// What is remembered, if it is of this very moment: another thread may be at another.
    fn at(&self, at: Moment) -> Option<MutexGuard<'_, Memory>> {
        Some(self.lock()).filter(|memory| memory.at == at)
    }

    fn owner(&self, at: Moment, view: &View, root: &Cid) -> Result<Option<Owner>, Fault> {
        if let Some(owner) = self
            .at(at)
            .and_then(|memory| memory.owners.get(root).copied())
        {
            return Ok(owner);
        }
        let owner = self.find_owner(view, root)?;
        if let Some(mut memory) = self.at(at) {
            memory.owners.insert(*root, owner);
        }
        Ok(owner)
    }

    fn find_owner(&self, view: &View, root: &Cid) -> Result<Option<Owner>, Fault> {
        let Ok(bytes) = self.shelf.block(root) else {
            return Ok(None);
        };
        let Ok(sealed) = codec::decode::<SealedRecord>(&bytes) else {
            return Ok(None); // a key bag's page, a public key, a body on its way
        };
        let record = sealed.record;
        if let Some(previous) = sealed.previous
            && view.state_of(record, previous)?.is_none()
        {
            return Ok(None);
        }
        let Some(info) = view.state_of(record, *root)? else {
            return Ok(None);
        };
        let index = view.index_of(info.by)?;
        Ok(index.map(|index| Owner {
            height: info.height,
            index,
            record,
        }))
    }

    fn ruling(
        &self,
        at: Moment,
        view: &View,
        (record, root): (RecordId, Cid),
        node: Node,
    ) -> Result<Ruling, Fault> {
        let now = (self.clock)();
        let remembered = self
            .at(at)
            .and_then(|memory| memory.rulings.get(&(node, root)).copied());
        if let Some(ruling) = remembered
            && ruling.until.is_none_or(|until| now < until)
        {
            return Ok(ruling);
        }
        let case = Case { record, root, now };
        let ruling = rules::rule(view, &case, node, |record| {
            Ok(self
                .registry
                .is_entrusted(&self.hints, &root, record.hospital, node))
        })?;
        if let Some(mut memory) = self.at(at) {
            memory.rulings.insert((node, root), ruling);
        }
        Ok(ruling)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_REMEMBERED: usize = 100_000;
