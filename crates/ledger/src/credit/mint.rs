//! What an accepted review mints, to whom, and under which caps.

use base::{AccountId, genesis::Policy, operation::Role};

use super::{balance, ranking};
use crate::{
    leaf::Failure,
    state::{
        Stop, Work,
        entry::{CreditReason, EarnedDay, Grant, Institution, MintedDay, QueryState},
    },
};

/// The three institutions behind a query, all different.
struct Trio {
    agent: Institution,
    querier: Institution,
    hospital: Institution,
}

/// Rewards patient, hospital and agent for an accepted query; gives the credits minted.
/// A reward that a cap does not leave room for is dropped whole.
pub(crate) fn reward(
    work: &mut Work<'_, '_>,
    query: &QueryState,
    hospital: AccountId,
) -> Result<u32, Stop> {
    let Some(trio) = trio(work, query, hospital)? else {
        return Ok(0);
    };
    let policy = work.policy()?;
    let mut minted = reward_patient(work, query, &trio, &policy)?;
    let reason = CreditReason::RecordAccepted;
    if let Some(amount) = capped(work, &trio, &trio.hospital, policy.tariff.hospital, &policy)? {
        balance::mint(work, hospital, amount, reason)?;
        ranking::score(work, hospital, i64::from(amount))?;
        minted += amount;
    }
    let reason = CreditReason::Reencrypted;
    if let Some(amount) = capped(work, &trio, &trio.agent, policy.tariff.agent, &policy)? {
        balance::mint(work, query.agent, amount, reason)?;
        minted += amount;
    }
    Ok(minted)
}

/// Whether a review stands behind the hospital's place in the ranking: the querier is of
/// an institution apart from the hospital's, and no agent answered this capsule before.
/// Anybody else's word stays on the ledger and counts for nothing.
pub(crate) fn counts(
    work: &Work<'_, '_>,
    query: &QueryState,
    hospital: AccountId,
) -> Result<bool, Stop> {
    let querier = work.institution_of(query.querier)?;
    let hospital = work.institution_of(hospital)?;
    let apart = querier
        .zip(hospital)
        .is_some_and(|(querier, hospital)| !querier.together(&hospital));
    Ok(apart && !query.repeat)
}

/// Agent's, querier's and publishing hospital's institutions, if they are three.
fn trio(
    work: &Work<'_, '_>,
    query: &QueryState,
    hospital: AccountId,
) -> Result<Option<Trio>, Stop> {
    let agent = work.institution_of(query.agent)?;
    let querier = work.institution_of(query.querier)?;
    let hospital = work.institution_of(hospital)?;
    let (Some(agent), Some(querier), Some(hospital)) = (agent, querier, hospital) else {
        return Ok(None);
    };
    let apart =
        !agent.together(&querier) && !agent.together(&hospital) && !querier.together(&hospital);
    Ok(apart.then_some(Trio {
        agent,
        querier,
        hospital,
    }))
}

/// The patient earns more for a grant's first; never without an attestation from outside.
fn reward_patient(
    work: &mut Work<'_, '_>,
    query: &QueryState,
    trio: &Trio,
    policy: &Policy,
) -> Result<u32, Stop> {
    if !attested(work, query.patient, trio)? {
        return Ok(0);
    }
    let mut grant = work.get::<Grant>(&query.grant)?.ok_or(Failure::NoGrant)?;
    let (amount, reason) = if grant.rewarded == 0 {
        (policy.tariff.patient_first, CreditReason::FirstAccepted)
    } else {
        (policy.tariff.patient_more, CreditReason::FurtherAccepted)
    };
    if amount == 0 || !take_pair(work, trio, amount, policy)? {
        return Ok(0);
    }
    grant.rewarded = grant.rewarded.saturating_add(1);
    work.put(&grant.id, &grant);
    balance::mint(work, query.patient, amount, reason)?;
    Ok(amount)
}

/// Whether an institution that is neither the querier's nor the agent's met the patient.
fn attested(work: &Work<'_, '_>, patient: AccountId, trio: &Trio) -> Result<bool, Stop> {
    for attester in &work.account_as(patient, Role::Patient)?.attested_by {
        let institution = work.get::<Institution>(attester)?;
        let outside = institution.is_some_and(|attester| {
            !attester.together(&trio.querier) && !attester.together(&trio.agent)
        });
        if outside {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The amount, if the earner's and the pair's caps of the day leave room; takes the room.
fn capped(
    work: &mut Work<'_, '_>,
    trio: &Trio,
    earner: &Institution,
    amount: u32,
    policy: &Policy,
) -> Result<Option<u32>, Stop> {
    let key = (earner.account, work.now().day());
    let mut earned = work.get::<EarnedDay>(&key)?.unwrap_or_default();
    let Some(after) = within(earned.amount, amount, policy.cap_institution_day) else {
        return Ok(None);
    };
    if amount == 0 || !take_pair(work, trio, amount, policy)? {
        return Ok(None);
    }
    earned.amount = after;
    work.put(&key, &earned);
    Ok(Some(amount))
}

/// Takes room under the pair's cap of the day, if there is enough.
fn take_pair(
    work: &mut Work<'_, '_>,
    trio: &Trio,
    amount: u32,
    policy: &Policy,
) -> Result<bool, Stop> {
    let key = (
        trio.querier.account,
        trio.hospital.account,
        work.now().day(),
    );
    let mut minted = work.get::<MintedDay>(&key)?.unwrap_or_default();
    let Some(after) = within(minted.amount, amount, policy.cap_pair_day) else {
        return Ok(false);
    };
    minted.amount = after;
    work.put(&key, &minted);
    Ok(true)
}

/// The sum, if a cap leaves room for it. A cap at the type's end holds too.
fn within(taken: u32, amount: u32, cap: u32) -> Option<u32> {
    taken.checked_add(amount).filter(|after| *after <= cap)
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_cap_holds_at_the_end_of_the_type() {
        assert_eq!(within(7, 3, 10), Some(10));
        assert_eq!(within(8, 3, 10), None);
        assert_eq!(within(u32::MAX, 1, u32::MAX), None);
        assert_eq!(within(u32::MAX - 1, 1, u32::MAX), Some(u32::MAX));
    }
}
