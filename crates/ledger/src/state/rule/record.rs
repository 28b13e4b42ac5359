//! Records and their states. Protocol page, "A record", steps 5 and 6.

use base::{
    Cid, RecordId, cid,
    operation::{Accept, Erase, Modify, PartKey, Publish, Reject, Rewrap, Role},
};
use std::collections::BTreeSet;

use super::{Stop, Work, ensure};
use crate::{
    leaf::Failure,
    state::{
        List,
        entry::{Record, StateInfo, StateStatus},
    },
};

/// Most parts of one state.
const MAX_PARTS: usize = 4_096;

pub(super) fn publish(work: &mut Work<'_, '_>, action: &Publish) -> Result<(), Stop> {
    work.require_institution()?;
    work.account_as(action.patient, Role::Patient)?;
    ensure(
        RecordId::of(work.sender, &action.nonce) == action.record,
        Failure::BadRecordId,
    )?;
    ensure(
        work.find::<Record>(&action.record)?.is_none(),
        Failure::RecordExists,
    )?;
    let record = Record {
        id: action.record,
        hospital: work.sender,
        patient: action.patient,
        accepted: None,
        parts: Vec::new(),
        pending: Some(action.after),
        erased_by_hospital: None,
        erased_by_patient: None,
        fabricated: None,
    };
    add_state(work, record.id, None, action.after, StateStatus::Pending)?;
    work.put(&record.id, &record);
    work.list_other(List::Records(record.patient), record.id.0);
    work.list_other(List::Records(record.hospital), record.id.0);
    Ok(())
}

pub(super) fn modify(work: &mut Work<'_, '_>, action: &Modify) -> Result<(), Stop> {
    work.require_institution()?;
    let mut record = record_of(work, action.record)?;
    ensure(record.hospital == work.sender, Failure::NotYours)?;
    follows(&record, action.before)?;
    add_state(
        work,
        record.id,
        Some(action.before),
        action.after,
        StateStatus::Pending,
    )?;
    record.pending = Some(action.after);
    work.put(&record.id, &record);
    Ok(())
}

pub(super) fn accept(work: &mut Work<'_, '_>, action: &Accept) -> Result<(), Stop> {
    let mut record = patients_record(work, action.record)?;
    ensure(
        record.pending == Some(action.state),
        Failure::NothingPending,
    )?;
    complete(&action.parts)?;
    let status = StateStatus::Accepted(work.now());
    judge(work, record.id, action.state, status)?;
    record.pending = None;
    record.accepted = Some(action.state);
    record.parts = action.parts.clone();
    work.put(&record.id, &record);
    Ok(())
}

pub(super) fn reject(work: &mut Work<'_, '_>, action: &Reject) -> Result<(), Stop> {
    let mut record = patients_record(work, action.record)?;
    ensure(
        record.pending == Some(action.state),
        Failure::NothingPending,
    )?;
    let status = StateStatus::Rejected {
        time: work.now(),
        code: action.code,
    };
    judge(work, record.id, action.state, status)?;
    record.pending = None;
    work.put(&record.id, &record);
    Ok(())
}

pub(super) fn rewrap(work: &mut Work<'_, '_>, action: &Rewrap) -> Result<(), Stop> {
    let mut record = patients_record(work, action.record)?;
    follows(&record, action.before)?;
    complete(&action.parts)?;
    // Only capsules change: the parts are the same ones.
    ensure(action.parts.len() == record.parts.len(), Failure::BadParts)?;
    let status = StateStatus::Accepted(work.now());
    add_state(work, record.id, Some(action.before), action.after, status)?;
    record.accepted = Some(action.after);
    record.parts = action.parts.clone();
    work.put(&record.id, &record);
    Ok(())
}

pub(super) fn erase(work: &mut Work<'_, '_>, action: &Erase) -> Result<(), Stop> {
    let found = work.get::<Record>(&action.record)?;
    let mut record = found.ok_or(Failure::UnknownRecord)?;
    let now = work.now();
    let erased = if record.hospital == work.sender {
        &mut record.erased_by_hospital
    } else if record.patient == work.sender {
        &mut record.erased_by_patient
    } else {
        return Err(Failure::NotYours.into());
    };
    ensure(erased.is_none(), Failure::AlreadyErased)?;
    *erased = Some(now);
    work.put(&record.id, &record);
    Ok(())
}

/// A record that is there and not erased.
fn record_of(work: &Work<'_, '_>, id: RecordId) -> Result<Record, Stop> {
    let record = work.get::<Record>(&id)?.ok_or(Failure::UnknownRecord)?;
    ensure(!record.is_erased(), Failure::RecordErased)?;
    Ok(record)
}

fn patients_record(work: &Work<'_, '_>, id: RecordId) -> Result<Record, Stop> {
    let record = record_of(work, id)?;
    ensure(record.patient == work.principal, Failure::NotYours)?;
    Ok(record)
}

/// Nothing is pending, and `before` is the last accepted state.
fn follows(record: &Record, before: Cid) -> Result<(), Stop> {
    ensure(record.pending.is_none(), Failure::StatePending)?;
    ensure(record.accepted == Some(before), Failure::NotLastAccepted)
}

/// A state has exactly one operation record, so it never comes back.
fn add_state(
    work: &mut Work<'_, '_>,
    record: RecordId,
    before: Option<Cid>,
    state: Cid,
    status: StateStatus,
) -> Result<(), Stop> {
    ensure(is_object(&state), Failure::BadState)?;
    let key = (record, state);
    ensure(
        work.find::<StateInfo>(&key)?.is_none(),
        Failure::StateReused,
    )?;
    let info = StateInfo {
        record,
        state,
        by: work.id,
        before,
        height: work.block.height,
        time: work.now(),
        status,
    };
    work.put(&key, &info);
    work.list_item(List::States(record));
    Ok(())
}

fn judge(
    work: &mut Work<'_, '_>,
    record: RecordId,
    state: Cid,
    status: StateStatus,
) -> Result<(), Stop> {
    let key = (record, state);
    let found = work.get::<StateInfo>(&key)?;
    let mut info = found.ok_or(Failure::NothingPending)?;
    info.status = status;
    work.put(&key, &info);
    Ok(())
}

/// Every part in order from 0, no capsule twice.
fn complete(parts: &[PartKey]) -> Result<(), Stop> {
    let in_order = parts
        .iter()
        .enumerate()
        .all(|(at, part)| part.part as usize == at);
    let capsules: BTreeSet<_> = parts.iter().map(|part| part.ctid).collect();
    ensure(
        in_order && !parts.is_empty() && parts.len() <= MAX_PARTS && capsules.len() == parts.len(),
        Failure::BadParts,
    )
}

/// CIDv1, DAG-CBOR, SHA2-256.
fn is_object(state: &Cid) -> bool {
    cid::sha256_digest(state).is_some_and(|digest| cid::of_digest(cid::DAG_CBOR, digest) == *state)
}
