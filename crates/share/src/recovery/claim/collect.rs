//! What comes back to the device: approvals, then shares. Each is held against what the
//! owner committed to on the ledger, so that a wrong one is named.

use base::{
    AccountId, Action, Statement as _,
    operation::{Approval, GuardianSet},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;

use super::{
    super::{
        claim_id,
        letters::{ApprovalLetter, ReleaseLetter},
        shamir::{self, Share},
    },
    ClaimError, begun, logged,
};
use crate::{
    bag::Phrase,
    desk::Desk,
    follow,
    identity::{SecretBytes, secret},
    vault::{self, Table, VaultError},
};

/// A guardian's approval and the set that it belongs to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approved {
    pub(super) set: GuardianSet,
    pub(super) approval: Approval,
}

/// Takes a guardian's approval in.
///
/// # Errors
/// [`ClaimError`].
pub fn receive_approval(desk: &Desk<'_>, letter: &ApprovalLetter) -> Result<AccountId, ClaimError> {
    let begun = begun(desk)?;
    let claim = &begun.claim;
    let approval = letter.approval;
    if letter.claim != claim_id(claim) {
        return Err(ClaimError::OtherClaim);
    }
    let head = follow::advance(desk)?;
    let committed = match desk.proven(&head, claim.guard)? {
        operation if operation.account != claim.account => None,
        operation => match operation.action {
            Action::Guard(guard) => Some(guard.set),
            _ => None,
        },
    };
    let place = usize::from(approval.index).checked_sub(1);
    let member = place.and_then(|place| letter.set.members.get(place));
    let opens = member == Some(&approval.member.commitment(&approval.salt));
    if committed != Some(letter.set.digest()) || !opens {
        return Err(ClaimError::NotAGuardian);
    }
    let guardian = approval.member.guardian;
    desk.operation_key(guardian)?
        .verify(&claim.preimage(), &approval.signature)
        .map_err(|_| ClaimError::BadApproval(guardian))?;
    let approved = Approved {
        set: letter.set.clone(),
        approval,
    };
    vault::save(desk.vault, Table::Approvals, &[approval.index], &approved)?;
    Ok(guardian)
}

pub(super) fn approvals(desk: &Desk<'_>) -> Result<BTreeMap<u8, Approved>, VaultError> {
    let all: Vec<(Vec<u8>, Approved)> = vault::load_all(desk.vault, Table::Approvals)?;
    Ok(all
        .into_iter()
        .map(|(_, approved)| (approved.approval.index, approved))
        .collect())
}

/// A share that came back.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Returned {
    share: ByteBuf,
}

secret! { Returned { share } }

/// Takes a share in: it must be the one that its guardian's approval commits to.
///
/// # Errors
/// [`ClaimError::WrongShare`] names the guardian.
pub fn receive_share(desk: &Desk<'_>, letter: &ReleaseLetter) -> Result<AccountId, ClaimError> {
    begun(desk)?;
    if logged(desk)? != Some(letter.recovery) {
        return Err(ClaimError::OtherClaim);
    }
    let approved = approvals(desk)?.remove(&letter.index);
    let member = approved.ok_or(ClaimError::NotAGuardian)?.approval.member;
    let wrong = || ClaimError::WrongShare(member.guardian);
    let value: [u8; 32] = letter.share.as_slice().try_into().map_err(|_| wrong())?;
    let share = Share {
        index: letter.index,
        value: SecretBytes::new(value),
    };
    if share.commitment(&letter.opening) != member.share {
        return Err(wrong());
    }
    let returned = Returned {
        share: letter.share.clone(),
    };
    vault::save(desk.vault, Table::Returned, &[letter.index], &returned)?;
    Ok(member.guardian)
}

pub(super) fn returned(desk: &Desk<'_>) -> Result<Vec<Share>, VaultError> {
    let all: Vec<(Vec<u8>, Returned)> = vault::load_all(desk.vault, Table::Returned)?;
    Ok(all
        .into_iter()
        .filter_map(|(key, returned)| {
            Some(Share {
                index: *key.first()?,
                value: SecretBytes::new(returned.share.as_slice().try_into().ok()?),
            })
        })
        .collect())
}

/// The owner's backup phrase, from enough shares.
///
/// # Errors
/// [`ClaimError::TooFew`] while there are not enough.
pub fn phrase(desk: &Desk<'_>) -> Result<Phrase, ClaimError> {
    let begun = begun(desk)?;
    let first = approvals(desk)?.into_values().next();
    let need = first.map_or(2, |approved| usize::from(approved.set.threshold));
    let shares = returned(desk)?;
    if shares.len() < need {
        return Err(ClaimError::TooFew {
            have: shares.len(),
            need,
        });
    }
    let entropy = shamir::combine(&shares[..need]).ok_or(ClaimError::NotHerPhrase)?;
    let phrase = Phrase::from_entropy(entropy.as_secret());
    if AccountId::of(&phrase.operation().public()) != begun.claim.account {
        return Err(ClaimError::NotHerPhrase);
    }
    Ok(phrase)
}
