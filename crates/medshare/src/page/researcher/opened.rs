//! What patients share with this requester: asked of agents, opened, reviewed.

use base::{AccountId, Class, Millis, OperationId, operation::Verdict};
use ledger::{Grant, QueryState};
use pages::researcher::{self, Granted, GrantedPart, Opened, PartState};
use share::{
    Node as _,
    letter::Answer,
    open::{self, OpenError},
    part::OpenedPart,
    review,
    scheme::sid_of,
};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use super::super::{
    names::Names,
    reading::{Bounded, of_part},
    site::{Asked, Fields, Reply, invalid, nothing},
};
use crate::{
    cli::{context::Entered, open::check_grant, party::round, show},
    exit::{Exit, Fault, Result},
    system::{self, OsRng},
};

/// Grants that this home holds keys of.
pub(super) fn grants(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let mut ids: Vec<OperationId> = open::grants(&entered.desk())?
        .into_iter()
        .map(|(grant, ..)| grant)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = Vec::new();
    for id in ids {
        found.extend(entered.node.grant(id)?);
    }
    found.sort_by_key(|grant| std::cmp::Reverse(grant.time));
    let grants: Vec<Granted> = found
        .iter()
        .map(|grant| extent(grant, &names, Vec::new()))
        .collect();
    Ok(Reply::Page(researcher::grants(
        &asked.frame("/opened"),
        &grants,
    )))
}

fn extent(grant: &Grant, names: &Names, parts: Vec<GrantedPart>) -> Granted {
    let over = check_grant(grant, system::now()).err();
    Granted {
        grant: grant.id,
        patient: names.party(grant.patient),
        until: grant.terms.expires,
        used: (grant.used, grant.terms.max_queries),
        over: over.map(|fault| fault.message),
        parts,
    }
}

/// One grant with its parts.
pub(super) fn grant(asked: &Asked, id: OperationId) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let grant = own(&entered, id)?;
    let parts = parts(&entered, &grant)?;
    Ok(Reply::Page(researcher::granted(
        &asked.frame("/opened"),
        &extent(&grant, &names, parts),
        asked.csrf(),
    )))
}

/// A grant to this account; of others' it learns nothing.
fn own(entered: &Entered, id: OperationId) -> Result<Grant> {
    let own = entered.session.identity.account();
    let grant = entered.node.grant(id)?;
    grant
        .filter(|grant| grant.requester == own)
        .ok_or_else(nothing)
}

/// The parts of accepted records that a grant covers, as far as its keys are here.
fn parts(entered: &Entered, grant: &Grant) -> Result<Vec<GrantedPart>> {
    let desk = entered.desk();
    let held: BTreeMap<_, Class> = open::grants(&desk)?
        .into_iter()
        .filter(|(held, ..)| *held == grant.id)
        .map(|(_, _, scope)| (sid_of(&scope), scope.cover.class))
        .collect();
    let queries = entered.node.queries_of(grant.id)?;
    let answers: Vec<OperationId> = open::answers(&desk)?
        .into_iter()
        .map(|answer| answer.query)
        .collect();
    let mut parts = Vec::new();
    for record in entered.node.records_of(grant.patient)? {
        let Some(accepted) = record.accepted.filter(|_| !record.is_erased()) else {
            continue;
        };
        for part in &record.parts {
            let Some(class) = held.get(&part.sid) else {
                continue;
            };
            let of_it = |query: &&QueryState| {
                (query.record, query.part, query.state) == (record.id, part.part, accepted)
            };
            let mut of_it = queries.iter().filter(of_it);
            let here = of_it.clone().find(|query| answers.contains(&query.id));
            let reviewed = of_it.find(|query| query.review.is_some());
            parts.push(GrantedPart {
                record: record.id,
                part: part.part,
                class: *class,
                state: match (here, reviewed) {
                    (Some(query), _) => PartState::Here(query.id),
                    (None, Some(query)) => PartState::Reviewed(query.id),
                    (None, None) => PartState::NotHere,
                },
            });
        }
    }
    // The frame of a record is worth nothing to a reader by itself.
    parts.sort_by_key(|part| (part.record, part.class, part.part));
    Ok(parts)
}

