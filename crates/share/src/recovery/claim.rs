//! The device on which an owner starts again: it has an account of its own for the time
//! being, asks guardians, logs the recovery, and puts their shares together.
//!
//! Every step may be repeated after a crash. The device's new operation key becomes the
//! owner's; its one-time HPKE key opens the shares.

mod collect;

pub use collect::{phrase, receive_approval, receive_share};

use base::{
    AccountId, Millis, OperationId, Statement as _, codec,
    key::{OperationSecret, Signature},
    operation::{CompleteRecovery, Recover, RecoveryClaim},
};
use ledger::{Recovery, RecoveryStatus};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use self::collect::{Approved, approvals, returned};
use super::{claim_id, letters::ClaimLetter};
use crate::{
    desk::{Desk, LookError, SendError},
    follow::FollowError,
    identity::{HpkeSecret, random, secret},
    journal::{self, Plan},
    letter::{Letter, LetterError, key_hash},
    node::NodeError,
    outbox::{self, Posted},
    vault::{self, Table, VaultError},
};

/// What the device began.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    claim: RecoveryClaim,
    /// The secret of the claim's key.
    key: ByteBuf,
    /// Whom it asked.
    asked: Vec<AccountId>,
}

secret! { Begun { key } }

/// How far a recovery has come.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What guardians are asked to approve.
    pub claim: RecoveryClaim,
    /// Whom the device asked.
    pub asked: Vec<AccountId>,
    /// Who approved.
    pub approved: Vec<AccountId>,
    /// How many must; known with the first approval.
    pub threshold: Option<usize>,
    /// The recovery, once it is logged.
    pub recovery: Option<Recovery>,
    /// Whose shares are here.
    pub returned: Vec<AccountId>,
}

/// The account that this device claims, if it claims one.
pub(crate) fn account(desk: &Desk<'_>) -> Result<Option<AccountId>, VaultError> {
    Ok(load(desk)?.map(|begun| begun.claim.account))
}

fn load(desk: &Desk<'_>) -> Result<Option<Begun>, VaultError> {
    vault::load(desk.vault, Table::Recovery, CLAIM)
}

fn begun(desk: &Desk<'_>) -> Result<Begun, ClaimError> {
    load(desk)?.ok_or(ClaimError::NotBegun)
}

/// Asks `guardians` of `account` to approve a new key, which is made on the first call.
/// Later calls ask again, or ask others too. The desk's party is the device's own.
///
/// # Errors
/// [`ClaimError`].
pub fn begin(
    desk: &Desk<'_>,
    account: AccountId,
    guardians: &[AccountId],
    rng: &mut dyn CryptoRng,
) -> Result<RecoveryClaim, ClaimError> {
    let (mut state, one_time) = match load(desk)? {
        Some(earlier) if earlier.claim.account == account => (earlier, None),
        Some(earlier) => return Err(ClaimError::OtherAccount(earlier.claim.account)),
        None => {
            let (fresh, one_time) = fresh(desk, account, rng)?;
            (fresh, Some(one_time))
        }
    };
    let mut letters = Vec::new();
    for guardian in guardians {
        let letter = Letter::Claim(ClaimLetter {
            claim: state.claim.clone(),
            device: desk.party.account,
        });
        let to = desk.hpke_key(*guardian)?;
        let sealed = letter.seal(desk.party.chain, &to, rng)?;
        letters.push(Posted::entry(*guardian, &sealed, false));
        if !state.asked.contains(guardian) {
            state.asked.push(*guardian);
        }
    }
    let entry = zeroize::Zeroizing::new(codec::encode(&state));
    let mut changes: Vec<vault::Change<'_>> = vec![(Table::Recovery, CLAIM, Some(&entry))];
    let name = key_hash(&state.claim.hpke_key);
    if let Some(secret) = &one_time {
        changes.push((Table::OneTime, &name.0, Some(&secret.as_secret()[..])));
    }
    for (name, posted) in &letters {
        changes.push((Table::Outbox, &name.0, Some(posted)));
    }
    desk.vault.apply(&changes)?;
    outbox::try_flush(desk);
    Ok(state.claim.clone())
}

