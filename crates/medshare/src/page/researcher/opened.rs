//! What patients share with this requester: asked of agents, opened, reviewed.

use base::{AccountId, Cid, Class, Millis, OperationId, RecordId, ScopeId, operation::Verdict};
use ledger::{Grant, Listing, QueryState, Record};
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
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use super::super::{
    names::Names,
    reading::{Bounded, of_part},
    site::{Asked, Fields, PAGE, Reply, invalid, nothing},
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
        .map(|grant| extent(grant, &names, Covered::default()))
        .collect();
    Ok(Reply::Page(researcher::grants(
        &asked.frame("/opened"),
        &grants,
    )))
}

fn extent(grant: &Grant, names: &Names, covered: Covered) -> Granted {
    let over = check_grant(grant, system::now()).err();
    Granted {
        grant: grant.id,
        patient: names.party(grant.patient),
        until: grant.terms.expires,
        used: (grant.used, grant.terms.max_queries),
        over: over.map(|fault| fault.message),
        parts: covered.parts,
        next: covered.next.map(|next| next.to_string()),
    }
}

/// One grant with its parts, from one of the patient's records on.
pub(super) fn grant(asked: &Asked, id: OperationId) -> Result<Reply> {
    let entered = asked.enter()?;
    let names = Names::of(&entered)?;
    let grant = own(asked, &entered, id)?;
    let covered = Grasp::of(&entered, &grant)?.parts(asked.from as u64)?;
    Ok(Reply::Page(researcher::granted(
        &asked.frame("/opened"),
        &extent(&grant, &names, covered),
        asked.csrf(),
    )))
}

/// A grant to this account; of others' it learns nothing.
fn own(asked: &Asked, entered: &Entered, id: OperationId) -> Result<Grant> {
    asked.concerned(id)?;
    let own = entered.session.identity.account();
    let grant = entered.node.grant(id)?;
    grant
        .filter(|grant| grant.requester == own)
        .ok_or_else(nothing)
}

/// What this home holds of a grant.
struct Grasp<'a> {
    entered: &'a Entered,
    grant: &'a Grant,
    /// Scopes whose keys are here.
    held: BTreeMap<ScopeId, Class>,
    /// Openings of each part of each state, and whether they were reviewed.
    queries: BTreeMap<(RecordId, u32, Cid), Vec<(OperationId, bool)>>,
    answers: BTreeSet<OperationId>,
}

/// Parts of accepted records that a grant covers, as far as its keys are here.
#[derive(Default)]
struct Covered {
    parts: Vec<GrantedPart>,
    /// Where to go on among the patient's records, if these are not all.
    next: Option<u64>,
}

impl<'a> Grasp<'a> {
    fn of(entered: &'a Entered, grant: &'a Grant) -> Result<Self> {
        let desk = entered.desk();
        let mut queries: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for query in entered.node.queries_of(grant.id)? {
            let of = (query.record, query.part, query.state);
            let reviewed = query.review.is_some();
            queries.entry(of).or_default().push((query.id, reviewed));
        }
        Ok(Self {
            entered,
            grant,
            held: open::grants(&desk)?
                .into_iter()
                .filter(|(held, ..)| *held == grant.id)
                .map(|(_, _, scope)| (sid_of(&scope), scope.cover.class))
                .collect(),
            queries,
            answers: open::answers(&desk)?
                .into_iter()
                .map(|answer| answer.query)
                .collect(),
        })
    }

    /// The parts of one page, of the patient's records from place `from` on: a patient may
    /// have many records of which the grant covers few, or more than anybody reads at once.
    fn parts(&self, from: u64) -> Result<Covered> {
        let mut covered = Covered {
            parts: Vec::new(),
            next: Some(from),
        };
        for _ in 0..LOOKS {
            let Some(from) = covered.next.filter(|_| covered.parts.len() < PAGE) else {
                break;
            };
            let list = format!("/v1/accounts/{}/records", self.grant.patient);
            let records: Listing<Record> = self
                .entered
                .node
                .read(&format!("{list}?from={from}&limit={PAGE}"))?;
            for record in &records.items {
                covered.parts.extend(self.parts_of(record));
            }
            covered.next = records.next.filter(|next| *next > from);
        }
        Ok(covered)
    }

