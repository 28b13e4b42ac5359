//! Replication: this node has its own records kept by others, and keeps others' records.
//!
//! Each current state of a record that this node's institution published is entrusted to as
//! many other nodes as the configuration says; they may refuse. A copy that its keeper does
//! not confirm in time does not count, nor one whose keeper has been away for too long, and
//! another node is asked. What was promised here is
//! fetched, pinned, and let go by what the ledger and the giver say, not by what is
//! convenient.

use base::{AccountId, Cid, Millis, RecordId};
use ledger::{Fault, Page, Record, View};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    copies::{Copies, Copy},
    hint::Says,
    hints::Hints,
    keeper::Keeper,
    message::{Keep, Question, Reply, plain},
    reach::{Carrier, Reach},
    registry::{Node, Registry},
    remote::Remote,
    sightings::Sightings,
};
use crate::http::{interface::Finder as _, log_line, operator::measure};

/// How many nodes keep a record.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Of every record, this node included.
    pub copies: u32,
    /// Of a patient's records, where she wishes otherwise.
    pub of_patients: BTreeMap<AccountId, u32>,
}

impl Wishes {
    fn of(&self, patient: AccountId) -> usize {
        let copies = self.of_patients.get(&patient).unwrap_or(&self.copies);
        usize::try_from(*copies).unwrap_or(usize::MAX)
    }
}

/// Sees to copies.
pub struct Warden {
    /// Speaks for this node.
    pub keeper: Arc<Keeper>,
    /// Finds providers.
    pub reach: Arc<Reach>,
    /// Brings states.
    pub carrier: Arc<dyn Carrier>,
    /// What is kept for others.
    pub copies: Arc<Copies>,
    /// How many copies this node's records should have.
    pub wishes: Wishes,
    /// Who was here lately.
    pub sightings: Mutex<Sightings>,
    /// Nodes that refused, and have kept nothing since.
    pub refused: Mutex<BTreeMap<AccountId, Refusal>>,
}

/// When a node that refused is asked again.
pub struct Refusal {
    until: Millis,
    /// How long that is after it refused, milliseconds.
    wait: u64,
}

impl Warden {
    /// One round: has its own records kept, then sees to what it keeps.
    ///
    /// # Errors
    /// [`Fault`] when the ledger cannot be read.
    pub fn round(&self) -> Result<(), Fault> {
        let Some((_, own)) = self.registry().node(self.keeper.account) else {
            return Ok(()); // the ledger does not have this node yet
        };
        self.look_around();
        if let Some(institution) = own.institution {
            self.entrust(own, institution)?;
        }
        self.tend()
    }

    fn registry(&self) -> &Registry {
        &self.keeper.registry
    }

    fn hints(&self) -> &Hints {
        &self.keeper.hints
    }

    fn now(&self) -> Millis {
        (self.keeper.clock)()
    }

    fn look_around(&self) {
        let now = self.now();
        for peer in self.keeper.net.connected() {
            for node in self.registry().nodes_of(&peer) {
                self.sightings().saw(node.account, now);
            }
        }
    }

    fn sightings(&self) -> MutexGuard<'_, Sightings> {
        self.sightings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    // -- its own records

    fn entrust(&self, own: Node, institution: AccountId) -> Result<(), Fault> {
        let Ok(pins) = self.keeper.store.pins() else {
            return Ok(());
        };
        let pinned: HashSet<Cid> = pins.into_iter().map(|(root, _)| root).collect();
        let mut page = Page {
            from: 0,
            limit: RECORDS_A_PAGE,
        };
        loop {
            let view = (self.keeper.views)()?;
            let listing = view.records_of(institution, page)?;
            for record in listing.items {
                for state in states(&view, record.id)? {
                    let current = is_current(&record, &state) && pinned.contains(&state);
                    self.see_to(&record, state, current, own);
                }
            }
            match listing.next {
                Some(next) => page.from = next,
                None => return Ok(()),
            }
        }
    }

