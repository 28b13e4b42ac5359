//! A guardian: keeps a share, approves what its owner asks for face to face, and gives the
//! share out when the ledger shows that she had her time to object.

use base::{
    AccountId, Action, Digest, Millis, OperationId, Statement as _, codec,
    key::HpkeKey,
    operation::{Approval, Member, Recover, RecoveryClaim},
};
use ledger::VerifiedHead;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    claim_id, is_code,
    letters::{ApprovalLetter, ClaimLetter, ReleaseLetter, ShareLetter},
    shamir::Share,
    watch,
};
use crate::{
    desk::{Desk, LookError},
    follow::{self, FollowError},
    identity::SecretBytes,
    letter::{self, Letter, LetterError},
    node::NodeError,
    outbox::{self, Posted},
    vault::{self, Table, VaultError},
};

/// Somebody asks this guardian to approve a recovery.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedClaim {
    /// What is asked for.
    pub claim: RecoveryClaim,
    /// The account of the device that asks.
    pub device: AccountId,
    /// When it came.
    pub received: Millis,
    /// When this guardian approved it, by its own clock.
    pub approved: Option<Millis>,
}

/// Most claims that wait at a guardian: anybody can send one.
pub const MAX_CLAIMS: usize = 32;

/// How long a claim is kept.
pub const KEEP_FOR: u64 = 400 * Millis::DAY;

/// Takes a share in: it must be what the owner's `Guard` in force commits to. That it is in
/// force the node says; that no later `Guard` or `Unguard` of hers was seen, this party's own
/// log: no node makes it keep an old share in place of a newer one, or once more.
///
/// # Errors
/// [`KeepError`].
pub fn receive(desk: &Desk<'_>, letter: &ShareLetter) -> Result<(), KeepError> {
    let head = follow::advance(desk)?;
    let guard = desk.proven(&head, letter.guard)?;
    let Action::Guard(committed) = guard.action else {
        return Err(KeepError::NotThisShare);
    };
    if guard.account != letter.owner || committed.set != letter.set.digest() {
        return Err(KeepError::NotThisShare);
    }
    let share = share_of(letter).ok_or(KeepError::NotThisShare)?;
    let member = member(desk, letter, &share);
    let place = usize::from(letter.index).checked_sub(1);
    let commitment = place.and_then(|place| letter.set.members.get(place));
    if commitment != Some(&member.commitment(&letter.salt)) {
        return Err(KeepError::NotThisShare);
    }
    let in_force = desk.node.guardianship(letter.owner)?;
    let is_older = newest(desk, &head, letter.owner)? > Some(guard.sequence);
    if is_older || in_force.and_then(|found| found.guard) != Some(letter.guard) {
        return Err(KeepError::Replaced);
    }
    let owner = &letter.owner.0;
    let (entry, number) = (codec::encode(letter), codec::encode(&guard.sequence));
    Ok(desk.vault.apply(&[
        (Table::Shares, owner, Some(&Zeroizing::new(entry))),
        (Table::Guarded, owner, Some(&number)),
    ])?)
}

/// The number of the newest `Guard` or `Unguard` of `owner` that this party has seen.
fn newest(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    owner: AccountId,
) -> Result<Option<u64>, KeepError> {
    let seen = vault::load(desk.vault, Table::Guarded, &owner.0)?;
    let held: Option<ShareLetter> = vault::load(desk.vault, Table::Shares, &owner.0)?;
    match (seen, held) {
        // Kept by an earlier program, which noted no number.
        (None, Some(held)) => Ok(Some(desk.proven(head, held.guard)?.sequence)),
        (seen, _) => Ok(seen),
    }
}

fn share_of(letter: &ShareLetter) -> Option<Share> {
    Some(Share {
        index: letter.index,
        value: SecretBytes::new(letter.share.as_slice().try_into().ok()?),
    })
}

fn member(desk: &Desk<'_>, letter: &ShareLetter, share: &Share) -> Member {
    Member {
        guardian: desk.party.account,
        share: share.commitment(&letter.opening),
    }
}

/// The shares that this party keeps; their secret part stays inside.
///
/// # Errors
/// [`VaultError`].
pub fn shares(desk: &Desk<'_>) -> Result<Vec<ShareLetter>, VaultError> {
    let held = vault::load_all(desk.vault, Table::Shares)?;
    Ok(held.into_iter().map(|(_, letter)| letter).collect())
}