    /// The parts that are not here, at most so many, whatever page they are on.
    fn missing(&self, most: usize) -> Result<Vec<GrantedPart>> {
        let mut missing = Vec::new();
        for record in self.entered.node.records_of(self.grant.patient)? {
            let parts = self.parts_of(&record).into_iter();
            missing.extend(parts.filter(|part| part.state == PartState::NotHere));
        }
        missing.truncate(most);
        Ok(missing)
    }

    /// By class: the frame of a record is worth nothing to a reader by itself.
    fn parts_of(&self, record: &Record) -> Vec<GrantedPart> {
        let Some(accepted) = record.accepted.filter(|_| !record.is_erased()) else {
            return Vec::new();
        };
        let mut parts = Vec::new();
        for part in &record.parts {
            let Some(class) = self.held.get(&part.sid) else {
                continue;
            };
            let of_it = self.queries.get(&(record.id, part.part, accepted));
            let of_it = || of_it.into_iter().flatten();
            let here = of_it().find(|(query, _)| self.answers.contains(query));
            let reviewed = of_it().find(|(_, reviewed)| *reviewed);
            parts.push(GrantedPart {
                record: record.id,
                part: part.part,
                class: *class,
                state: match (here, reviewed) {
                    (Some((query, _)), _) => PartState::Here(*query),
                    (None, Some((query, _))) => PartState::Reviewed(*query),
                    (None, None) => PartState::NotHere,
                },
            });
        }
        parts.sort_by_key(|part| (part.class, part.part));
        parts
    }
}

/// Pages of a patient's records that one page here looks through at most.
const LOOKS: usize = 10;

/// Asks for every part that is not here, and waits a little for the agent.
pub(super) fn ask(asked: &Asked, id: OperationId) -> Result<Reply> {
    {
        let entered = asked.enter()?;
        round(&entered)?;
        let grant = own(asked, &entered, id)?;
        check_grant(&grant, system::now())?;
        let desk = entered.desk();
        let left = grant.terms.max_queries.saturating_sub(grant.used) as usize;
        for part in Grasp::of(&entered, &grant)?.missing(left)? {
            let agent = agent(&entered, &grant, &part)?;
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
        let grant = own(asked, &entered, id)?;
        if Grasp::of(&entered, &grant)?.missing(1)?.is_empty() {
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
    let state = query_of(asked, &entered, id, query)?;
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
    let state = query_of(asked, &entered, id, query)?;
    let (_, bytes) = opened(&entered, query)?;
    let (record, part) = (show::short(state.record), state.part);
    let name = format!("record-{record}-part-{part}.bin");
    Ok(Reply::File { name, bytes })
}

fn query_of(
    asked: &Asked,
    entered: &Entered,
    grant: OperationId,
    query: OperationId,
) -> Result<QueryState> {
    own(asked, entered, grant)?;
    answer_to(entered, query)?;
    let state = entered.node.query(query)?;
    state
        .filter(|state| state.grant == grant)
        .ok_or_else(nothing)
}

fn opened(entered: &Entered, query: OperationId) -> Result<(OpenedPart, Vec<u8>)> {
    let desk = entered.desk();
    let answer = answer_to(entered, query)?;
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

/// The agent's answer to a query, if it is here.
fn answer_to(entered: &Entered, query: OperationId) -> Result<Answer> {
    let mut answers = open::answers(&entered.desk())?.into_iter();
    let found = answers.find(|answer| answer.query == query);
    found.ok_or_else(nothing)
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
    let own = entered.session.identity.account();
    let state = entered.node.query(query)?;
    let state = state.filter(|state| state.querier == own);
    let grant = state.ok_or_else(nothing)?.grant;
    review::review(&entered.desk(), query, verdict, None, &mut OsRng)?;
    Ok(Reply::Go(format!("/opened/{grant}")))
}

/// An ask stays good so long, milliseconds.
const ASK_VALID: u64 = 10 * 60 * Millis::SECOND;
/// How long the page waits for an agent; whoever comes back later finds the answer too.
const WAIT: Duration = Duration::from_secs(6);
const POLL: Duration = Duration::from_millis(200);
