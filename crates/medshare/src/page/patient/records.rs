//! Models of her records and of who saw them.

use base::{Millis, OperationId, RecordId, operation::GrantUse};
use ledger::Record;
use pages::{
    patient::{self, Access, Part, Party, Purpose, RecordState, RecordView, Signature},
    record::{self, Reading},
};
use share::{
    Node as _, open,
    part::OpenedPart,
    record::{covers, place},
    request,
    wallet::{KnownRecord, Wallet},
};
use std::{collections::BTreeMap, io::Cursor};

use super::super::{
    log::{Answer, Line},
    names::{Names, purpose},
    reading::{Bounded, SHOWN, of_part},
    site::{Asked, PAGE, Reply, nothing},
};
use crate::{
    cli::{context::Entered, show},
    exit::{Exit, Fault, Result},
    fhir,
};

// -- records

pub(super) fn timeline(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let wallet = entered.wallet()?;
    let names = Names::of(&entered)?;
    let site = &asked.site;
    let mut log = site.log.advance(&site.node)?;
    let mut lines = Vec::new();
    for (id, told) in log.newest(asked.from, PAGE) {
        let known = wallet.record(id)?;
        let at = log.time_of(&site.node, told.at)?;
        lines.push(line(id, &told, known.as_ref(), at, &names));
    }
    let next = asked.next(log.order.len());
    drop(log);
    let waiting = super::sharing::waiting(&entered, &wallet)?.len() as u64;
    let frame = asked.frame("/records");
    Ok(Reply::Page(patient::timeline(
        &frame,
        &lines,
        waiting,
        next.as_deref(),
    )))
}

fn line(
    id: RecordId,
    told: &Line,
    known: Option<&KnownRecord>,
    at: Millis,
    names: &Names,
) -> patient::Record {
    let parts = known
        .iter()
        .flat_map(|known| &known.parts)
        .map(|part| Part {
            index: part.key.part,
            class: part.cover.class,
            bytes: part.length,
        });
    patient::Record {
        id,
        hospital: names.party(told.hospital),
        at,
        version: told.version,
        state: match told.answer {
            Answer::Waiting => RecordState::Pending,
            Answer::Accepted => RecordState::Accepted,
            Answer::Rejected(code) => RecordState::Rejected(code),
            Answer::Erased => RecordState::Erased,
        },
        parts: parts.collect(),
        opened: told.opened,
    }
}

pub(super) fn record(asked: &Asked, id: RecordId) -> Result<Reply> {
    let entered = asked.enter()?;
    let wallet = entered.wallet()?;
    let names = Names::of(&entered)?;
    let record = own(asked, &entered, id)?;
    let known = wallet.record(id)?;
    let site = &asked.site;
    let mut log = site.log.advance(&site.node)?;
    let told = *log.records.get(&id).ok_or_else(nothing)?;
    let at = log.time_of(&site.node, told.at)?;
    let of = log.queries.iter().rev().filter(|(_, of)| *of == id);
    let queries: Vec<OperationId> = of.take(PAGE).map(|(query, _)| *query).collect();
    drop(log);
    let line = line(id, &told, known.as_ref(), at, &names);
    let readings = match &known {
        Some(known) if !record.is_erased() => readings(&wallet, id, known)?,
        _ => Vec::new(),
    };
    let view = RecordView {
        record: &line,
        // `open_own` gives nothing whose signature does not verify; what is too large to be
        // opened for a page was verified when this wallet accepted it.
        signature: if readings.is_empty() {
            Signature::NotOpened
        } else {
            Signature::Verified
        },
        listed: wallet.hospitals()?.contains(&record.hospital),
        readings: &readings,
        accesses: &accesses_of(&entered, &wallet, &queries, &names)?,
    };
    Ok(Reply::Page(patient::record(
        &asked.frame("/records"),
        &view,
        asked.csrf(),
    )))
}

/// A record of hers; of others' she learns nothing, not even that they are. The log that the
/// page follows says which are hers: nobody is asked about another one, so that none takes
/// longer than one that there is not.
pub(super) fn own(asked: &Asked, entered: &Entered, id: RecordId) -> Result<Record> {
    let site = &asked.site;
    let line = site.log.advance(&site.node)?.records.get(&id).copied();
    line.filter(|line| line.patient == entered.session.identity.acts_for())
        .ok_or_else(nothing)?;
    entered.node.record(id)?.ok_or_else(nothing)
}

