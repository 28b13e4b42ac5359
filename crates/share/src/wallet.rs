//! A patient's wallet: her scopes and their keys.
//!
//! Source: protocol page, "A record", Scope. A key is extracted once; it is durable in
//! the vault and in the key bag before anything that was made with it leaves.

use base::{
    AccountId, Class, Digest, Epoch, Millis, RecordId, Scope, ScopeId, operation::PartKey,
    scope::Cover,
};
use ibpre::{DecapsulationKey, Extractor, PublicParams, UserKey};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::{collections::BTreeSet, sync::OnceLock};
use thiserror::Error;

use crate::{
    Suite,
    bag::{self, BagEntry, BagError},
    desk::Desk,
    identity::{PatientSecrets, secret},
    node::NodeError,
    scheme::{self, sid_of},
    vault::{self, Table, VaultError},
};

/// A wallet at work. Made once for many verbs: it prepares the trapdoor when it first makes
/// a key.
pub struct Wallet<'a> {
    /// Who acts: the patient, or a delegate of hers.
    pub desk: Desk<'a>,
    /// The patient's secrets.
    pub secrets: &'a PatientSecrets,
    /// The patient.
    pub patient: AccountId,
    extractor: OnceLock<Extractor<Suite>>,
}

/// A scope as the wallet keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownScope {
    pub(crate) scope: Scope,
    /// e1, in the encoding of `ibpre`.
    pub(crate) key: ByteBuf,
    /// Extracted a second time after a restore: for decapsulation only.
    pub(crate) tainted: bool,
}

secret! { KnownScope { key } }

/// A record as the wallet accepted it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownRecord {
    /// The accepted state.
    pub state: base::Cid,
    /// Who published it.
    pub hospital: AccountId,
    /// When it was logged.
    pub time: Millis,
    /// Its parts.
    pub parts: Vec<KnownPart>,
}

/// A part as the wallet accepted it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPart {
    /// Index, scope, capsule.
    pub key: PartKey,
    /// What the scope covers.
    pub cover: Cover,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub length: u64,
}

impl<'a> Wallet<'a> {
    /// The wallet of the desk's own account, or, under a delegation, of `patient`.
    pub fn new(desk: Desk<'a>, secrets: &'a PatientSecrets, patient: AccountId) -> Self {
        Self {
            desk,
            secrets,
            patient,
            extractor: OnceLock::new(),
        }
    }

    /// H_pk of her public key.
    pub fn pkh(&self) -> Digest {
        Digest(*self.public().pkh())
    }

    pub(crate) fn public(&self) -> &PublicParams<Suite> {
        self.secrets.master.public_params()
    }

    pub(crate) fn extractor(&self) -> &Extractor<Suite> {
        self.extractor
            .get_or_init(|| Extractor::new(&self.secrets.master))
    }

    /// The scope of `cover`.
    pub fn scope(&self, cover: Cover) -> Scope {
        Scope::of(
            self.desk.party.chain,
            self.pkh(),
            cover,
            &self.secrets.kappa,
        )
    }

    /// Puts a hospital on the list of those whose records the wallet accepts. The key bag
    /// has it from its next version on ([`bag::sync`]).
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn list_hospital(&self, hospital: AccountId, now: Millis) -> Result<(), VaultError> {
        self.note_hospital(hospital, Some(now))
    }

    fn note_hospital(&self, hospital: AccountId, listed: Option<Millis>) -> Result<(), VaultError> {
        let before = self.desk.vault.get(Table::Hospitals, &hospital.0)?;
        if before.is_some() == listed.is_some() {
            return Ok(());
        }
        bag::add(self, vec![BagEntry::Hospital { hospital, listed }])
    }

