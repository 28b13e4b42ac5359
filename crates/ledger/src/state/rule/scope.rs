//! Scopes: rotation, the hint budget, and the patient's key bag. Protocol page, "Scope";
//! scheme page, section 2, "Hint budget".

use base::{
    AccountId, Millis, OperationId, ScopeId,
    genesis::Policy,
    operation::{Bag, RotateScope},
};

use super::{Stop, Work, ensure};
use crate::{
    budget::hint_cost,
    leaf::Failure,
    state::entry::{BagState, Grant, Reservation, ScopeState},
};

pub(super) fn rotate(work: &mut Work<'_, '_>, action: &RotateScope) -> Result<(), Stop> {
    ensure(action.sid != action.next, Failure::BadShape)?;
    let mut scope = scope_of(work, work.sender, action.sid)?;
    ensure(!scope.is_retired(), Failure::RetiredScope)?;
    let next = scope_of(work, work.sender, action.next)?;
    ensure(!next.is_retired(), Failure::RetiredScope)?;
    scope.next = Some(action.next);
    store(work, &scope);
    Ok(())
}

pub(super) fn bag(work: &mut Work<'_, '_>, action: &Bag) -> Result<(), Stop> {
    let last = work.get::<BagState>(&work.sender)?;
    let grows = last.is_none_or(|last| last.version < action.version);
    ensure(grows, Failure::StaleBag)?;
    let bag = BagState {
        version: action.version,
        commitment: action.commitment,
        time: work.now(),
    };
    work.put(&work.sender.clone(), &bag);
    Ok(())
}

/// A scope's state; a fresh one when nothing was done under it yet.
pub(super) fn scope_of(
    work: &Work<'_, '_>,
    patient: AccountId,
    sid: ScopeId,
) -> Result<ScopeState, Stop> {
    let found = work.get::<ScopeState>(&(patient, sid))?;
    Ok(found.unwrap_or_else(|| ScopeState::new(patient, sid)))
}

pub(super) fn store(work: &mut Work<'_, '_>, scope: &ScopeState) {
    work.put(&(scope.patient, scope.sid), scope);
}

/// Holds room for a grant under a scope, or refuses.
pub(super) fn reserve(
    work: &mut Work<'_, '_>,
    scope: &mut ScopeState,
    reservation: Reservation,
    policy: &Policy,
) -> Result<(), Stop> {
    settle_expired(work, scope)?;
    let cost = scope
        .cost()
        .saturating_add(hint_cost(reservation.max_queries));
    let fits = cost <= policy.hint_limit && scope.grants < policy.grants_per_scope;
    ensure(fits, Failure::OverBudget)?;
    scope.grants += 1;
    scope.reserved.push(reservation);
    Ok(())
}

/// Whether the budget still holds (validators may have lowered the limit since).
pub(super) fn check_budget(work: &mut Work<'_, '_>, scope: &mut ScopeState) -> Result<(), Stop> {
    let limit = work.policy()?.hint_limit;
    if scope.cost() <= limit {
        return Ok(());
    }
    settle_expired(work, scope)?;
    ensure(scope.cost() <= limit, Failure::OverBudget)?;
    store(work, scope);
    Ok(())
}

/// A grant ended early: it keeps only what it used.
pub(super) fn settle(work: &mut Work<'_, '_>, grant: &Grant) -> Result<(), Stop> {
    for (at, sid) in grant.terms.sids.iter().enumerate() {
        let mut scope = scope_of(work, grant.patient, *sid)?;
        let held = scope.reserved.len();
        scope.reserved.retain(|held| held.grant != grant.id);
        if scope.reserved.len() < held {
            scope.spent = scope.spent.saturating_add(cost_used(grant, at));
            store(work, &scope);
        }
    }
    Ok(())
}

/// The same for every reservation whose grant has expired.
fn settle_expired(work: &Work<'_, '_>, scope: &mut ScopeState) -> Result<(), Stop> {
    let now = work.now();
    let mut held = Vec::with_capacity(scope.reserved.len());
    for reservation in std::mem::take(&mut scope.reserved) {
        if is_running(&reservation, now) {
            held.push(reservation);
        } else {
            scope.spent =
                scope
                    .spent
                    .saturating_add(used_under(work, reservation.grant, scope.sid)?);
        }
    }
    scope.reserved = held;
    Ok(())
}

fn is_running(reservation: &Reservation, now: Millis) -> bool {
    now < reservation.expires
}

fn used_under(work: &Work<'_, '_>, grant: OperationId, sid: ScopeId) -> Result<u64, Stop> {
    let grant = work.get::<Grant>(&grant)?.ok_or(Failure::NoGrant)?;
    let at = grant.terms.sids.binary_search(&sid);
    Ok(at.map_or(0, |at| cost_used(&grant, at)))
}

/// What the distinct capsules of one scope, re-encrypted under a grant, cost for good.
fn cost_used(grant: &Grant, at: usize) -> u64 {
    hint_cost(grant.used_by_scope.get(at).copied().unwrap_or(0))
}