    /// Gives a state to further nodes, or takes it back from all.
    fn see_to(&self, record: &Record, root: Cid, current: bool, own: Node) {
        let keepers = self.hints().keepers(&root, own.account);
        if !current {
            for (keeper, _) in keepers {
                self.say(root, Says::Withdrawn(keeper));
            }
            return;
        }
        let now = self.now();
        let holders = self.hints().holders(&root);
        let sightings = self.sightings();
        let counts = |(keeper, since): &(AccountId, Millis)| {
            if holders.contains(keeper) {
                sightings.counts(*keeper, now)
            } else {
                now < since.plus(CONFIRM)
            }
        };
        let wanted = self.wishes.of(record.patient).saturating_sub(1);
        let live = keepers.iter().filter(|keeper| counts(keeper)).count();
        drop(sightings);
        if live >= wanted {
            return;
        }
        let taken: Vec<AccountId> = keepers.iter().map(|(keeper, _)| *keeper).collect();
        let candidates = self.candidates(&root, own, &taken);
        let tree = measure(&*self.keeper.store, &root);
        if tree.missing > 0 {
            return; // the scrubber's matter
        }
        for (peer, node) in candidates.into_iter().take(wanted - live) {
            self.ask(&peer, node, root, tree.bytes);
        }
    }

    /// Other hospitals' nodes in an order of this root's own, so that copies spread evenly.
    fn candidates(&self, root: &Cid, own: Node, taken: &[AccountId]) -> Vec<(Vec<u8>, Node)> {
        let now = self.now();
        let refused = self.refused();
        let connected = self.keeper.net.connected();
        let mut nodes = self.registry().nodes();
        nodes.retain(|(peer, node)| {
            node.account != own.account
                && node.institution.is_some()
                && node.institution != own.institution
                && !taken.contains(&node.account)
                && connected.contains(peer)
                && refused
                    .get(&node.account)
                    .is_none_or(|refusal| refusal.until <= now)
        });
        nodes.sort_by_key(|(_, node)| -> [u8; 32] {
            let hash = Sha256::new().chain_update(root.to_bytes());
            hash.chain_update(node.account.0).finalize().into()
        });
        nodes
    }

    fn refused(&self) -> MutexGuard<'_, BTreeMap<AccountId, Refusal>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, peer: &[u8], node: Node, root: Cid, bytes: u64) {
        let Ok(view) = (self.keeper.views)() else {
            return;
        };
        let Ok(head) = view.head() else { return };
        let remote = Remote::new(self.keeper.net.line(peer), Some(head.header.chain));
        match remote.ask(Question::Keep(Keep { root, bytes })) {
            Ok(Reply::Kept) => {
                log_line(&format!("{} keeps a copy of {root}", node.account));
                self.say(root, Says::Entrusted(node.account));
                self.refused().remove(&node.account);
            }
            Ok(Reply::No(reason)) => {
                log_line(&format!(
                    "{} keeps no copy: {}",
                    node.account,
                    plain(&reason)
                ));
                let mut refused = self.refused();
                let last = refused.get(&node.account);
                let wait = last.map_or(REFUSED, |last| (2 * last.wait).min(REFUSED_LONG));
                let until = self.now().plus(wait);
                refused.insert(node.account, Refusal { until, wait });
            }
            _ => {} // away: asked again in a later round
        }
    }

    fn say(&self, root: Cid, says: Says) {
        if let Err(error) = self.keeper.say(root, says) {
            log_line(&error);
        }
    }

    // -- others' records

    fn tend(&self) -> Result<(), Fault> {
        let all = self.copies.all().unwrap_or_else(|error| {
            log_line(&error);
            Vec::new()
        });
        for copy in all {
            let view = (self.keeper.views)()?;
            let given = self
                .hints()
                .entrusters(&copy.root, self.keeper.account)
                .contains(&copy.giver);
            let waits = !copy.pinned && self.now() < copy.since.plus(CONFIRM);
            let record = view.record(copy.record)?;
            let key = match &record {
                Some(record) => view
                    .account(record.patient)?
                    .and_then(|known| known.patient),
                None => None,
            };
            let key = key.map(|keys| keys.h);
            let kept = record.is_some_and(|record| {
                !record.is_erased() && is_current(&record, &copy.root) && (given || waits)
            });
            drop(view);
            match (kept, given) {
                (false, _) => self.let_go(&copy, key),
                (true, true) => self.bring(&copy, key),
                (true, false) => {} // the giver's word is on its way
            }
        }
        Ok(())
    }

    /// Brings a state, and its patient's public key: who opens the one needs the other.
    fn bring(&self, copy: &Copy, key: Option<Cid>) {
        let pins = self.keeper.store.pins().unwrap_or_default();
        if copy.pinned && pins.iter().any(|(root, _)| *root == copy.root) {
            return;
        }
        let providers = self.reach.providers_of(&copy.root);
        let limit = copy.bytes.saturating_add(SLACK);
        if let Err(reason) = self
            .carrier
            .fetch(&copy.root, &providers, limit, &|_, _, _| {})
        {
            log_line(&format!(
                "the copy of {} does not come: {reason}",
                copy.root
            ));
            return;
        }
        let store = &*self.keeper.store;
        if let Some(key) = &key
            && let Err(error) = self.reach.find(store, key)
        {
            log_line(&error);
            return;
        }
        // Noted first: a copy that is noted and not pinned is brought again.
        let pin = |cid: &Cid| store.pin(cid).map(drop).map_err(|error| error.to_string());
        let kept = self.copies.keep(copy).map_err(|error| error.to_string());
        let kept = kept.and_then(|()| key.as_ref().map_or(Ok(()), pin));
        match kept.and_then(|()| pin(&copy.root)) {
            Ok(()) => log_line(&format!("a copy of {} is here", copy.root)),
            Err(error) => log_line(&error),
        }
    }

    fn let_go(&self, copy: &Copy, key: Option<Cid>) {
        let pinned = [Some(copy.root), key].into_iter().flatten();
        for cid in pinned.filter(|_| copy.pinned) {
            match self.keeper.store.unpin(&cid) {
                Ok(_) | Err(store::PutError::NotPinned(_)) => {}
                Err(error) => return log_line(&error),
            }
        }
        match self.copies.forget(copy) {
            Ok(()) => log_line(&format!("the copy of {} is let go", copy.root)),
            Err(error) => log_line(&error),
        }
    }
}

