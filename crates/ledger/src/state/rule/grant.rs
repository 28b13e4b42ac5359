//! Requests and grants. Protocol page, "Sharing".

use base::{
    AccountId, Digest, OperationId,
    operation::{Authorize, Deny, GrantUse, Request, Revoke, Role, Terms},
};

use super::{Stop, Work, ensure, scope};
use crate::{
    leaf::Failure,
    state::{
        List,
        entry::{Account, Grant, OneTimeKeyUse, RequestState, RequestStatus, Reservation},
    },
};

/// Most scopes in one grant.
const MAX_SCOPES: usize = 256;
/// Most agents in one grant.
const MAX_AGENTS: usize = 16;

pub(super) fn request(work: &mut Work<'_, '_>, action: &Request) -> Result<(), Stop> {
    work.account_as(action.patient, Role::Patient)?;
    ensure(action.expires > work.now(), Failure::RequestExpired)?;
    fresh_key(work, Digest::of(action.one_time_key.as_bytes()))?;
    let request = RequestState {
        id: work.id,
        requester: work.sender,
        patient: action.patient,
        expires: action.expires,
        one_time_key: action.one_time_key.clone(),
        commitment: action.commitment,
        cohort: action.cohort,
        time: work.now(),
        status: RequestStatus::Open,
    };
    work.put(&request.id, &request);
    work.list_item(List::Requests(request.requester));
    work.list_item(List::Requests(request.patient));
    Ok(())
}

fn fresh_key(work: &mut Work<'_, '_>, hash: Digest) -> Result<(), Stop> {
    let used = work.get::<OneTimeKeyUse>(&hash)?.is_some();
    ensure(!used, Failure::ReusedOneTimeKey)?;
    let request = work.id;
    work.put(&hash, &OneTimeKeyUse { request });
    Ok(())
}

pub(super) fn authorize(work: &mut Work<'_, '_>, action: &Authorize) -> Result<(), Stop> {
    let terms = &action.terms;
    let mut request = open_request(work, terms.request)?;
    ensure(work.now() < request.expires, Failure::RequestExpired)?;
    in_shape(action)?;
    ensure(work.now() < terms.expires, Failure::GrantExpired)?;
    fits_querier(work, terms, request.requester)?;
    for agent in &terms.agents {
        separated_agent(work, *agent, request.requester)?;
    }
    reserve_scopes(work, terms, request.patient)?;
    let grant = Grant {
        id: work.id,
        patient: request.patient,
        requester: request.requester,
        terms: terms.clone(),
        time: work.now(),
        revoked: None,
        used: 0,
        used_by_scope: vec![0; terms.sids.len()],
        rewarded: 0,
    };
    request.status = RequestStatus::Granted(grant.id);
    work.put(&request.id, &request);
    list_grant(work, &grant);
    work.put(&grant.id, &grant);
    Ok(())
}

/// A request to the acting patient that nobody answered.
fn open_request(work: &Work<'_, '_>, id: OperationId) -> Result<RequestState, Stop> {
    let request = work
        .get::<RequestState>(&id)?
        .ok_or(Failure::UnknownRequest)?;
    ensure(request.patient == work.principal, Failure::NotYours)?;
    ensure(
        request.status == RequestStatus::Open,
        Failure::RequestClosed,
    )?;
    Ok(request)
}

/// Lists sorted, complete and of sane length; a time span; at least one query.
fn in_shape(action: &Authorize) -> Result<(), Stop> {
    let terms = &action.terms;
    let pairs = terms
        .sids
        .iter()
        .flat_map(|sid| terms.agents.iter().map(move |agent| (*sid, *agent)));
    let committed = action
        .commitments
        .iter()
        .map(|commitment| (commitment.sid, commitment.agent));
    ensure(
        strictly_sorted(&terms.sids, MAX_SCOPES)
            && strictly_sorted(&terms.agents, MAX_AGENTS)
            && terms.not_before < terms.expires
            && terms.max_queries > 0
            && pairs.eq(committed)
            && action.packets.len() == 1 + terms.agents.len(),
        Failure::BadShape,
    )
}

fn strictly_sorted<T: Ord>(items: &[T], most: usize) -> bool {
    (1..=most).contains(&items.len()) && items.windows(2).all(|pair| pair[0] < pair[1])
}

/// Only a hospital breaks the glass.
fn fits_querier(work: &Work<'_, '_>, terms: &Terms, querier: AccountId) -> Result<(), Stop> {
    let hospital = work.account(querier)?.role == Role::Hospital;
    ensure(
        terms.purpose == GrantUse::Ordinary || hospital,
        Failure::WrongRole,
    )
}

/// An agent of an institution that is neither the querier's nor of its group: together
/// they hold the scope's key.
pub(super) fn separated_agent(
    work: &Work<'_, '_>,
    agent: AccountId,
    querier: AccountId,
) -> Result<(), Stop> {
    let account = work.find::<Account>(&agent)?.ok_or(Failure::WrongAgent)?;
    ensure(account.role == Role::Agent, Failure::WrongAgent)?;
    let agents = work.institution_of(agent)?.ok_or(Failure::WrongAgent)?;
    let together = work
        .institution_of(querier)?
        .is_some_and(|queriers| agents.together(&queriers));
    ensure(!together, Failure::SameInstitution)
}

fn reserve_scopes(work: &mut Work<'_, '_>, terms: &Terms, patient: AccountId) -> Result<(), Stop> {
    let policy = work.policy()?;
    for sid in &terms.sids {
        let mut scope = scope::scope_of(work, patient, *sid)?;
        ensure(!scope.is_retired(), Failure::RetiredScope)?;
        let reservation = Reservation {
            grant: work.id,
            expires: terms.expires,
            max_queries: terms.max_queries,
        };
        scope::reserve(work, &mut scope, reservation, &policy)?;
        scope::store(work, &scope);
    }
    Ok(())
}

fn list_grant(work: &mut Work<'_, '_>, grant: &Grant) {
    work.list_item(List::Grants(grant.patient));
    work.list_item(List::Grants(grant.requester));
    for agent in &grant.terms.agents {
        work.list_item(List::Grants(*agent));
    }
}

pub(super) fn deny(work: &mut Work<'_, '_>, action: &Deny) -> Result<(), Stop> {
    let mut request = open_request(work, action.request)?;
    request.status = RequestStatus::Denied(work.now());
    work.put(&request.id, &request);
    Ok(())
}

pub(super) fn revoke(work: &mut Work<'_, '_>, action: &Revoke) -> Result<(), Stop> {
    let mut grant = work.get::<Grant>(&action.grant)?.ok_or(Failure::NoGrant)?;
    ensure(grant.patient == work.principal, Failure::NotYours)?;
    ensure(grant.revoked.is_none(), Failure::GrantRevoked)?;
    grant.revoked = Some(work.now());
    work.put(&grant.id, &grant);
    scope::settle(work, &grant)
}
