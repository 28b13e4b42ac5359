//! Models of her records, of who saw them, and of one operation with its proof.

use base::{AccountId, Millis, OperationId, RecordId};
use ledger::{Notice, QueryState, Record, StateInfo, StateStatus};
use pages::{
    auditor,
    patient::{self, Access, Part, Party, Purpose, RecordState, RecordView, Signature},
    record::{self, Reading},
};
use share::{
    Node as _, letter, open,
    part::OpenedPart,
    record::{covers, place},
    request,
    wallet::{KnownRecord, Wallet},
};
use std::{
    collections::BTreeMap,
    io::{self, Cursor, Write},
};

use super::routes::{Asked, Reply, nothing};
use crate::{
    cli::{
        contact,
        context::Entered,
        proof::{ProofFile, transitions_before},
        show,
    },
    exit::{Exit, Fault, Result},
    fhir,
};

/// Records and openings of one page of a list.
const PAGE: usize = 50;
/// Most bytes of a record that are opened to be shown; more is saved as a file.
const SHOWN: u64 = 64 << 20;

/// Names of accounts in her contacts.
pub(super) struct Names(BTreeMap<AccountId, String>);

impl Names {
    pub(super) fn of(entered: &Entered) -> Result<Self> {
        let book = contact::book(&entered.session.vault)?;
        Ok(Self(
            book.into_iter().map(|(name, id)| (id, name)).collect(),
        ))
    }

    pub(super) fn party(&self, id: AccountId) -> Party {
        Party {
            id,
            name: self.0.get(&id).cloned(),
        }
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.0.keys().copied()
    }
}

// -- records

pub(super) fn timeline(entered: &Entered, asked: &Asked) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let names = Names::of(entered)?;
    let known: BTreeMap<RecordId, KnownRecord> = wallet.records()?.into_iter().collect();
    let mut counts: BTreeMap<RecordId, u64> = BTreeMap::new();
    for query in queries(entered, &wallet)? {
        *counts.entry(query.record).or_default() += 1;
    }
    // What waits is newer than what was accepted, and its time is not in the vault.
    let mut records = entered.node.records_of(wallet.patient)?;
    let time = |record: &Record| match record.pending {
        Some(_) => Millis(u64::MAX),
        None => known.get(&record.id).map_or(Millis(0), |known| known.time),
    };
    records.sort_by_key(|record| std::cmp::Reverse(time(record)));
    let mut lines = Vec::new();
    for record in records.iter().skip(asked.from).take(PAGE) {
        let opened = counts.get(&record.id).copied().unwrap_or(0);
        lines.push(line(
            entered,
            record,
            known.get(&record.id),
            opened,
            &names,
        )?);
    }
    let waiting = super::sharing::waiting(entered, &wallet)?.len() as u64;
    let next = next(asked.from, records.len());
    let frame = asked.frame("/records");
    Ok(Reply::Page(patient::timeline(
        &frame,
        &lines,
        waiting,
        next.as_deref(),
    )))
}

fn next(from: usize, all: usize) -> Option<String> {
    let next = from.saturating_add(PAGE);
    (next < all).then(|| next.to_string())
}

fn line(
    entered: &Entered,
    record: &Record,
    known: Option<&KnownRecord>,
    opened: u64,
    names: &Names,
) -> Result<patient::Record> {
    let states: Vec<StateInfo> = entered.node.states_of(record.id)?;
    let newest = states.last();
    let state = if record.is_erased() {
        RecordState::Erased
    } else if record.pending.is_some() {
        RecordState::Pending
    } else {
        match newest.map(|state| state.status) {
            Some(StateStatus::Rejected { code, .. }) => RecordState::Rejected(code),
            _ => RecordState::Accepted,
        }
    };
    let parts = known
        .iter()
        .flat_map(|known| &known.parts)
        .map(|part| Part {
            index: part.key.part,
            class: part.cover.class,
            bytes: part.length,
        });
    Ok(patient::Record {
        id: record.id,
        hospital: names.party(record.hospital),
        at: newest.map_or(Millis(0), |state| state.time),
        version: states.len() as u64,
        state,
        parts: parts.collect(),
        opened,
    })
}