/// Notes that somebody asks for a recovery. Nothing is approved by that.
///
/// # Errors
/// [`KeepError`].
pub fn asked(desk: &Desk<'_>, asking: &ClaimLetter, now: Millis) -> Result<Digest, KeepError> {
    let claim = &asking.claim;
    let held = held(desk, claim)?;
    if claim.chain != desk.party.chain || held.guard != claim.guard {
        return Err(KeepError::Stale);
    }
    if !letter::is_key(&claim.hpke_key) {
        return Err(LetterError::BadKey.into());
    }
    let id = claim_id(claim);
    let others = claims(desk)?;
    if others.iter().any(|(other, _)| *other == id) {
        return Ok(id);
    }
    // A device that starts again asks anew.
    let same_device: Vec<Digest> = others
        .iter()
        .filter(|(_, asked)| asked.device == asking.device && asked.approved.is_none())
        .map(|(id, _)| *id)
        .collect();
    if others.len() - same_device.len() >= MAX_CLAIMS {
        return Err(KeepError::TooMany);
    }
    let entry = codec::encode(&AskedClaim {
        claim: claim.clone(),
        device: asking.device,
        received: now,
        approved: None,
    });
    let mut changes: Vec<vault::Change<'_>> = same_device
        .iter()
        .map(|id| (Table::Claims, &id.0[..], None))
        .collect();
    changes.push((Table::Claims, &id.0, Some(&entry)));
    desk.vault.apply(&changes)?;
    Ok(id)
}

fn held(desk: &Desk<'_>, claim: &RecoveryClaim) -> Result<ShareLetter, KeepError> {
    vault::load(desk.vault, Table::Shares, &claim.account.0)?
        .ok_or(KeepError::NoShare(claim.account))
}

/// What this guardian is asked for.
///
/// # Errors
/// [`VaultError`].
pub fn claims(desk: &Desk<'_>) -> Result<Vec<(Digest, AskedClaim)>, VaultError> {
    let claims = vault::load_all(desk.vault, Table::Claims)?;
    Ok(claims
        .into_iter()
        .filter_map(|(key, asked)| Some((Digest(key.try_into().ok()?), asked)))
        .collect())
}

/// Approves the claim whose code the owner has read out, face to face or by telephone:
/// signs it, and lets the device know. The share stays here until [`release`].
///
/// # Errors
/// [`KeepError`].
pub fn approve(
    desk: &Desk<'_>,
    code: &str,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<AskedClaim, KeepError> {
    let mut claims = claims(desk)?.into_iter();
    let (id, mut asked) = claims
        .find(|(_, asked)| is_code(&asked.claim, code))
        .ok_or(KeepError::NoSuchCode)?;
    let claim = &asked.claim;
    let held = held(desk, claim)?;
    let stands = desk.node.guardianship(claim.account)?;
    let current = stands.is_some_and(|stands| {
        stands.guard == Some(claim.guard) && stands.attempts.checked_add(1) == Some(claim.attempt)
    });
    if held.guard != claim.guard || !current {
        return Err(KeepError::Stale);
    }
    let share = share_of(&held).ok_or(KeepError::NotThisShare)?;
    let letter = Letter::Approval(ApprovalLetter {
        claim: id,
        set: held.set.clone(),
        approval: Approval {
            index: held.index,
            member: member(desk, &held, &share),
            salt: held.salt,
            signature: desk.party.operation.sign(&claim.preimage()),
        },
    });
    let to = desk.hpke_key(asked.device)?;
    let sealed = letter.seal(desk.party.chain, &to, rng)?;
    let (name, posted) = Posted::entry(asked.device, &sealed, false);
    asked.approved.get_or_insert(now);
    let entry = codec::encode(&asked);
    desk.vault.apply(&[
        (Table::Claims, &id.0, Some(&entry)),
        (Table::Outbox, &name.0, Some(&posted)),
    ])?;
    outbox::try_flush(desk);
    Ok(asked)
}

/// Forgets a claim: what was approved is not followed by the share.
///
/// # Errors
/// [`KeepError`].
pub fn deny(desk: &Desk<'_>, id: Digest) -> Result<(), KeepError> {
    if desk.vault.get(Table::Claims, &id.0)?.is_none() {
        return Err(KeepError::NoSuchCode);
    }
    Ok(desk.vault.delete(Table::Claims, &id.0)?)
}

/// Who gets a share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receiver {
    /// Whose share it is.
    pub owner: AccountId,
    /// Her device.
    pub device: AccountId,
}

/// What became of one share that was due.
pub type Released = (Receiver, Result<(), KeepError>);

