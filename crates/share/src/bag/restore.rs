//! Restore: phrase and bag give the wallet back; what the bag lacks is tainted.

use base::{
    AccountId, Action, Digest, OperationId, RecordId, ScopeId, UnknownVersion, codec,
    key::OperationSecret,
    operation::{Bag, PartKey},
    scope::ScopeSecret,
};
use ibpre::MasterKey;
use ledger::{CompactRange, Leaf};
use std::collections::BTreeSet;
use thiserror::Error;

use crate::{
    desk::{Desk, LookError},
    follow::{self, FollowError},
    identity::{BagKeys, HpkeSecret, PatientSecrets, SecretBytes},
    node::NodeError,
    vault::{self, Table, VaultError},
};

use super::{BOOK, BagEntry, Book, Head, SealedBag, borrow, open, open_page};

/// A wallet that came back.
pub struct Restored {
    /// The patient's secrets.
    pub secrets: PatientSecrets,
    /// The account's current operation key: the phrase's, or a later one from the bag.
    pub operation: OperationSecret,
    /// Opens letters to her account.
    pub hpke: HpkeSecret,
    /// Version of the bag that was found.
    pub number: u64,
    /// Newest version on the ledger, when the bag that was found is older, or another of the
    /// same version.
    pub newest: Option<u64>,
    /// Scopes in use whose key is not in the bag: rotate each before granting under it.
    pub tainted: Vec<ScopeId>,
}

/// Fetches the bag, checks it against the ledger, and fills the empty vault of `desk`,
/// whose party has the phrase's operation key (its HPKE secret is not looked at). The
/// hospitals' list comes back with it; what her records hold, [`crate::accept::catch_up`]
/// learns again under the restored keys.
///
/// # Errors
/// [`RestoreError`]; the vault may be half filled then: start with a new one.
pub fn restore(desk: &Desk<'_>, bag: BagKeys) -> Result<Restored, RestoreError> {
    let place = (desk.party.chain, desk.party.account);
    let sealed = desk
        .node
        .read_bag(bag.locator)?
        .ok_or(RestoreError::NoBag)?;
    let boxed: SealedBag = codec::decode(&sealed).map_err(|error| match error {
        codec::DecodeError::Version { version, .. } => RestoreError::Newer(version),
        _ => RestoreError::NotThisBag,
    })?;
    let plain = open(&bag.key, place, b"head", boxed).ok_or(RestoreError::NotThisBag)?;
    let head: Head = codec::decode(&plain).map_err(|_| RestoreError::NotThisBag)?;
    let log = read_log(desk)?;
    // Two devices with one phrase may write one version, and the node has the one that the
    // ledger did not take: as good as an older one, for what it lacks is tainted.
    let is_rival = |logged: &Bag| {
        logged.version == head.number && logged.commitment != Digest::commit(&head.salt, &sealed)
    };
    let newest = log
        .bag
        .filter(|logged| logged.version > head.number || is_rival(logged))
        .map(|logged| logged.version);
    let master = MasterKey::from_bytes(&head.master).map_err(|_| RestoreError::NotThisBag)?;
    let (known, keys) = fill(desk, &bag.key, &head)?;
    let operation = current_key(desk, keys)?;
    let tainted: Vec<ScopeId> = log.used.difference(&known).copied().collect();
    for sid in &tainted {
        vault::save(desk.vault, Table::Tainted, &sid.0, &log.height)?;
    }
    Ok(Restored {
        secrets: PatientSecrets {
            master,
            kappa: ScopeSecret::new(head.kappa),
            z: SecretBytes::new(head.z),
            bag,
        },
        operation,
        hpke: HpkeSecret::new(head.hpke),
        number: head.number,
        newest,
        tainted,
    })
}

/// The one of the phrase's key and `keys` that the ledger has as the account's.
fn current_key(
    desk: &Desk<'_>,
    keys: Vec<OperationSecret>,
) -> Result<OperationSecret, RestoreError> {
    let current = desk.operation_key(desk.party.account)?;
    let first = desk.party.operation.clone();
    std::iter::once(first)
        .chain(keys)
        .find(|key| key.public() == current)
        .ok_or(RestoreError::KeyReplaced)
}