pub(super) fn record(entered: &Entered, asked: &Asked, id: RecordId) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let names = Names::of(entered)?;
    let record = own(entered, &wallet, id)?;
    let known = wallet
        .records()?
        .into_iter()
        .find(|(found, _)| *found == id);
    let known = known.map(|(_, known)| known);
    let queries: Vec<QueryState> = queries(entered, &wallet)?
        .into_iter()
        .filter(|query| query.record == id)
        .collect();
    let line = line(
        entered,
        &record,
        known.as_ref(),
        queries.len() as u64,
        &names,
    )?;
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
        accesses: &accesses_of(entered, &wallet, &queries, &names)?,
    };
    Ok(Reply::Page(patient::record(
        &asked.frame("/records"),
        &view,
        asked.csrf(),
    )))
}

/// A record of hers; of others' she learns nothing, not even that they are.
pub(super) fn own(entered: &Entered, wallet: &Wallet<'_>, id: RecordId) -> Result<Record> {
    let found = entered.node.record(id)?;
    found
        .filter(|record| record.patient == wallet.patient)
        .ok_or_else(nothing)
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
        .map(|(index, opened, bytes)| {
            let extract = fhir::extract(&[(opened.media_type.as_str(), bytes)]);
            let reading = match extract {
                Ok(extract) if opened.media_type == fhir::FHIR_ENTRIES => record::read(&extract),
                _ => record::read(bytes),
            };
            Ok((*index, reading))
        })
        .collect()
}

/// Opens a part into memory, no more of it than is shown.
fn open_part(wallet: &Wallet<'_>, id: RecordId, index: u32) -> Result<(OpenedPart, Vec<u8>)> {
    let mut sink = Bounded(Vec::new());
    let opened = open::open_own(wallet, id, index, &mut sink)?;
    Ok((opened, sink.0))
}

/// Bytes of which there are at most [`SHOWN`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) as u64 > SHOWN {
            return Err(io::Error::other(
                "the part is larger than what a page opens",
            ));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One part, as a file to be saved.
pub(super) fn part(entered: &Entered, id: RecordId, index: u32) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let record = own(entered, &wallet, id)?;
    if !record.parts.iter().any(|part| part.part == index) || record.is_erased() {
        return Err(nothing());
    }
    let (_, bytes) = open_part(&wallet, id, index)?;
    let name = format!("record-{}-part-{index}.bin", show::short(id));
    Ok(Reply::File { name, bytes })
}

// -- who saw what

pub(super) fn accesses(entered: &Entered, asked: &Asked) -> Result<Reply> {
    let wallet = entered.wallet()?;
    let names = Names::of(entered)?;
    let all = queries(entered, &wallet)?;
    let shown: Vec<QueryState> = all.iter().skip(asked.from).take(PAGE).cloned().collect();
    let lines = accesses_of(entered, &wallet, &shown, &names)?;
    let emergencies: Vec<(Party, Millis)> = notices(entered, &wallet)?
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Emergency { hospital, time, .. } => Some((names.party(hospital), time)),
            _ => None,
        })
        .collect();
    let next = next(asked.from, all.len());
    let frame = asked.frame("/accesses");
    Ok(Reply::Page(patient::accesses(
        &frame,
        &lines,
        &emergencies,
        next.as_deref(),
    )))
}

fn notices(entered: &Entered, wallet: &Wallet<'_>) -> Result<Vec<Notice>> {
    Ok(entered
        .node
        .list(&format!("/v1/accounts/{}/notices", wallet.patient))?)
}

/// Queries on her data, newest first.
fn queries(entered: &Entered, wallet: &Wallet<'_>) -> Result<Vec<QueryState>> {
    let mut queries: Vec<QueryState> = notices(entered, wallet)?
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Query(query) => Some(*query),
            _ => None,
        })
        .collect();
    queries.sort_by_key(|query| std::cmp::Reverse(query.time));
    Ok(queries)
}

