//! Emergencies, disputes and vouchers.

use base::{
    AccountId,
    operation::{Dispute, DisputeCode, Emergency, Redeem, Role, Subject},
};

use super::{Stop, Work, ensure};
use crate::{
    credit,
    leaf::Failure,
    state::{
        List,
        entry::{
            DisputeState, EmergencyState, Institution, QueryState, Record, Voucher, VoucherUse,
        },
    },
};

pub(super) fn emergency(work: &mut Work<'_, '_>, action: &Emergency) -> Result<(), Stop> {
    work.require_institution()?;
    work.account_as(action.patient, Role::Patient)?;
    let key = (work.sender, action.patient);
    let before = work.get::<EmergencyState>(&key)?;
    let emergency = EmergencyState {
        hospital: work.sender,
        patient: action.patient,
        last: work.id,
        code: action.code,
        time: work.now(),
        count: before.map_or(0, |before| before.count).saturating_add(1),
    };
    work.put(&key, &emergency);
    credit::count_emergency(work, work.sender)?;
    work.list_item(List::Notices(action.patient));
    Ok(())
}

pub(super) fn dispute(work: &mut Work<'_, '_>, action: &Dispute) -> Result<(), Stop> {
    let against = accused(work, action)?;
    let dispute = DisputeState {
        id: work.id,
        by: work.principal,
        subject: action.subject,
        code: action.code,
        against,
        commitment: action.commitment,
        time: work.now(),
        resolution: None,
    };
    work.put(&dispute.id, &dispute);
    work.list_item(List::Disputes);
    Ok(())
}

/// Whom a dispute is against: the hospital for what a record is, agent or querier for
/// what was done in a query.
fn accused(work: &Work<'_, '_>, action: &Dispute) -> Result<AccountId, Stop> {
    let (record, query) = match action.subject {
        Subject::Record(record) => (record, None),
        Subject::Query(query) => {
            let query = work.get::<QueryState>(&query)?;
            let query = query.ok_or(Failure::UnknownQuery)?;
            (query.record, Some(query))
        }
    };
    let hospital = work
        .get::<Record>(&record)?
        .ok_or(Failure::UnknownRecord)?
        .hospital;
    match (action.code, query) {
        (DisputeCode::Fabrication | DisputeCode::WrongPatient, _) => Ok(hospital),
        (DisputeCode::LyingAgent, Some(query)) => Ok(query.agent),
        (DisputeCode::Misuse, Some(query)) => Ok(query.querier),
        (DisputeCode::LyingAgent | DisputeCode::Misuse, None) => Err(Failure::BadShape.into()),
    }
}

pub(super) fn redeem(work: &mut Work<'_, '_>, action: &Redeem) -> Result<(), Stop> {
    ensure(action.voucher.account == work.sender, Failure::NotYours)?;
    let found = work.get::<Voucher>(&action.voucher)?;
    let mut voucher = found.ok_or(Failure::NoVoucher)?;
    ensure(voucher.redeemed.is_none(), Failure::AlreadyRedeemed)?;
    work.account_as(action.hospital, Role::Hospital)?;
    let admitted = work.get::<Institution>(&action.hospital)?.is_some();
    ensure(admitted, Failure::NotAdmitted)?;
    voucher.redeemed = Some(VoucherUse {
        hospital: action.hospital,
        by: work.id,
        time: work.now(),
    });
    work.put(&voucher.id, &voucher);
    Ok(())
}