/// Puts every entry of the bag into the vault; the scopes and operation keys that it has.
fn fill(
    desk: &Desk<'_>,
    key: &SecretBytes,
    head: &Head,
) -> Result<(BTreeSet<ScopeId>, Vec<OperationSecret>), RestoreError> {
    let place = (desk.party.chain, desk.party.account);
    let mut known = BTreeSet::new();
    let mut keys = Vec::new();
    for page in &head.pages {
        let bytes = desk.node.read_block(page)?;
        let entries = open_page(key, place, &bytes).ok_or(RestoreError::NotThisBag)?;
        put(desk, &entries, &mut known, &mut keys)?;
    }
    put(desk, &head.tail, &mut known, &mut keys)?;
    let book = Book {
        number: head.number,
        dirty: false,
        pages: head.pages.clone(),
        tail: head.tail.clone(),
        stale: Vec::new(),
    };
    vault::save(desk.vault, Table::Bag, BOOK, &book)?;
    Ok((known, keys))
}

fn put(
    desk: &Desk<'_>,
    entries: &[BagEntry],
    scopes: &mut BTreeSet<ScopeId>,
    keys: &mut Vec<OperationSecret>,
) -> Result<(), VaultError> {
    for entry in entries {
        if let Some(change) = entry.own_change() {
            desk.vault.apply(&[borrow(&change)])?;
        }
        match entry {
            BagEntry::Scope { sid, .. } => {
                scopes.insert(*sid);
            }
            BagEntry::Operation(key) => keys.extend(key.operation()),
            BagEntry::Grant(_) | BagEntry::Hospital { .. } | BagEntry::Guardians { .. } => {}
        }
    }
    Ok(())
}

/// What the log says about her, up to a certified head.
#[derive(Default)]
struct Logged {
    height: u64,
    /// Her newest `Bag`.
    bag: Option<Bag>,
    /// Scopes in an `Accept`, `Rewrap` or `Authorize` of hers, or of her delegate.
    used: BTreeSet<ScopeId>,
    /// Records published for her, and requests to her: what such operations are about.
    records: BTreeSet<RecordId>,
    requests: BTreeSet<OperationId>,
}

/// Reads the whole log and compares it with the root of the head: a node that hides a use
/// of a scope would have its key made twice.
fn read_log(desk: &Desk<'_>) -> Result<Logged, RestoreError> {
    let head = follow::advance(desk)?;
    let mut log = Logged {
        height: head.header.height,
        ..Logged::default()
    };
    let mut range = CompactRange::new();
    while range.size() < head.header.tree_size {
        let left = head.header.tree_size - range.size();
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(1_000);
        let leaves = desk.node.leaves(range.size(), limit)?;
        if leaves.is_empty() || leaves.len() as u64 > left {
            return Err(FollowError::WrongLeaves.into());
        }
        for leaf in leaves {
            range.append(&leaf.to_bytes());
            if leaf.outcome.is_ok() {
                log.note(desk.party.account, &leaf);
            }
        }
    }
    if range.root() != head.header.tree_root {
        return Err(FollowError::WrongLeaves.into());
    }
    Ok(log)
}

impl Logged {
    fn note(&mut self, patient: AccountId, leaf: &Leaf) {
        let operation = &leaf.operation.body;
        let hers = operation.account == patient;
        let mut parts: &[PartKey] = &[];
        match &operation.action {
            Action::Publish(publish) if publish.patient == patient => {
                self.records.insert(publish.record);
            }
            Action::Request(request) if request.patient == patient => {
                self.requests.insert(leaf.operation.to_bytes().1);
            }
            Action::Bag(bag) if hers => self.bag = Some(*bag),
            Action::Accept(accept) if hers || self.records.contains(&accept.record) => {
                parts = &accept.parts;
            }
            Action::Rewrap(rewrap) if hers || self.records.contains(&rewrap.record) => {
                parts = &rewrap.parts;
            }
            Action::Authorize(grant) if hers || self.requests.contains(&grant.terms.request) => {
                self.used.extend(grant.terms.sids.iter().copied());
            }
            _ => {}
        }
        self.used.extend(parts.iter().map(|part| part.sid));
    }
}

/// Why a wallet did not come back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Nothing at the phrase's locator.
    #[error("the node has no key bag for this phrase; ask the node that held it, or its replica")]
    NoBag,
    /// A bag of the future.
    #[error("the key bag: {0}")]
    Newer(UnknownVersion),
    /// Damaged, or of another phrase, account or ledger.
    #[error("the key bag is damaged, or is not this phrase's")]
    NotThisBag,
    /// The operation key was replaced, and the bag that was found lacks the new one.
    #[error(
        "the account's operation key was replaced, and neither the phrase nor this key bag has the current one"
    )]
    KeyReplaced,
    /// The ledger cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The ledger's side.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