    /// Takes a hospital off the list.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn unlist_hospital(&self, hospital: AccountId) -> Result<(), VaultError> {
        self.note_hospital(hospital, None)
    }

    /// The hospitals on the list.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn hospitals(&self) -> Result<Vec<AccountId>, VaultError> {
        let entries = self.desk.vault.list(Table::Hospitals)?;
        Ok(entries
            .into_iter()
            .filter_map(|(key, _)| Some(AccountId(key.try_into().ok()?)))
            .collect())
    }

    /// The records that the wallet has accepted and not erased.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn records(&self) -> Result<Vec<(RecordId, KnownRecord)>, VaultError> {
        let entries = vault::load_all(self.desk.vault, Table::Parts)?;
        Ok(entries
            .into_iter()
            .filter_map(|(key, record)| Some((RecordId(key.try_into().ok()?), record)))
            .collect())
    }

    /// What the wallet knows of a record that it has accepted and not erased.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn record(&self, record: RecordId) -> Result<Option<KnownRecord>, VaultError> {
        vault::load(self.desk.vault, Table::Parts, &record.0)
    }

    /// What class of data a scope covers that the wallet has a key of.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn class_of(&self, sid: ScopeId) -> Result<Option<Class>, VaultError> {
        Ok(self.known_scope(sid)?.map(|known| known.scope.cover.class))
    }

    /// What `sid` covers: from the vault, or by trying every class, epoch, record or
    /// none, and counter. `logged` is the block time of the state's `Publish` or `Modify`.
    pub(crate) fn find_scope(
        &self,
        sid: ScopeId,
        record: RecordId,
        logged: Millis,
    ) -> Result<Option<Scope>, VaultError> {
        if let Some(known) = self.known_scope(sid)? {
            return Ok(Some(known.scope));
        }
        let epochs = epochs_at(logged);
        for counter in 0..MAX_COUNTER {
            for class in Class::ALL {
                for epoch in class_epochs(class, &epochs) {
                    for record in [None, Some(record)] {
                        let cover = Cover {
                            class,
                            epoch,
                            record,
                            counter,
                        };
                        let scope = self.scope(cover);
                        if sid_of(&scope) == sid {
                            return Ok(Some(scope));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    pub(crate) fn known_scope(&self, sid: ScopeId) -> Result<Option<KnownScope>, VaultError> {
        vault::load(self.desk.vault, Table::Scopes, &sid.0)
    }

    /// Extracts the keys of `scopes` that are not there yet, and has all of them in the
    /// key bag before it returns.
    pub(crate) fn extract(
        &self,
        scopes: &[Scope],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ExtractError> {
        let mut rng = rng;
        let mut fresh = Vec::new();
        let mut claimed = BTreeSet::new();
        for scope in scopes {
            let sid = sid_of(scope);
            if self.known_scope(sid)?.is_some() || fresh.iter().any(|(known, _)| *known == sid) {
                continue;
            }
            if self.desk.party.delegation.is_some() {
                return Err(ExtractError::DelegateMayNot);
            }
            let tainted = self.desk.vault.get(Table::Tainted, &sid.0)?.is_some();
            // `claimed` is fresh: what was extracted before is in the vault, and a key
            // that is not durable was never used.
            let key = self
                .extractor()
                .extract(scheme::scope(sid), &mut claimed, &mut rng)
                .map_err(|_| ExtractError::Damaged)?;
            let key = ByteBuf::from(key.to_bytes().to_vec());
            fresh.push((
                sid,
                KnownScope {
                    scope: *scope,
                    key,
                    tainted,
                },
            ));
        }
        if !fresh.is_empty() {
            let entries = fresh
                .into_iter()
                .map(|(sid, known)| BagEntry::Scope { sid, known })
                .collect();
            bag::add(self, entries)?;
        }
        bag::sync(self, rng)?;
        Ok(())
    }

    pub(crate) fn user_key(&self, known: &KnownScope) -> Result<UserKey<Suite>, ExtractError> {
        UserKey::from_bytes(&known.key).map_err(|_| ExtractError::Damaged)
    }

    /// The wallet's own key of `sid`, which was extracted before.
    pub(crate) fn decapsulation_key(
        &self,
        sid: ScopeId,
    ) -> Result<DecapsulationKey<Suite>, ExtractError> {
        let known = self.known_scope(sid)?.ok_or(ExtractError::NoKey(sid))?;
        let public = scheme::scope_key(self.public(), sid);
        let key = self.user_key(&known)?;
        Ok(DecapsulationKey::new(
            &public,
            &key,
            *self.secrets.z.as_secret(),
        ))
    }
}

/// The epochs that a state logged at this time may use.
pub(crate) fn epochs_at(logged: Millis) -> Vec<Epoch> {
    let epoch = logged.epoch();
    // In a month's first 24 h the month before is accepted too.
    let earlier = logged.minus(Millis::DAY).epoch();
    if earlier == epoch {
        vec![epoch]
    } else {
        vec![epoch, earlier]
    }
}

/// The epochs of scopes of `class`: emergency data has none.
pub(crate) fn class_epochs(class: Class, epochs: &[Epoch]) -> Vec<Option<Epoch>> {
    match class {
        Class::Emergency => vec![None],
        _ => epochs.iter().copied().map(Some).collect(),
    }
}

/// Counters that a wallet tries for a scope that it does not know.
pub(crate) const MAX_COUNTER: u32 = 64;

/// Why there is no key of a scope.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// A delegate uses keys that the patient extracted, and makes none.
    #[error(
        "the patient's own wallet must first make the key of this scope; a delegate makes none"
    )]
    DelegateMayNot,
    /// No key for this scope.
    #[error("the wallet has no key for scope {0}")]
    NoKey(ScopeId),
    /// The key in the vault is none.
    #[error("the wallet's key of this scope is damaged; restore the wallet from its backup")]
    Damaged,
    /// The bag could not be brought up to date: nothing leaves the wallet.
    #[error(transparent)]
    Bag(#[from] BagError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
