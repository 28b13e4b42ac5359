//! Guardians and recovery. Protocol page, "Recovery".

use base::{
    AccountId, Millis, OperationId, Statement,
    operation::{Approval, CompleteRecovery, Guard, MAX_GUARDIANS, Object, Recover, Role, Unguard},
};

use std::sync::Arc;

use super::{Stop, Work, account::push_key, ensure};
use crate::{
    leaf::Failure,
    state::{
        List,
        entry::{Account, Guardianship, Recovery, RecoveryStatus},
    },
};

/// Longest delay of a recovery, milliseconds: a year.
pub(crate) const MAX_DELAY: u64 = 365 * Millis::DAY;
/// One guardian alone must not be able to take an account over.
const MIN_THRESHOLD: usize = 2;

pub(super) fn guard(work: &mut Work<'_, '_>, action: &Guard) -> Result<(), Stop> {
    ensure(action.delay <= MAX_DELAY, Failure::BadShape)?;
    let shortest = work.policy()?.shortest_recovery();
    ensure(action.delay >= shortest, Failure::ShortDelay)?;
    let before = work.get::<Guardianship>(&work.principal)?;
    let pending = before.and_then(|before| before.pending);
    ensure(pending.is_none(), Failure::RecoveryPending)?;
    let guardianship = Guardianship {
        guard: Some(work.id),
        set: action.set,
        delay: action.delay,
        attempts: before.map_or(0, |before| before.attempts),
        pending: None,
    };
    work.put(&work.principal.clone(), &guardianship);
    Ok(())
}

pub(super) fn unguard(work: &mut Work<'_, '_>, action: &Unguard) -> Result<(), Stop> {
    let mut guardianship = in_force(work, work.principal, action.guard)?;
    ensure(guardianship.pending.is_none(), Failure::RecoveryPending)?;
    guardianship.guard = None;
    work.put(&work.principal.clone(), &guardianship);
    Ok(())
}

/// The guardianship of an account, if `guard` is the one in force.
fn in_force(
    work: &Work<'_, '_>,
    account: AccountId,
    guard: OperationId,
) -> Result<Guardianship, Stop> {
    let found = work.get::<Guardianship>(&account)?;
    let found = found.filter(|found| found.guard == Some(guard));
    Ok(found.ok_or(Failure::NoGuardians)?)
}

pub(super) fn recover(work: &mut Work<'_, '_>, action: &Recover) -> Result<(), Stop> {
    let account = work.account_as(action.account, Role::Patient)?;
    let mut guardianship = in_force(work, action.account, action.guard)?;
    ensure(
        action.set.digest() == guardianship.set,
        Failure::WrongGuardians,
    )?;
    let fresh = account
        .operation_keys
        .iter()
        .all(|period| period.key != action.key);
    ensure(fresh, Failure::KeyInUse)?;
    let guardians = members(action)?;
    let chain = work.block.chain;
    let claim = action.claim(chain, guardianship.attempts.saturating_add(1));
    let preimage = claim.preimage();
    let consents = action.key.verify(&preimage, &action.consent).is_ok();
    ensure(consents, Failure::BadProof)?;
    for approval in &action.approvals {
        approves(work, approval, &preimage)?;
    }
    if let Some(earlier) = guardianship.pending {
        end(work, earlier, RecoveryStatus::Replaced(work.now()))?;
    }
    guardianship.attempts = claim.attempt;
    guardianship.pending = Some(work.id);
    work.put(&action.account, &guardianship);
    let recovery = Recovery {
        id: work.id,
        account: action.account,
        guard: action.guard,
        key: action.key,
        guardians,
        time: work.now(),
        due: work.now().plus(guardianship.delay),
        status: RecoveryStatus::Pending,
    };
    work.put(&recovery.id, &recovery);
    work.list_item(List::Notices(action.account));
    Ok(())
}

/// The guardians that approve, opened against the set: enough of them, no place and no
/// account twice. Signatures are looked at later, and only if all of this holds.
fn members(action: &Recover) -> Result<Vec<AccountId>, Stop> {
    let (set, approvals) = (&action.set, &action.approvals);
    let threshold = usize::from(set.threshold);
    let shaped = set.members.len() == MAX_GUARDIANS
        && (MIN_THRESHOLD..=MAX_GUARDIANS).contains(&threshold)
        && approvals
            .windows(2)
            .all(|pair| pair[0].index < pair[1].index);
    ensure(shaped, Failure::BadShape)?;
    ensure(approvals.len() >= threshold, Failure::TooFewGuardians)?;
    ensure(approvals.len() == threshold, Failure::BadShape)?;
    let mut guardians = Vec::with_capacity(threshold);
    for approval in approvals {
        let commitment = usize::from(approval.index)
            .checked_sub(1)
            .and_then(|place| set.members.get(place));
        let opens = commitment == Some(&approval.member.commitment(&approval.salt));
        let guardian = approval.member.guardian;
        ensure(
            opens && guardian != action.account && !guardians.contains(&guardian),
            Failure::WrongGuardians,
        )?;
        guardians.push(guardian);
    }
    Ok(guardians)
}

fn approves(work: &Work<'_, '_>, approval: &Approval, preimage: &[u8]) -> Result<(), Stop> {
    let guardian = work.find::<Account>(&approval.member.guardian)?;
    let key = guardian.and_then(|guardian| guardian.operation_key());
    let signs = key.is_some_and(|key| key.verify(preimage, &approval.signature).is_ok());
    ensure(signs, Failure::BadApproval)
}

pub(super) fn object(work: &mut Work<'_, '_>, action: &Object) -> Result<(), Stop> {
    let owner = work.principal;
    let (mut guardianship, recovery) = waiting(work, owner, action.recovery)?;
    ensure(work.now() < recovery.due, Failure::ObjectionLate)?;
    guardianship.pending = None;
    work.put(&owner, &guardianship);
    end(work, recovery.id, RecoveryStatus::Objected(work.now()))
}

pub(super) fn complete(work: &mut Work<'_, '_>, action: &CompleteRecovery) -> Result<(), Stop> {
    let (mut guardianship, recovery) = waiting(work, action.account, action.recovery)?;
    ensure(action.key == recovery.key, Failure::BadShape)?;
    ensure(work.now() >= recovery.due, Failure::RecoveryEarly)?;
    let mut account = Arc::unwrap_or_clone(work.account(action.account)?);
    let height = work.block.height;
    // What the key before signed up to this height stands; nothing after it does.
    push_key(&mut account.operation_keys, recovery.key, height, height)?;
    work.put(&account.id, &account);
    guardianship.pending = None;
    work.put(&account.id, &guardianship);
    end(work, recovery.id, RecoveryStatus::Complete(work.now()))
}

/// The recovery of an account that waits, if it is the one named.
fn waiting(
    work: &Work<'_, '_>,
    account: AccountId,
    id: OperationId,
) -> Result<(Guardianship, Recovery), Stop> {
    let found = work.get::<Guardianship>(&account)?;
    let found = found.filter(|found| found.pending == Some(id));
    let guardianship = found.ok_or(Failure::NoRecovery)?;
    let recovery = work.get::<Recovery>(&id)?.ok_or(Failure::NoRecovery)?;
    Ok((guardianship, recovery))
}

fn end(work: &mut Work<'_, '_>, id: OperationId, status: RecoveryStatus) -> Result<(), Stop> {
    if let Some(mut recovery) = work.get::<Recovery>(&id)? {
        recovery.status = status;
        work.put(&id, &recovery);
    }
    Ok(())
}