fn fresh(
    desk: &Desk<'_>,
    account: AccountId,
    rng: &mut dyn CryptoRng,
) -> Result<(Begun, HpkeSecret), ClaimError> {
    let stands = desk.node.guardianship(account)?;
    let stands = stands.ok_or(ClaimError::NoGuardians(account))?;
    let guard = stands.guard.ok_or(ClaimError::NoGuardians(account))?;
    let key = OperationSecret::new(random(rng));
    let one_time = HpkeSecret::generate(rng);
    let claim = RecoveryClaim {
        chain: desk.party.chain,
        account,
        guard,
        attempt: stands.attempts.saturating_add(1),
        key: key.public(),
        hpke_key: one_time.public(),
    };
    let begun = Begun {
        claim,
        key: ByteBuf::from(key.as_secret().to_vec()),
        asked: Vec::new(),
    };
    Ok((begun, one_time))
}

/// Puts the new key forward on the ledger, when enough guardians have approved.
///
/// # Errors
/// [`ClaimError`]; after [`ClaimError::Send`] with a failed outcome the approvals are of no
/// use any more.
pub fn log(desk: &Desk<'_>) -> Result<OperationId, ClaimError> {
    let begun = begun(desk)?;
    if let Some(logged) = logged(desk)? {
        return Ok(logged);
    }
    let wanted = journal::wanted("recover", &claim_id(&begun.claim));
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent.id);
    }
    let approved: Vec<Approved> = approvals(desk)?.into_values().collect();
    let set = approved.first().map(|first| first.set.clone());
    let threshold = set.as_ref().map_or(2, |set| usize::from(set.threshold));
    let (Some(set), true) = (set, approved.len() >= threshold) else {
        return Err(ClaimError::TooFew {
            have: approved.len(),
            need: threshold,
        });
    };
    let claim = &begun.claim;
    let action = Recover {
        account: claim.account,
        guard: claim.guard,
        key: claim.key,
        hpke_key: claim.hpke_key.clone(),
        consent: consent(&begun)?,
        set,
        approvals: approved
            .iter()
            .take(threshold)
            .map(|approved| approved.approval)
            .collect(),
    };
    let sent = journal::send(desk, wanted, action, |id| {
        let id = ByteBuf::from(codec::encode(&id));
        Ok::<_, ClaimError>(Plan {
            after: vec![(Table::Recovery, ByteBuf::from(LOGGED.to_vec()), Some(id))],
            ..Plan::default()
        })
    })?;
    Ok(sent.id)
}

fn consent(begun: &Begun) -> Result<Signature, ClaimError> {
    Ok(secret_key(begun)?.sign(&begun.claim.preimage()))
}

fn secret_key(begun: &Begun) -> Result<OperationSecret, ClaimError> {
    let bytes = begun.key.as_slice().try_into();
    let bytes: [u8; 32] = bytes.map_err(|_| ClaimError::NotBegun)?;
    Ok(OperationSecret::new(bytes))
}

fn logged(desk: &Desk<'_>) -> Result<Option<OperationId>, VaultError> {
    vault::load(desk.vault, Table::Recovery, LOGGED)
}

/// Puts the new key into force, once the delay has passed. The owner's operation key is
/// then the one that is returned.
///
/// # Errors
/// [`ClaimError`]; [`ClaimError::NotDue`] says when it can be.
pub fn complete(desk: &Desk<'_>, now: Millis) -> Result<OperationSecret, ClaimError> {
    let begun = begun(desk)?;
    let logged = logged(desk)?.ok_or(ClaimError::NotLogged)?;
    let missing = || LookError::Unknown("recovery", logged.to_string());
    let recovery = desk.node.recovery(logged)?.ok_or_else(missing)?;
    match recovery.status {
        RecoveryStatus::Complete(_) => {}
        RecoveryStatus::Objected(time) => return Err(ClaimError::Objected(time)),
        RecoveryStatus::Replaced(time) => return Err(ClaimError::Replaced(time)),
        RecoveryStatus::Pending if now < recovery.due => {
            return Err(ClaimError::NotDue(recovery.due));
        }
        RecoveryStatus::Pending => {
            desk.send(CompleteRecovery {
                recovery: logged,
                account: begun.claim.account,
                key: begun.claim.key,
            })?;
        }
    }
    secret_key(&begun)
}