/// Asks for every part that is not here, and waits a little for the agent.
pub(super) fn ask(asked: &Asked, id: OperationId) -> Result<Reply> {
    {
        let entered = asked.enter()?;
        round(&entered)?;
        let grant = own(&entered, id)?;
        check_grant(&grant, system::now())?;
        let desk = entered.desk();
        let wanted = parts(&entered, &grant)?;
        let wanted = wanted
            .iter()
            .filter(|part| part.state == PartState::NotHere);
        let left = grant.terms.max_queries.saturating_sub(grant.used) as usize;
        for part in wanted.take(left) {
            let agent = agent(&entered, &grant, part)?;
            let expires = system::now().plus(ASK_VALID);
            open::ask(
                &desk,
                id,
                part.record,
                part.part,
                agent,
                expires,
                &mut OsRng,
            )?;
        }
    }
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        // The home is given back between two looks: other commands get their turn.
        thread::sleep(POLL);
        let entered = asked.enter()?;
        round(&entered)?;
        let parts = parts(&entered, &own(&entered, id)?)?;
        if parts.iter().all(|part| part.state != PartState::NotHere) {
            break;
        }
    }
    Ok(Reply::Go(format!("/opened/{id}")))
}

/// An agent of the grant that has not lied about that scope.
fn agent(entered: &Entered, grant: &Grant, part: &GrantedPart) -> Result<AccountId> {
    let record = entered.node.record(part.record)?.ok_or_else(nothing)?;
    let key = record.parts.iter().find(|key| key.part == part.part);
    let sid = key.ok_or_else(nothing)?.sid;
    let agents = open::trusted(&entered.desk(), sid, grant.terms.agents.clone())?;
    let first = agents.first().copied();
    first.ok_or_else(|| {
        Fault::new(
            Exit::Refused,
            "an answer of each agent of this grant did not open; ask the patient for one through another agent",
        )
    })
}

/// A part that is here, opened.
pub(super) fn part(asked: &Asked, id: OperationId, query: OperationId) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let state = query_of(&entered, id, query)?;
    let (content, bytes) = opened(&entered, query)?;
    let reading = of_part(&content.media_type, &bytes);
    let shown = Opened {
        query,
        grant: id,
        at: state.time,
        record: state.record,
        hospital: names.party(content.hospital()),
        // What does not verify is not opened.
        verified: true,
        reading: &reading,
        reviewed: state.review.is_some(),
    };
    Ok(Reply::Page(researcher::opened(
        &asked.frame("/opened"),
        &shown,
        asked.csrf(),
    )))
}

/// The same as a file.
pub(super) fn file(asked: &Asked, id: OperationId, query: OperationId) -> Result<Reply> {
    let entered = asked.enter()?;
    let state = query_of(&entered, id, query)?;
    let (_, bytes) = opened(&entered, query)?;
    let (record, part) = (show::short(state.record), state.part);
    let name = format!("record-{record}-part-{part}.bin");
    Ok(Reply::File { name, bytes })
}

fn query_of(entered: &Entered, grant: OperationId, query: OperationId) -> Result<QueryState> {
    own(entered, grant)?;
    let state = entered.node.query(query)?;
    state
        .filter(|state| state.grant == grant)
        .ok_or_else(nothing)
}

fn opened(entered: &Entered, query: OperationId) -> Result<(OpenedPart, Vec<u8>)> {
    let desk = entered.desk();
    let answers = open::answers(&desk)?.into_iter();
    let mut answers = answers.filter(|answer| answer.query == query);
    let answer: Answer = answers.next().ok_or_else(nothing)?;
    let mut sink = Bounded::default();
    match open::open(&desk, &answer, &mut sink) {
        Ok(opened) => Ok((opened.content, sink.into_bytes())),
        Err(error) => {
            if matches!(error, OpenError::DoesNotOpen) {
                // The patient hears of it, and nobody else; the next agent is asked next.
                open::report(&desk, &answer, &mut OsRng)?;
            }
            Err(error.into())
        }
    }
}

/// Logs a verdict.
pub(super) fn review(asked: &Asked, query: OperationId, fields: &Fields) -> Result<Reply> {
    let verdict = match fields.get("verdict") {
        "accepted" => Verdict::Accepted,
        "not-as-requested" => Verdict::NotAsRequested,
        "poor-quality" => Verdict::PoorQuality,
        "fabricated" => Verdict::Fabricated,
        _ => return Err(invalid("say what you found")),
    };
    let entered = asked.enter()?;
    let state = entered.node.query(query)?.ok_or_else(nothing)?;
    own(&entered, state.grant)?;
    review::review(&entered.desk(), query, verdict, None, &mut OsRng)?;
    Ok(Reply::Go(format!("/opened/{}", state.grant)))
}

/// An ask stays good so long, milliseconds.
const ASK_VALID: u64 = 10 * 60 * Millis::SECOND;
/// How long the page waits for an agent; whoever comes back later finds the answer too.
const WAIT: Duration = Duration::from_secs(6);
const POLL: Duration = Duration::from_millis(200);
