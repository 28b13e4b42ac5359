//! Queries: every rule that stands between an agent and a release. Protocol page,
//! "Sharing", "Log before release", "Separation".

use base::{
    Millis,
    operation::{GrantUse, PartKey, Query, Role},
};

use super::{Stop, Work, ensure, grant::separated_agent, scope};
use crate::{
    leaf::Failure,
    state::{
        List,
        entry::{CapsuleUse, EmergencyState, Grant, QueryState, Record},
    },
};

pub(super) fn query(work: &mut Work<'_, '_>, action: &Query) -> Result<(), Stop> {
    let found = work.get::<Grant>(&action.grant)?;
    let mut grant = found.ok_or(Failure::NoGrant)?;
    running(&grant, work.now())?;
    let named = grant.terms.agents.binary_search(&work.sender).is_ok();
    ensure(named, Failure::WrongAgent)?;
    separated_agent(work, work.sender, grant.requester)?;
    asked_for(work, action, &grant)?;
    accepted(work, action, &grant)?;
    let at = granted_scope(work, action, &grant)?;
    glass_broken(work, &grant)?;
    let repeat = count(work, action, &mut grant, at)?;
    let query = QueryState {
        id: work.id,
        grant: grant.id,
        agent: work.sender,
        querier: grant.requester,
        patient: grant.patient,
        record: action.record,
        state: action.state,
        part: action.part,
        sid: action.sid,
        ctid: action.ctid,
        result: action.result,
        time: work.now(),
        height: work.block.height,
        repeat,
        review: None,
    };
    work.put(&query.id, &query);
    work.list_item(List::QueriesOfGrant(grant.id));
    work.list_item(List::Queries(query.agent));
    work.list_item(List::Queries(query.querier));
    work.list_item(List::Notices(query.patient));
    Ok(())
}

/// Revoked, not yet begun, or over?
fn running(grant: &Grant, now: Millis) -> Result<(), Stop> {
    ensure(grant.revoked.is_none(), Failure::GrantRevoked)?;
    ensure(now >= grant.terms.not_before, Failure::GrantNotYet)?;
    ensure(now < grant.terms.expires, Failure::GrantExpired)
}

/// The requester herself asked this agent for this part, under her current key.
fn asked_for(work: &Work<'_, '_>, action: &Query, grant: &Grant) -> Result<(), Stop> {
    ensure(work.now() <= action.ask.expires, Failure::AskExpired)?;
    let key = work
        .account(grant.requester)?
        .operation_key()
        .ok_or(Failure::BadAsk)?;
    if work.asked.0 == Some(key) {
        return Ok(()); // verified in the batch
    }
    let ask = action.ask(work.block.chain, work.sender);
    ensure(ask.verify(&key).is_ok(), Failure::BadAsk)
}

/// The part stands in the record's last accepted state, and the record is the granter's.
fn accepted(work: &Work<'_, '_>, action: &Query, grant: &Grant) -> Result<(), Stop> {
    let found = work.find::<Record>(&action.record)?;
    let record = found.ok_or(Failure::UnknownRecord)?;
    ensure(record.patient == grant.patient, Failure::WrongPatient)?;
    ensure(!record.is_erased(), Failure::RecordErased)?;
    let part = PartKey {
        part: action.part,
        sid: action.sid,
        ctid: action.ctid,
    };
    let stands = record.accepted == Some(action.state)
        && record.parts.get(action.part as usize) == Some(&part);
    ensure(stands, Failure::NotAccepted)
}

/// Where the scope stands in the grant; it is not retired and its budget holds.
fn granted_scope(work: &mut Work<'_, '_>, action: &Query, grant: &Grant) -> Result<usize, Stop> {
    let at = grant
        .terms
        .sids
        .binary_search(&action.sid)
        .map_err(|_| Failure::ScopeNotGranted)?;
    let mut scope = scope::scope_of(work, grant.patient, action.sid)?;
    ensure(!scope.is_retired(), Failure::RetiredScope)?;
    scope::check_budget(work, &mut scope)?;
    Ok(at)
}

/// A break-glass grant opens only for hours after its hospital's emergency.
fn glass_broken(work: &Work<'_, '_>, grant: &Grant) -> Result<(), Stop> {
    if grant.terms.purpose == GrantUse::Ordinary {
        return Ok(());
    }
    let hospital = work.account(grant.requester)?.role == Role::Hospital;
    let emergency = work.get::<EmergencyState>(&(grant.requester, grant.patient))?;
    let hours = u64::from(work.policy()?.emergency_hours);
    let open = emergency.is_some_and(|emergency| {
        work.now() < emergency.time.plus(hours.saturating_mul(Millis::HOUR))
    });
    ensure(hospital && open, Failure::NoEmergency)
}

/// Counts a capsule once for a grant; a further agent's repeat uses nothing.
fn count(
    work: &mut Work<'_, '_>,
    action: &Query,
    grant: &mut Grant,
    at: usize,
) -> Result<bool, Stop> {
    let key = (grant.id, action.ctid);
    if let Some(mut before) = work.get::<CapsuleUse>(&key)? {
        let again = before.agents.contains(&work.sender);
        ensure(!again, Failure::AlreadyQueried)?;
        before.agents.push(work.sender);
        work.put(&key, &before);
        return Ok(true);
    }
    ensure(
        grant.used < grant.terms.max_queries,
        Failure::GrantExhausted,
    )?;
    grant.used += 1;
    if let Some(used) = grant.used_by_scope.get_mut(at) {
        *used += 1;
    }
    work.put(&grant.id, grant);
    let first = CapsuleUse {
        first: work.id,
        agents: vec![work.sender],
    };
    work.put(&key, &first);
    Ok(false)
}