/// How far it has come; `None` where nothing was begun.
///
/// # Errors
/// [`ClaimError`].
pub fn progress(desk: &Desk<'_>) -> Result<Option<Progress>, ClaimError> {
    let Some(begun) = load(desk)? else {
        return Ok(None);
    };
    let approvals = approvals(desk)?;
    let guardian = |index: &u8| Some(approvals.get(index)?.approval.member.guardian);
    let returned = returned(desk)?;
    let recovery = match logged(desk)? {
        Some(id) => desk.node.recovery(id)?,
        None => None,
    };
    Ok(Some(Progress {
        claim: begun.claim.clone(),
        asked: begun.asked.clone(),
        approved: approvals.keys().filter_map(guardian).collect(),
        threshold: approvals
            .values()
            .next()
            .map(|approved| usize::from(approved.set.threshold)),
        recovery,
        returned: returned
            .iter()
            .filter_map(|share| guardian(&share.index))
            .collect(),
    }))
}

/// What the device's own account leaves in the vault, to be deleted in the step that makes
/// the home the owner's.
///
/// # Errors
/// [`VaultError`].
pub fn traces(desk: &Desk<'_>) -> Result<Vec<(Table, Vec<u8>)>, VaultError> {
    let mut traces = Vec::new();
    for table in [
        Table::Recovery,
        Table::Approvals,
        Table::Returned,
        Table::OneTime,
        Table::Outbox,
        Table::Journal,
        Table::Waiting,
    ] {
        let entries = desk.vault.list(table)?.into_iter();
        traces.extend(entries.map(|(key, _)| (table, key)));
    }
    Ok(traces)
}

const CLAIM: &[u8] = b"claim";
const LOGGED: &[u8] = b"logged";

/// Why a recovery does not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Nothing was begun here.
    #[error("no recovery was begun in this home")]
    NotBegun,
    /// This home recovers another account.
    #[error("this home recovers {0}; take another one")]
    OtherAccount(AccountId),
    /// Nobody can recover it.
    #[error("{0} has no guardians in force, or there is no such account")]
    NoGuardians(AccountId),
    /// For another claim than this device's.
    #[error("it is not for the claim of this device")]
    OtherClaim,
    /// Not one of the guardians to whom the owner committed.
    #[error("it is not from a guardian of the set that the owner committed to")]
    NotAGuardian,
    /// The signature does not verify.
    #[error("the approval of {0} does not verify")]
    BadApproval(AccountId),
    /// The share is not what the guardian was given.
    #[error("the share that {0} gave is not the one it was entrusted with")]
    WrongShare(AccountId),
    /// Not enough yet.
    #[error("{have} of {need} guardians so far")]
    TooFew {
        /// How many.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// Not on the ledger yet.
    #[error("the recovery is not on the ledger yet")]
    NotLogged,
    /// She may still object.
    #[error("the owner may object until {0}; nothing happens before")]
    NotDue(Millis),
    /// She objected.
    #[error("the recovery ended at {0}: the account's owner objected")]
    Objected(Millis),
    /// Another took its place.
    #[error("the recovery ended at {0}: a later one took its place")]
    Replaced(Millis),
    /// Shares of something else.
    #[error("the shares do not give the phrase of this account")]
    NotHerPhrase,
    /// A letter could not be sealed.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The ledger cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Logging.
    #[error(transparent)]
    Send(#[from] SendError),
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