fn accesses_of(
    entered: &Entered,
    wallet: &Wallet<'_>,
    queries: &[QueryState],
    names: &Names,
) -> Result<Vec<Access>> {
    let known: BTreeMap<RecordId, KnownRecord> = wallet.records()?.into_iter().collect();
    let mut grants: BTreeMap<OperationId, (Option<Purpose>, bool)> = BTreeMap::new();
    let mut accesses = Vec::new();
    for query in queries {
        let (purpose, emergency) = match grants.get(&query.grant) {
            Some(found) => *found,
            None => {
                let found = about(entered, wallet, query.grant)?;
                grants.insert(query.grant, found);
                found
            }
        };
        let part = known
            .get(&query.record)
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
    let emergency = grant.terms.purpose == base::operation::GrantUse::Emergency;
    Ok((wish.map(|wish| purpose(wish.purpose)), emergency))
}

/// A purpose in the page's words.
pub(super) const fn purpose(purpose: letter::Purpose) -> Purpose {
    match purpose {
        letter::Purpose::Treatment => Purpose::Treatment,
        letter::Purpose::EmergencyTreatment => Purpose::EmergencyTreatment,
        letter::Purpose::Research => Purpose::Research,
        letter::Purpose::PublicHealth => Purpose::PublicHealth,
        letter::Purpose::Coverage => Purpose::Coverage,
        letter::Purpose::PatientRequest => Purpose::PatientRequest,
    }
}

// -- one operation

pub(super) fn operation(entered: &Entered, asked: &Asked, id: OperationId) -> Result<Reply> {
    let names = Names::of(entered)?;
    let (index, leaf) = entered.node.operation(id)?.ok_or_else(nothing)?;
    let receipt = entered.node.receipt(id)?.ok_or_else(nothing)?;
    let header = receipt.head.header.clone();
    let path = receipt.inclusion.path.clone();
    // The page says what was checked here, against the genesis that this home pins; the id
    // too, since the node could answer with another operation.
    let checked = entered
        .desk()
        .received(receipt, &leaf.operation)
        .map_err(|error| error.to_string());
    let verdict = match checked {
        Ok(checked) if checked.id == id => Ok(()),
        Ok(_) => Err("the node answered with another operation".to_owned()),
        Err(error) => Err(error),
    };
    let body = &leaf.operation.body;
    let fields = match show::json(&body.action) {
        serde_json::Value::Object(action) => action
            .into_iter()
            .flat_map(|(_, inner)| match inner {
                serde_json::Value::Object(fields) => fields.into_iter().collect(),
                other => vec![(body.action.name().to_owned(), other)],
            })
            .map(|(name, value)| (name, text(&value)))
            .collect(),
        other => vec![(body.action.name().to_owned(), text(&other))],
    };
    let proven = auditor::Proven {
        leaf: auditor::Leaf {
            index,
            id,
            action: body.action.name().to_owned(),
            account: names.party(body.account),
            at: header.time,
            refused: leaf.outcome.failure().map(|failure| failure.to_string()),
        },
        height: header.height,
        block: header.cid(),
        root: header.tree_root,
        state: header.state_hash,
        proposer: names.party(header.proposer),
        path,
        verdict,
        fields,
        anchors: Vec::new(),
    };
    Ok(Reply::Page(auditor::operation(
        &asked.frame("/accesses"),
        &proven,
    )))
}

fn text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The proof of an operation as a file, checked before it is given.
pub(super) fn proof(entered: &Entered, id: OperationId) -> Result<Reply> {
    let (_, leaf) = entered.node.operation(id)?.ok_or_else(nothing)?;
    let receipt = entered.node.receipt(id)?.ok_or_else(nothing)?;
    let transitions = transitions_before(receipt.head.header.height, &entered.node)?;
    let proof = ProofFile::new(&leaf, receipt, transitions);
    proof.clone().verify(&entered.home.genesis)?;
    let name = format!("{}.proof", show::short(id));
    Ok(Reply::File {
        name,
        bytes: proof.to_bytes(),
    })
}
