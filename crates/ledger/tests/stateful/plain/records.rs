//! Records, their states, scopes and key bags.

use base::{
    Cid, RecordId,
    operation::{Accept, Bag, Erase, Modify, PartKey, Publish, Reject, Rewrap, RotateScope},
};
use ledger::{BagState, Failure, Record, StateInfo, StateStatus};

use super::{At, No, Plain};

/// A state's root is an IPLD object.
fn is_object(state: &Cid) -> bool {
    // version 1, DAG-CBOR, SHA2-256 of 32 bytes
    let bytes = state.to_bytes();
    bytes.len() == 36 && bytes.starts_with(&[0x01, 0x71, 0x12, 0x20])
}

/// Every part, in order, each with a capsule of its own.
fn complete(parts: &[PartKey]) -> bool {
    let numbers = parts.iter().map(|part| part.part);
    let mut capsules: Vec<_> = parts.iter().map(|part| part.ctid).collect();
    capsules.sort();
    capsules.dedup();
    !parts.is_empty() && numbers.eq(0..parts.len() as u32) && capsules.len() == parts.len()
}

impl Plain {
    pub fn publish(&mut self, at: &At, action: &Publish, no: &mut No) {
        let admitted = self.institutions.contains_key(&at.sender);
        no.unless(admitted, Failure::NotAdmitted);
        no.unless(self.is_patient(action.patient), Failure::UnknownAccount);
        let named = RecordId::of(at.sender, &action.nonce) == action.record;
        no.unless(named, Failure::BadRecordId);
        let fresh = !self.records.contains_key(&action.record);
        no.unless(fresh, Failure::RecordExists);
        no.unless(is_object(&action.after), Failure::BadState);
        if no.any() {
            return;
        }
        let record = Record {
            id: action.record,
            hospital: at.sender,
            patient: action.patient,
            accepted: None,
            parts: Vec::new(),
            pending: Some(action.after),
            erased_by_hospital: None,
            erased_by_patient: None,
            fabricated: None,
        };
        self.records.insert(record.id, record);
        self.state(at, action.record, None, action.after, StateStatus::Pending);
    }

    fn state(
        &mut self,
        at: &At,
        record: RecordId,
        before: Option<Cid>,
        state: Cid,
        status: StateStatus,
    ) {
        let info = StateInfo {
            record,
            state,
            by: at.id,
            before,
            height: self.height,
            time: self.time,
            status,
        };
        self.states.insert((record, state), info);
    }

    /// A record to change, unless it is gone.
    fn living(&self, id: RecordId, no: &mut No) -> Option<Record> {
        let Some(record) = self.records.get(&id) else {
            no.because(Failure::UnknownRecord);
            return None;
        };
        let gone = record.erased_by_hospital.or(record.erased_by_patient);
        no.unless(gone.is_none(), Failure::RecordErased);
        Some(record.clone())
    }

    fn next_state(&self, record: &Record, before: Cid, after: Cid, no: &mut No) {
        no.unless(record.pending.is_none(), Failure::StatePending);
        no.unless(record.accepted == Some(before), Failure::NotLastAccepted);
        no.unless(is_object(&after), Failure::BadState);
        let used = self.states.contains_key(&(record.id, after));
        no.unless(!used, Failure::StateReused);
    }

    pub fn modify(&mut self, at: &At, action: &Modify, no: &mut No) {
        let admitted = self.institutions.contains_key(&at.sender);
        no.unless(admitted, Failure::NotAdmitted);
        let Some(mut record) = self.living(action.record, no) else {
            return;
        };
        no.unless(record.hospital == at.sender, Failure::NotYours);
        self.next_state(&record, action.before, action.after, no);
        if no.any() {
            return;
        }
        let (before, after) = (Some(action.before), action.after);
        self.state(at, record.id, before, after, StateStatus::Pending);
        record.pending = Some(after);
        self.records.insert(record.id, record);
    }

    pub fn accept(&mut self, at: &At, action: &Accept, no: &mut No) {
        no.unless(complete(&action.parts), Failure::BadParts);
        let status = StateStatus::Accepted(self.time);
        let Some(mut record) = self.judged(at, action.record, action.state, status, no) else {
            return;
        };
        record.accepted = Some(action.state);
        record.parts = action.parts.clone();
        self.records.insert(record.id, record);
    }

    pub fn reject(&mut self, at: &At, action: &Reject, no: &mut No) {
        let status = StateStatus::Rejected {
            time: self.time,
            code: action.code,
        };
        if let Some(record) = self.judged(at, action.record, action.state, status, no) {
            self.records.insert(record.id, record);
        }
    }

    /// The record without the state that she judged.
    fn judged(
        &mut self,
        at: &At,
        id: RecordId,
        state: Cid,
        status: StateStatus,
        no: &mut No,
    ) -> Option<Record> {
        let mut record = self.living(id, no)?;
        no.unless(record.patient == at.principal, Failure::NotYours);
        no.unless(record.pending == Some(state), Failure::NothingPending);
        if no.any() {
            return None;
        }
        self.states.get_mut(&(id, state))?.status = status;
        record.pending = None;
        Some(record)
    }

    pub fn rewrap(&mut self, at: &At, action: &Rewrap, no: &mut No) {
        no.unless(complete(&action.parts), Failure::BadParts);
        let Some(mut record) = self.living(action.record, no) else {
            return;
        };
        no.unless(record.patient == at.principal, Failure::NotYours);
        self.next_state(&record, action.before, action.after, no);
        let same = record.parts.len() == action.parts.len();
        no.unless(same, Failure::BadParts);
        if no.any() {
            return;
        }
        let status = StateStatus::Accepted(self.time);
        let (before, after) = (Some(action.before), action.after);
        self.state(at, record.id, before, after, status);
        record.accepted = Some(after);
        record.parts = action.parts.clone();
        self.records.insert(record.id, record);
    }

    pub fn erase(&mut self, at: &At, action: &Erase, no: &mut No) {
        let now = self.time;
        let Some(record) = self.records.get_mut(&action.record) else {
            return no.because(Failure::UnknownRecord);
        };
        let erased = match at.sender {
            sender if sender == record.hospital => &mut record.erased_by_hospital,
            sender if sender == record.patient => &mut record.erased_by_patient,
            _ => return no.because(Failure::NotYours),
        };
        no.unless(erased.is_none(), Failure::AlreadyErased);
        if !no.any() {
            *erased = Some(now);
        }
    }

    pub fn rotate_scope(&mut self, at: &At, action: &RotateScope, no: &mut No) {
        no.unless(action.sid != action.next, Failure::BadShape);
        for sid in [action.sid, action.next] {
            let retired = self.rotated.contains_key(&(at.sender, sid));
            no.unless(!retired, Failure::RetiredScope);
        }
        if !no.any() {
            self.rotated.insert((at.sender, action.sid), action.next);
        }
    }

    pub fn bag(&mut self, at: &At, action: &Bag, no: &mut No) {
        let last = self.bags.get(&at.sender).map(|bag| bag.version);
        let grows = last.is_none_or(|last| action.version > last);
        no.unless(grows, Failure::StaleBag);
        if !no.any() {
            let bag = BagState {
                version: action.version,
                commitment: action.commitment,
                time: self.time,
            };
            self.bags.insert(at.sender, bag);
        }
    }
}