/// Gives out the share for every claim that this guardian approved, once the log shows the
/// `Recover`, no objection and the `CompleteRecovery`, and the owner's delay has passed
/// since the approval by this guardian's own clock too: no node can make it shorter. A claim
/// that cannot be served stays and keeps no other one back.
///
/// # Errors
/// [`KeepError`] when ledger or vault cannot be read at all; what was not given out is tried
/// again.
pub fn release(
    desk: &Desk<'_>,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<Released>, KeepError> {
    let head = follow::advance(desk)?;
    let mut released = Vec::new();
    for (id, asked) in claims(desk)? {
        if asked.received.plus(KEEP_FOR) <= now {
            desk.vault.delete(Table::Claims, &id.0)?;
            continue;
        }
        let receiver = Receiver {
            owner: asked.claim.account,
            device: asked.device,
        };
        match give_out(desk, &head, id, &asked, now, rng) {
            Ok(false) => {}
            Ok(true) => released.push((receiver, Ok(()))),
            Err(KeepError::Vault(error)) => return Err(error.into()),
            Err(error) => released.push((receiver, Err(error))),
        }
    }
    outbox::try_flush(desk);
    Ok(released)
}

/// Puts the share for one claim into the outbox, if it is due; says whether it was.
fn give_out(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    id: Digest,
    asked: &AskedClaim,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<bool, KeepError> {
    let Some(approved) = asked.approved else {
        return Ok(false);
    };
    let Some((recovery, to)) = due(desk, head, &asked.claim, approved, now)? else {
        return Ok(false);
    };
    let held = match held(desk, &asked.claim) {
        Err(KeepError::NoShare(_)) => {
            desk.vault.delete(Table::Claims, &id.0)?;
            return Ok(false);
        }
        other => other?,
    };
    let letter = Letter::Release(ReleaseLetter {
        recovery,
        index: held.index,
        opening: held.opening,
        share: held.share.clone(),
    });
    let sealed = letter.seal(desk.party.chain, &to, rng)?;
    let (name, posted) = Posted::entry(asked.device, &sealed, false);
    desk.vault.apply(&[
        (Table::Claims, &id.0, None),
        (Table::Outbox, &name.0, Some(&posted)),
    ])?;
    Ok(true)
}

/// The recovery that put this claim's key into force, and the key that shares are sealed
/// to; `None` while it is too early, and for good if she objected.
fn due(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    claim: &RecoveryClaim,
    approved: Millis,
    now: Millis,
) -> Result<Option<(OperationId, HpkeKey)>, KeepError> {
    let Some(watched) = watch::watched(desk, claim.account)? else {
        return Ok(None);
    };
    let Some(completed) = watched.completed.filter(|_| watched.objected.is_none()) else {
        return Ok(None);
    };
    let Some(recover) = recover_of(desk, head, watched.recover, claim)? else {
        return Ok(None); // another claim's
    };
    let guard = desk.proven(head, claim.guard)?;
    let Action::Guard(guard) = guard.action else {
        return Err(KeepError::Stale);
    };
    let begun = desk.block_of(head, watched.recover)?.time;
    let ended = desk.block_of(head, completed)?.time;
    if ended < begun.plus(guard.delay) {
        return Err(KeepError::TooSoon);
    }
    let waited = now >= approved.plus(guard.delay);
    Ok(waited.then_some((watched.recover, recover.hpke_key)))
}

fn recover_of(
    desk: &Desk<'_>,
    head: &VerifiedHead,
    id: OperationId,
    claim: &RecoveryClaim,
) -> Result<Option<Recover>, KeepError> {
    let operation = desk.proven(head, id)?;
    let Action::Recover(recover) = operation.action else {
        return Ok(None);
    };
    let same = recover.claim(desk.party.chain, claim.attempt) == *claim;
    Ok(same.then_some(recover))
}

/// Why a guardian does not do it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The share is not what the owner committed to.
    #[error("the share is not the one that its owner's operation commits to")]
    NotThisShare,
    /// Its owner has named other guardians since.
    #[error("its owner has named other guardians since, or none")]
    Replaced,
    /// No share of that account is here.
    #[error("this account keeps no share of {0}")]
    NoShare(AccountId),
    /// The claim is for guardians or an attempt that is over.
    #[error(
        "the claim is out of date: other guardians, an objection or another recovery came between"
    )]
    Stale,
    /// Too many wait.
    #[error("{MAX_CLAIMS} requests for recovery wait already; deny those that are not meant")]
    TooMany,
    /// No claim with this code or name.
    #[error("no such request for recovery is here; let its owner read the code again")]
    NoSuchCode,
    /// The ledger broke its own rule.
    #[error("the recovery was completed before its delay had passed: the share stays here")]
    TooSoon,
    /// A letter could not be sealed.
    #[error(transparent)]
    Letter(#[from] LetterError),
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
