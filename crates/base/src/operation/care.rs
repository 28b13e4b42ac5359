//! Emergencies, disputes and vouchers.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Digest, OperationId, RecordId};

/// By a hospital: it breaks the glass for a patient. Loud: she is notified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    /// Who is in need.
    pub patient: AccountId,
    /// Why.
    pub code: EmergencyCode,
}

/// Why a hospital breaks the glass (HL7 v3-ActReason and why she cannot consent).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmergencyCode {
    /// ETREAT: unconscious or unable to answer.
    Unresponsive,
    /// ETREAT: time does not allow asking.
    Urgent,
    /// BTG: another reason that the hospital must account for afterwards.
    BreakTheGlass,
}

/// By anyone: a complaint. The evidence is sealed to an arbiter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispute {
    /// About what.
    pub subject: Subject,
    /// What is claimed.
    pub code: DisputeCode,
    /// Salted commitment to the evidence.
    pub commitment: Digest,
}

/// What a dispute is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A record.
    Record(RecordId),
    /// A query.
    Query(OperationId),
}

/// What a dispute claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisputeCode {
    /// The record was fabricated by its publisher.
    Fabrication,
    /// The agent's result is not the re-encryption it signed for.
    LyingAgent,
    /// The record belongs to somebody else.
    WrongPatient,
    /// A use outside what was granted.
    Misuse,
}

/// By a validator: proposes how a dispute ends; takes effect by votes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// The dispute.
    pub dispute: OperationId,
    /// The decision.
    pub resolution: Resolution,
}

/// How a dispute ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The claim is proven.
    Upheld,
    /// It is not.
    Dismissed,
}

/// By an account that reached a tier: gives its voucher to one hospital.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redeem {
    /// The voucher; names the sender.
    pub voucher: VoucherId,
    /// Where it is redeemed.
    pub hospital: AccountId,
}

/// A voucher: one per account and tier, ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoucherId {
    /// Whose.
    pub account: AccountId,
    /// Tier, from 1.
    pub tier: u8,
}
