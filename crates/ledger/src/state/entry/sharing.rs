//! Requests, grants, queries and their reviews.

use base::{
    AccountId, CapsuleId, Cid, Digest, Millis, Nonce, OperationId, RecordId, ScopeId,
    key::HpkeKey,
    operation::{Terms, Verdict},
};
use serde::{Deserialize, Serialize};

/// A request to one patient.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestState {
    /// The `Request` operation.
    pub id: OperationId,
    /// Who asks.
    pub requester: AccountId,
    /// Who is asked.
    pub patient: AccountId,
    /// No `Authorize` answers it at or after this time.
    pub expires: Millis,
    /// The grant packet is sealed to it.
    pub one_time_key: HpkeKey,
    /// Salted commitment to what is asked.
    pub commitment: Digest,
    /// Cohort it belongs to.
    pub cohort: Option<Nonce>,
    /// Block time of the request.
    pub time: Millis,
    /// Its answer.
    pub status: RequestStatus,
}

/// The answer to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestStatus {
    /// None yet (it may have expired).
    Open,
    /// Denied at this time.
    Denied(Millis),
    /// Answered by this grant.
    Granted(OperationId),
}

/// That a one-time key (by its hash) was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneTimeKeyUse {
    /// The request that used it.
    pub request: OperationId,
}

/// A grant. Commitments and packet hashes stand in the `Authorize` operation itself
/// ([`crate::View::operation`]).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The `Authorize` operation.
    pub id: OperationId,
    /// Who gave it.
    pub patient: AccountId,
    /// Who may ask under it.
    pub requester: AccountId,
    /// What was granted.
    pub terms: Terms,
    /// Block time of the `Authorize`.
    pub time: Millis,
    /// When it was revoked.
    pub revoked: Option<Millis>,
    /// Distinct capsules re-encrypted under it.
    pub used: u32,
    /// The same for each of `terms.sids`, in order.
    pub used_by_scope: Vec<u32>,
    /// Accepted reviews under it that earned the patient credit.
    pub rewarded: u32,
}

impl Grant {
    /// Whether it may be used at `now`: started, not ended, not revoked, not used up.
    pub fn is_live(&self, now: Millis) -> bool {
        self.revoked.is_none()
            && self.terms.not_before <= now
            && now < self.terms.expires
            && self.used < self.terms.max_queries
    }
}

/// Room in a scope's hint budget that a grant holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// The grant.
    pub grant: OperationId,
    /// When the grant ends.
    pub expires: Millis,
    /// The N that it counts while it is live.
    pub max_queries: u32,
}

/// A capsule under a grant: it counts once, however many agents repeat it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapsuleUse {
    /// The query that counted.
    pub first: OperationId,
    /// Agents that answered, in order.
    pub agents: Vec<AccountId>,
}

/// A query that succeeded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryState {
    /// The `Query` operation.
    pub id: OperationId,
    /// The grant.
    pub grant: OperationId,
    /// Who re-encrypted.
    pub agent: AccountId,
    /// Who asked.
    pub querier: AccountId,
    /// Whose data.
    pub patient: AccountId,
    /// The record.
    pub record: RecordId,
    /// Its state then.
    pub state: Cid,
    /// The part.
    pub part: u32,
    /// Its scope.
    pub sid: ScopeId,
    /// Its capsule.
    pub ctid: CapsuleId,
    /// SHA2-256 of the re-encrypted capsule.
    pub result: Digest,
    /// Block time.
    pub time: Millis,
    /// Block height.
    pub height: u64,
    /// A further agent's answer for a capsule already counted: earns nothing.
    pub repeat: bool,
    /// The querier's review.
    pub review: Option<ReviewState>,
}

/// A review.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewState {
    /// The `Review` operation.
    pub id: OperationId,
    /// What the querier found.
    pub verdict: Verdict,
    /// Block time.
    pub time: Millis,
    /// Credits that it minted, all accounts together.
    pub minted: u32,
}