/// What is in a record: the original as one reading where its parts make it up again.
fn readings(wallet: &Wallet<'_>, id: RecordId, known: &KnownRecord) -> Result<Vec<(u32, Reading)>> {
    let length: u64 = known
        .parts
        .iter()
        .map(|part| part.length)
        .fold(0, u64::saturating_add);
    if length > SHOWN {
        return Ok(vec![(0, record::too_large(length))]);
    }
    let mut parts: Vec<(u32, OpenedPart, Vec<u8>)> = Vec::new();
    for part in &known.parts {
        let (opened, bytes) = open_part(wallet, id, part.key.part)?;
        parts.push((part.key.part, opened, bytes));
    }
    let layouts: Vec<_> = parts.iter().map(|(_, opened, _)| &opened.layout).collect();
    let whole = parts
        .first()
        .is_some_and(|(_, opened, _)| opened.manifest.parts.len() == parts.len());
    if whole && covers(&layouts).is_some() {
        let mut original = Cursor::new(Vec::new());
        for (_, opened, bytes) in &parts {
            place(&mut bytes.as_slice(), &opened.layout, &mut original)
                .map_err(|error| Fault::new(Exit::Invalid, error))?;
        }
        return Ok(vec![(0, record::read(original.get_ref()))]);
    }
    let shown = parts
        .iter()
        .filter(|(_, opened, _)| opened.media_type != fhir::FHIR_SKELETON);
    shown
        .map(|(index, opened, bytes)| Ok((*index, of_part(&opened.media_type, bytes))))
        .collect()
}

/// Opens a part into memory, no more of it than is shown.
fn open_part(wallet: &Wallet<'_>, id: RecordId, index: u32) -> Result<(OpenedPart, Vec<u8>)> {
    let mut sink = Bounded::default();
    let opened = open::open_own(wallet, id, index, &mut sink)?;
    Ok((opened, sink.into_bytes()))
}

/// One part, as a file to be saved.
pub(super) fn part(asked: &Asked, id: RecordId, index: u32) -> Result<Reply> {
    let entered = asked.enter()?;
    let wallet = entered.wallet()?;
    let record = own(asked, &entered, id)?;
    if !record.parts.iter().any(|part| part.part == index) || record.is_erased() {
        return Err(nothing());
    }
    let (_, bytes) = open_part(&wallet, id, index)?;
    let name = format!("record-{}-part-{index}.bin", show::short(id));
    Ok(Reply::File { name, bytes })
}

// -- who saw what

pub(super) fn accesses(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let wallet = entered.wallet()?;
    let names = Names::of(&entered)?;
    let site = &asked.site;
    let mut log = site.log.advance(&site.node)?;
    let shown = log.queries.iter().rev().skip(asked.from).take(PAGE);
    let shown: Vec<OperationId> = shown.map(|(query, _)| *query).collect();
    let next = asked.next(log.queries.len());
    let mut emergencies: Vec<(Party, Millis)> = Vec::new();
    for (at, hospital) in log.emergencies.clone() {
        emergencies.push((names.party(hospital), log.time_of(&site.node, at)?));
    }
    drop(log);
    let lines = accesses_of(&entered, &wallet, &shown, &names)?;
    let frame = asked.frame("/accesses");
    Ok(Reply::Page(patient::accesses(
        &frame,
        &lines,
        &emergencies,
        next.as_deref(),
    )))
}

fn accesses_of(
    entered: &Entered,
    wallet: &Wallet<'_>,
    queries: &[OperationId],
    names: &Names,
) -> Result<Vec<Access>> {
    let mut grants: BTreeMap<OperationId, (Option<Purpose>, bool)> = BTreeMap::new();
    let mut accesses = Vec::new();
    for query in queries {
        let query = entered.node.query(*query)?.ok_or_else(nothing)?;
        let (purpose, emergency) = match grants.get(&query.grant) {
            Some(found) => *found,
            None => {
                let found = about(entered, wallet, query.grant)?;
                grants.insert(query.grant, found);
                found
            }
        };
        let known = wallet.record(query.record)?;
        let part = known
            .as_ref()
            .and_then(|known| known.parts.iter().find(|part| part.key.sid == query.sid));
        accesses.push(Access {
            at: query.time,
            who: names.party(query.querier),
            agent: names.party(query.agent),
            record: query.record,
            class: part.map(|part| part.cover.class),
            purpose,
            emergency,
            operation: query.id,
        });
    }
    Ok(accesses)
}

/// What a grant was asked for, as its requester stated it, and whether it is for emergencies.
fn about(
    entered: &Entered,
    wallet: &Wallet<'_>,
    grant: OperationId,
) -> Result<(Option<Purpose>, bool)> {
    let Some(grant) = entered.node.grant(grant)? else {
        return Ok((None, false));
    };
    let wish = request::wish_of(&wallet.desk, grant.terms.request)?;
    let emergency = grant.terms.purpose == GrantUse::Emergency;
    Ok((wish.map(|wish| purpose(wish.purpose)), emergency))
}
