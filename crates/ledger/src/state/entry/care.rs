//! Emergencies, disputes and vouchers.

use base::{
    AccountId, Digest, Millis, OperationId,
    operation::{DisputeCode, EmergencyCode, Resolution, Subject, VoucherId},
};
use serde::{Deserialize, Serialize};

/// The last emergency of a hospital for a patient.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyState {
    /// The hospital.
    pub hospital: AccountId,
    /// The patient.
    pub patient: AccountId,
    /// The last `Emergency` operation.
    pub last: OperationId,
    /// Its reason.
    pub code: EmergencyCode,
    /// Its block time.
    pub time: Millis,
    /// Emergencies of this hospital for this patient so far.
    pub count: u32,
}

/// A complaint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisputeState {
    /// The `Dispute` operation.
    pub id: OperationId,
    /// Who complains (for a patient, when a delegate sent it).
    pub by: AccountId,
    /// About what.
    pub subject: Subject,
    /// What is claimed.
    pub code: DisputeCode,
    /// Against whom: hospital, agent or querier, by the code.
    pub against: AccountId,
    /// Salted commitment to the evidence.
    pub commitment: Digest,
    /// Block time.
    pub time: Millis,
    /// The validators' decision, and when.
    pub resolution: Option<(Resolution, Millis)>,
}

/// A voucher: issued once per account and tier, ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voucher {
    /// Account and tier.
    pub id: VoucherId,
    /// The operation whose credit reached the tier.
    pub cause: OperationId,
    /// Its block time.
    pub issued: Millis,
    /// Where it was redeemed.
    pub redeemed: Option<VoucherUse>,
}

/// Where and when a voucher was redeemed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoucherUse {
    /// The hospital.
    pub hospital: AccountId,
    /// The `Redeem` operation.
    pub by: OperationId,
    /// Its block time.
    pub time: Millis,
}