/// Judges another node's wish that this one keep a copy. `Err` says why not.
///
/// # Errors
/// The outer [`Fault`] when the ledger cannot be read.
pub fn judge(
    keep: Keep,
    peer: &[u8],
    view: &View,
    registry: &Registry,
    copies: &Copies,
    now: Millis,
) -> Result<Result<(), String>, Fault> {
    registry.catch_up(view)?;
    let Some(record) = registry.record(&keep.root) else {
        return Ok(Err("that is no state of a record".into()));
    };
    let record = view.record(record)?;
    let Some(record) = record.filter(|record| !record.is_erased()) else {
        return Ok(Err("the record is erased".into()));
    };
    let nodes = registry.nodes_of(peer);
    let giver = nodes
        .iter()
        .find(|node| node.institution == Some(record.hospital));
    let Some(giver) = giver else {
        return Ok(Err("only the publisher's node gives copies away".into()));
    };
    let copy = Copy::promised(keep.root, record.id, giver.account, keep.bytes, now);
    Ok(copies.promise(&copy).map_err(|error| error.to_string()))
}

fn is_current(record: &Record, state: &Cid) -> bool {
    !record.is_erased()
        && (record.accepted.as_ref() == Some(state) || record.pending.as_ref() == Some(state))
}

fn states(view: &View, record: RecordId) -> Result<Vec<Cid>, Fault> {
    let listing = view.states_of(record, Page::default())?;
    Ok(listing.items.into_iter().map(|info| info.state).collect())
}

const RECORDS_A_PAGE: usize = 500;
/// A keeper that has not confirmed by then does not count, and a promise lapses.
const CONFIRM: u64 = 10 * 60 * Millis::SECOND;
/// A node that refused is not asked again for so long, and each time for twice as long: it may
/// only not have the block yet that names the record.
const REFUSED: u64 = 5 * Millis::SECOND;
/// And at most for so long.
const REFUSED_LONG: u64 = Millis::HOUR;
/// What may come beyond the size that was told: nodes of the tree, for example.
const SLACK: u64 = 1 << 20;
