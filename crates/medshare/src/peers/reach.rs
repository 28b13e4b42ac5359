//! The store as this node's own parties read it: a block of a record that is not here is
//! fetched from the nodes that have it, if the ledger lets this node have it.
//!
//! A reader learns a record's blocks from its root down, so the blocks below a known state
//! are remembered as its own while they are read (bounded). What was fetched is put into
//! the store unpinned: it is there for the next reader until it is collected, and is served
//! to nobody.

use base::{AccountId, Cid, Millis, RecordId, cid};
use ledger::Fault;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use store::{BlockStore, GetError, links};

use super::{
    hints::Hints,
    registry::{Node, Registry},
    rules::{self, Case},
};
use crate::http::{
    interface::{Finder, Views},
    log_line,
};

/// Brings single blocks from other nodes.
pub trait Carrier: Send + Sync + 'static {
    /// The block, from one of `providers` (peer ids, the likeliest first), hashed. The call
    /// blocks and comes to an end by itself.
    ///
    /// # Errors
    /// In words, why none of them gave it.
    fn bring(&self, cid: &Cid, providers: &[Vec<u8>]) -> Result<Vec<u8>, String>;

    /// Brings the tree of `root`, of at most `bytes` bytes, into the store, durable. The
    /// call blocks as long as something comes; `told` hears blocks and bytes so far, and
    /// the bytes of all of it where they are known.
    ///
    /// # Errors
    /// In words.
    fn fetch(
        &self,
        root: &Cid,
        providers: &[Vec<u8>],
        bytes: u64,
        told: &dyn Fn(u64, u64, Option<u64>),
    ) -> Result<(), String>;
}

/// Finds blocks that are not here.
pub struct Reach {
    account: AccountId,
    views: Views,
    registry: Arc<Registry>,
    hints: Arc<Hints>,
    carrier: Arc<dyn Carrier>,
    clock: fn() -> Millis,
    trail: Mutex<HashMap<Cid, Source>>,
}

/// Where a block belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// Below a state of a record.
    State(RecordId, Cid),
    /// A patient's public key.
    PublicKey(AccountId),
}

impl Reach {
    /// For the node `account`.
    pub fn new(
        account: AccountId,
        views: Views,
        registry: Arc<Registry>,
        hints: Arc<Hints>,
        carrier: Arc<dyn Carrier>,
        clock: fn() -> Millis,
    ) -> Self {
        Self {
            account,
            views,
            registry,
            hints,
            carrier,
            clock,
            trail: Mutex::default(),
        }
    }

    fn look(&self, store: &dyn BlockStore, cid: &Cid) -> Result<Vec<u8>, GetError> {
        match store.get(cid) {
            Ok(bytes) => {
                if let Some(source) = self.source(cid) {
                    self.mark(source, cid, &bytes);
                }
                Ok(bytes)
            }
            Err(GetError::Missing(missing)) => {
                let Some(source) = self.source(cid) else {
                    return Err(GetError::Missing(missing));
                };
                let bytes = self.fetch(source, cid).ok_or(GetError::Missing(missing))?;
                if let Err(error) = store.put(cid, &bytes) {
                    log_line(&format!("a fetched block is not kept: {error}"));
                }
                self.mark(source, cid, &bytes);
                Ok(bytes)
            }
            Err(error) => Err(error),
        }
    }

    fn source(&self, cid: &Cid) -> Option<Source> {
        if let Some(record) = self.registry.record(cid) {
            return Some(Source::State(record, *cid));
        }
        if let Some(patient) = self.registry.public_key(cid) {
            return Some(Source::PublicKey(patient));
        }
        let trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
        trail.get(cid).copied()
    }

    /// Notes that what the block links to belongs where it does.
    fn mark(&self, source: Source, cid: &Cid, bytes: &[u8]) {
        if cid.codec() == cid::RAW {
            return;
        }
        let Ok(below) = links(cid, bytes) else {
            return;
        };
        let mut trail = self.trail.lock().unwrap_or_else(PoisonError::into_inner);
        if trail.len() + below.len() > MAX_TRAIL {
            trail.clear();
        }
        for link in below {
            trail.entry(link).or_insert(source);
        }
    }

