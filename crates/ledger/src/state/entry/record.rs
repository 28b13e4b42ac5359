//! Records, their states, and scopes.

use base::operation::RejectCode;
use base::{AccountId, Cid, Millis, OperationId, RecordId, ScopeId, operation::PartKey};
use serde::{Deserialize, Serialize};

use super::Reservation;

/// One record (EMR).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// Who published it.
    pub hospital: AccountId,
    /// Whose it is.
    pub patient: AccountId,
    /// The last accepted state: the only one that can be queried.
    pub accepted: Option<Cid>,
    /// Its parts, in order.
    pub parts: Vec<PartKey>,
    /// The state that waits for the patient.
    pub pending: Option<Cid>,
    /// When its publisher logged its erasure.
    pub erased_by_hospital: Option<Millis>,
    /// When its patient did.
    pub erased_by_patient: Option<Millis>,
    /// The dispute that proved it fabricated.
    pub fabricated: Option<OperationId>,
}

impl Record {
    /// Whether anybody erased it: nothing is queried or changed any more.
    pub fn is_erased(&self) -> bool {
        self.erased_by_hospital.is_some() || self.erased_by_patient.is_some()
    }
}

/// One state of a record, past or present.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateInfo {
    /// The record.
    pub record: RecordId,
    /// Root of the sealed record.
    pub state: Cid,
    /// The `Publish`, `Modify` or `Rewrap` that brought it.
    pub by: OperationId,
    /// The state before it.
    pub before: Option<Cid>,
    /// Height of that operation: the publisher's record key must be valid here.
    pub height: u64,
    /// Its block time.
    pub time: Millis,
    /// What the patient said.
    pub status: StateStatus,
}

/// What a patient said of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateStatus {
    /// Nothing yet.
    Pending,
    /// Accepted at this time.
    Accepted(Millis),
    /// Rejected.
    Rejected {
        /// When.
        time: Millis,
        /// Why.
        code: RejectCode,
    },
}

/// One scope key of one patient: rotation and hint budget. Created by the first
/// `Authorize` or `RotateScope` that names it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeState {
    /// Whose scope key it is. Entries are kept per patient and sid, so that nobody can
    /// retire or use up the scope of another by naming it.
    pub patient: AccountId,
    /// The scope.
    pub sid: ScopeId,
    /// The scope that replaces it; set means retired.
    pub next: Option<ScopeId>,
    /// Grants ever made under it.
    pub grants: u32,
    /// Budget that ended grants used for good, hundredths of W.
    pub spent: u64,
    /// Grants not yet settled; ended ones leave at the next `Authorize` or `Query` that
    /// needs the room, revoked ones at once.
    pub reserved: Vec<Reservation>,
}

impl ScopeState {
    /// A scope that nothing was granted under.
    pub fn new(patient: AccountId, sid: ScopeId) -> Self {
        Self {
            patient,
            sid,
            next: None,
            grants: 0,
            spent: 0,
            reserved: Vec::new(),
        }
    }

    /// Whether it is retired.
    pub fn is_retired(&self) -> bool {
        self.next.is_some()
    }

    /// Upper bound of the budget in use, hundredths of W: exact when no reserved grant
    /// has expired.
    pub fn cost(&self) -> u64 {
        self.reserved.iter().fold(self.spent, |sum, reservation| {
            sum.saturating_add(crate::hint_cost(reservation.max_queries))
        })
    }
}
