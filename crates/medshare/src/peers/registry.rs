//! What the ledger says that must be answered from memory: which nodes are admitted under
//! which peer id, which public keys patients have, which record a state belongs to. Read
//! from the log, leaf by leaf, from the start; it grows with accounts and states.
//!
//! **Who is admitted.** A node is an account of role node: a validator of the genesis, or
//! one that joined an admitted institution, which signs for that (`Join`). Its peer id is
//! the one it named last (`Register`, `RotateKey`). An account that joined nobody admits
//! nobody: everyone may register. A peer id on the ledger is a claim without proof, and
//! needs none: who names a peer that is not its own lends that peer its own rights, and
//! gains none of the peer's.

use base::{
    AccountId, Action, Cid, RecordId, cid,
    operation::{NewKey, Role},
};
use ledger::{Fault, Leaf, Validators, View};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{PoisonError, RwLock},
};

use super::hints::Hints;

/// An admitted node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node {
    /// Its account.
    pub account: AccountId,
    /// The institution that it joined; a founding validator may have none.
    pub institution: Option<AccountId>,
}

/// The ledger's nodes, public keys and states, in memory.
pub struct Registry {
    validators: Vec<AccountId>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// Index of the first leaf that was not read.
    next: u64,
    nodes: BTreeMap<AccountId, (Vec<u8>, Node)>,
    peers: HashMap<Vec<u8>, Vec<Node>>,
    /// Digests of the raw blocks that hold patients' public keys.
    public_keys: HashMap<[u8; 32], AccountId>,
    /// Digests of states' roots, with the record that logged each first.
    states: HashMap<[u8; 32], RecordId>,
}

impl Registry {
    /// Nothing is read yet.
    pub fn new(validators: &Validators) -> Self {
        Self {
            validators: validators
                .at(1)
                .seats()
                .iter()
                .map(|seat| seat.account)
                .collect(),
            known: RwLock::default(),
        }
    }

    /// Reads what the log has more. Cheap when there is nothing.
    ///
    /// # Errors
    /// [`Fault`]; what was read before counts.
    pub fn catch_up(&self, view: &View) -> Result<(), Fault> {
        let size = view.head()?.header.tree_size;
        if self.read(|known| known.next) >= size {
            return Ok(());
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        while known.next < size {
            let leaves = view.leaves(known.next, BATCH)?;
            if leaves.is_empty() {
                return Err(Fault::Damaged(
                    "the log is shorter than its head says".into(),
                ));
            }
            for leaf in leaves {
                self.note(&mut known, view, &leaf)?;
                known.next += 1;
            }
        }
        Ok(())
    }

    fn note(&self, known: &mut Known, view: &View, leaf: &Leaf) -> Result<(), Fault> {
        if !leaf.outcome.is_ok() {
            return Ok(());
        }
        let operation = &leaf.operation.body;
        match &operation.action {
            Action::Register(register) => match (register.role, register.patient) {
                (Role::Node, _) => self.note_node(known, view, operation.account)?,
                (_, Some(keys)) => {
                    if let Some(digest) = cid::sha256_digest(&keys.h) {
                        known.public_keys.entry(digest).or_insert(operation.account);
                    }
                }
                _ => {}
            },
            Action::Join(_) => self.note_node(known, view, operation.account)?,
            Action::RotateKey(rotate) if matches!(rotate.new, NewKey::Peer(_)) => {
                self.note_node(known, view, operation.account)?;
            }
            Action::Publish(publish) => known.note_state(&publish.after, publish.record),
            Action::Modify(modify) => known.note_state(&modify.after, modify.record),
            Action::Rewrap(rewrap) => known.note_state(&rewrap.after, rewrap.record),
            _ => {}
        }
        Ok(())
    }

    /// Takes an account's node as it is at the newest block: later leaves say the same.
    fn note_node(&self, known: &mut Known, view: &View, id: AccountId) -> Result<(), Fault> {
        let Some(account) = view.account(id)?.filter(|found| found.role == Role::Node) else {
            return Ok(());
        };
        if let Some((peer, node)) = known.nodes.remove(&id)
            && let Some(nodes) = known.peers.get_mut(&peer)
        {
            nodes.retain(|other| *other != node);
            if nodes.is_empty() {
                known.peers.remove(&peer);
            }
        }
        let institution = view.institution_of(id)?.map(|found| found.account);
        let admitted = institution.is_some() || self.validators.contains(&id);
        if let (Some(peer), true) = (account.peer, admitted) {
            let node = Node {
                account: id,
                institution,
            };
            let peer = peer.into_vec();
            known.peers.entry(peer.clone()).or_default().push(node);
            known.nodes.insert(id, (peer, node));
        }
        Ok(())
    }

    /// The admitted nodes that have this peer id: none for a stranger.
    pub fn nodes_of(&self, peer: &[u8]) -> Vec<Node> {
        self.read(|known| known.peers.get(peer).cloned().unwrap_or_default())
    }

    /// Whether the peer id is that of an admitted node.
    pub fn admits(&self, peer: &[u8]) -> bool {
        self.read(|known| known.peers.contains_key(peer))
    }

    /// An admitted node with its peer id.
    pub fn node(&self, account: AccountId) -> Option<(Vec<u8>, Node)> {
        self.read(|known| known.nodes.get(&account).cloned())
    }

    /// Every admitted node with its peer id, by account.
    pub fn nodes(&self) -> Vec<(Vec<u8>, Node)> {
        self.read(|known| known.nodes.values().cloned().collect())
    }

    /// The patient whose public key the block holds.
    pub fn public_key(&self, block: &Cid) -> Option<AccountId> {
        let digest = cid::sha256_digest(block).filter(|_| block.codec() == cid::RAW)?;
        self.read(|known| known.public_keys.get(&digest).copied())
    }

    /// The record that logged the root as a state of its own first.
    pub fn record(&self, root: &Cid) -> Option<RecordId> {
        let digest = cid::sha256_digest(root).filter(|_| root.codec() == cid::DAG_CBOR)?;
        self.read(|known| known.states.get(&digest).copied())
    }

    /// Leaves that were read.
    pub fn size(&self) -> u64 {
        self.read(|known| known.next)
    }

    /// Whether a node of the record's publisher says that it gave `keeper` the root to keep.
    pub fn is_entrusted(
        &self,
        hints: &Hints,
        root: &Cid,
        publisher: AccountId,
        keeper: Node,
    ) -> bool {
        let givers = hints.entrusters(root, keeper.account);
        let mut givers = givers.iter().filter_map(|giver| self.node(*giver));
        givers.any(|(_, giver)| giver.institution == Some(publisher))
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn note_state(&mut self, root: &Cid, record: RecordId) {
        if let Some(digest) = cid::sha256_digest(root) {
            self.states.entry(digest).or_insert(record);
        }
    }
}

const BATCH: usize = 1_000;