    /// Asks who has it, for a while: hints of who holds what, and another node's knowledge of
    /// a grant, come a little after the blocks that a reader has seen.
    fn fetch(&self, source: Source, cid: &Cid) -> Option<Vec<u8>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let providers = self.providers(source).unwrap_or_else(|fault| {
                log_line(&fault);
                Vec::new()
            });
            if providers.is_empty() {
                return None;
            }
            match self.carrier.bring(cid, &providers) {
                Ok(bytes) if store::check(cid, &bytes).is_ok() => return Some(bytes),
                Ok(_) => return None,
                Err(reason) if Instant::now() >= until => {
                    log_line(&format!("block {cid} is not here, and: {reason}"));
                    return None;
                }
                Err(_) => std::thread::sleep(AGAIN),
            }
        }
    }

    /// Who may have a copy of the state, the likeliest first; nobody for what is none, or is
    /// not for this node.
    pub fn providers_of(&self, root: &Cid) -> Vec<Vec<u8>> {
        let Some(record) = self.registry.record(root) else {
            return Vec::new();
        };
        self.providers(Source::State(record, *root))
            .unwrap_or_else(|fault| {
                log_line(&fault);
                Vec::new()
            })
    }

    /// Whom to ask: nobody, when the ledger does not let this node have it.
    fn providers(&self, source: Source) -> Result<Vec<Vec<u8>>, Fault> {
        let view = (self.views)()?;
        self.registry.catch_up(&view)?;
        let Some((_, own)) = self.registry.node(self.account) else {
            return Ok(Vec::new());
        };
        let mut likely = Vec::new();
        match source {
            Source::State(record, root) => {
                if !self.may_have(record, root, own)? {
                    return Ok(Vec::new());
                }
                let publisher = view.record(record)?.map(|found| found.hospital);
                likely.extend(self.nodes(|node| node.institution == publisher));
                let holders = self.hints.holders(&root);
                likely.extend(self.nodes(|node| holders.contains(&node.account)));
            }
            Source::PublicKey(patient) => {
                let met = view
                    .account(patient)?
                    .map_or_else(Vec::new, |a| a.attested_by);
                let of_hers = |node: &Node| {
                    node.institution
                        .is_some_and(|institution| met.contains(&institution))
                };
                likely.extend(self.nodes(of_hers));
                likely.extend(self.nodes(|_| true));
            }
        }
        let mut providers: Vec<Vec<u8>> = Vec::new();
        for (peer, node) in likely {
            if node.account != self.account && !providers.contains(&peer) {
                providers.push(peer);
            }
        }
        Ok(providers)
    }

    fn may_have(&self, record: RecordId, root: Cid, own: Node) -> Result<bool, Fault> {
        let view = (self.views)()?;
        let now = (self.clock)();
        let case = Case { record, root, now };
        let ruling = rules::rule(&view, &case, own, |record| {
            Ok(self
                .registry
                .is_entrusted(&self.hints, &root, record.hospital, own))
        })?;
        Ok(ruling.ground.is_some())
    }

    fn nodes(&self, wanted: impl Fn(&Node) -> bool) -> Vec<(Vec<u8>, Node)> {
        let mut nodes = self.registry.nodes();
        nodes.retain(|(_, node)| wanted(node));
        nodes
    }
}

impl Finder for Reach {
    fn find(&self, store: &dyn BlockStore, cid: &Cid) -> Result<Vec<u8>, GetError> {
        self.look(store, cid)
    }

    fn fetch(&self, root: &Cid, told: &dyn Fn(u64, u64, Option<u64>)) -> Result<(), String> {
        let providers = self.providers_of(root);
        if providers.is_empty() {
            return Err(
                "it is no state of a record that this node may have, or nobody has it".into(),
            );
        }
        self.carrier.fetch(root, &providers, u64::MAX, told)
    }

    fn mend(&self, cid: &Cid, roots: &[Cid]) -> Option<Vec<u8>> {
        roots.iter().find_map(|root| {
            let record = self.registry.record(root);
            let source = match record {
                Some(record) => Source::State(record, *root),
                None => Source::PublicKey(self.registry.public_key(root)?),
            };
            self.fetch(source, cid)
        })
    }
}

/// How long a block is asked for again that nobody gave.
const PATIENCE: Duration = Duration::from_secs(8);
const AGAIN: Duration = Duration::from_millis(500);
/// Blocks remembered as a record's own; a record of 64 GiB has about so many.
const MAX_TRAIL: usize = 100_000;
