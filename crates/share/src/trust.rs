//! The validators that a party believes: from the genesis object on, as far as certified
//! transitions led it. Source: protocol page, "Consensus as the situation demands"; ADR 23.
//!
//! A head that validators decided whom the party does not know yet makes it ask the node for
//! the transitions between; each is certified by the set before it, so the node is not
//! trusted. What was followed is kept in the vault.

use base::{
    AccountId, SignedOperation, codec,
    genesis::{Genesis, Validator},
};
use ledger::{
    Head, HeadError, Receipt, ReceiptError, Transition, ValidatorSet, Validators, VerifiedHead,
    VerifiedReceipt,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use thiserror::Error;

use crate::{
    desk::Desk,
    node::{Node, NodeError},
    vault::{self, Change, Table, Vault, VaultError},
};

/// What one party believes, while it is at work.
#[derive(Debug)]
pub struct Trust {
    known: Mutex<Validators>,
    /// Accounts without a `Register`: the genesis object has their first keys.
    founders: BTreeMap<AccountId, Validator>,
}

impl Trust {
    /// What the genesis object alone says.
    pub fn of(genesis: &Genesis) -> Self {
        Self::new(genesis, Validators::of(genesis))
    }

    /// The genesis object, and what this vault has followed since.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn load(genesis: &Genesis, vault: &dyn Vault) -> Result<Self, VaultError> {
        let kept = vault::load_all::<Reign>(vault, Table::Validators)?;
        let later = kept.into_iter().map(|(_, reign)| reign);
        Ok(Self::new(genesis, Validators::remembered(genesis, later)))
    }

    fn new(genesis: &Genesis, known: Validators) -> Self {
        let founders = genesis.validators.iter().cloned();
        Self {
            known: Mutex::new(known),
            founders: founders
                .map(|founder| (AccountId::of(&founder.key), founder))
                .collect(),
        }
    }

    /// As far as it goes now.
    pub fn known(&self) -> Validators {
        self.lock().clone()
    }

    /// The founding validator of this account, with its first keys.
    pub(crate) fn founder(&self, account: AccountId) -> Option<&Validator> {
        self.founders.get(&account)
    }

    fn set(&self, known: Validators) {
        *self.lock() = known;
    }

    fn lock(&self) -> MutexGuard<'_, Validators> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first height of a set, and the set.
type Reign = (u64, ValidatorSet);

/// Asks for the transitions after what is known and follows them. What was reached stays
/// when a later one does not hold.
///
/// # Errors
/// [`TrustError`].
pub fn follow(node: &dyn Node, known: &mut Validators) -> Result<(), TrustError> {
    loop {
        let since = known.since();
        let batch = node.transitions(since, BATCH)?;
        let more = batch.len() >= BATCH as usize;
        for transition in batch {
            known.follow(transition)?;
        }
        if !more || known.since() == since {
            return Ok(());
        }
    }
}

/// All transitions from the genesis object on, as the node tells them: not checked.
pub(crate) fn transitions(node: &dyn Node) -> Result<Vec<Transition>, NodeError> {
    let (mut all, mut since) = (Vec::new(), 1);
    loop {
        let batch = node.transitions(since, BATCH)?;
        let more = batch.len() >= BATCH as usize;
        let last = batch.iter().map(|one| one.head.header.height).max();
        all.extend(batch);
        match last.and_then(|last| last.checked_add(1)) {
            Some(next) if more && next > since => since = next,
            _ => return Ok(all),
        }
    }
}

impl Desk<'_> {
    /// Checks a head, after following the validators where it needs that.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn certified(&self, head: Head) -> Result<VerifiedHead, TrustError> {
        match head.clone().verify(&self.trust.known()) {
            Err(HeadError::OtherValidators) => Ok(head.verify(&self.follow_validators()?)?),
            checked => Ok(checked?),
        }
    }

    /// Checks a receipt in the same way.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn received(
        &self,
        receipt: Receipt,
        operation: &SignedOperation,
    ) -> Result<VerifiedReceipt, TrustError> {
        match receipt.clone().verify(&self.trust.known(), operation) {
            Err(ReceiptError::Head(HeadError::OtherValidators)) => {
                Ok(receipt.verify(&self.follow_validators()?, operation)?)
            }
            checked => Ok(checked?),
        }
    }

    /// Durable before it is believed.
    fn follow_validators(&self) -> Result<Validators, TrustError> {
        let mut known = self.trust.known();
        let before = known.since();
        let followed = follow(self.node, &mut known);
        let new = known.later().filter(|(first, _)| *first > before);
        // Big-endian: listed by height.
        let new: Vec<_> = new
            .map(|reign| (reign.0.to_be_bytes(), codec::encode(reign)))
            .collect();
        let changes: Vec<Change<'_>> = new
            .iter()
            .map(|(key, value)| (Table::Validators, &key[..], Some(&value[..])))
            .collect();
        if !changes.is_empty() {
            self.vault.apply(&changes)?;
        }
        self.trust.set(known.clone());
        followed?;
        Ok(known)
    }
}

/// Why a head or a receipt is not believed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The head is not certified, or validators changed in a way that nobody certified.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The receipt does not hold.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Transitions asked for at once.
const BATCH: u32 = 100;
