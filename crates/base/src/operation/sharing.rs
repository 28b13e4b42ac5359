//! Requests, grants, queries and reviews.

use ipld_core::cid::Cid;
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, CapsuleId, ChainId, Digest, Millis, Nonce, OperationId, RecordId, ScopeId, Signed,
    Statement, codec, domain, key::HpkeKey,
};

/// By a requester or hospital: asks one patient. What is asked is sealed to her; the
/// ledger sees a commitment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who is asked.
    pub patient: AccountId,
    /// No `Authorize` answers it after this time.
    pub expires: Millis,
    /// The key that the grant packet is sealed to; never used twice.
    pub one_time_key: HpkeKey,
    /// Salted commitment to classes, period, purpose and words.
    pub commitment: Digest,
    /// Ties the requests of one cohort together.
    pub cohort: Option<Nonce>,
}

/// What the patient grants. Its canonical bytes enter every gid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The `Request` that is answered.
    pub request: OperationId,
    /// What for: ordinary use or break-glass.
    pub purpose: GrantUse,
    /// Scopes granted, sorted, without repetition, at least one.
    pub sids: Vec<ScopeId>,
    /// Agents that may re-encrypt, sorted, without repetition, at least one.
    pub agents: Vec<AccountId>,
    /// Start.
    pub not_before: Millis,
    /// End.
    pub expires: Millis,
    /// Distinct capsules that may be re-encrypted under the grant.
    pub max_queries: u32,
}

impl Terms {
    /// The bytes whose hash enters a gid.
    pub fn bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// How a grant may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantUse {
    /// At any time while it is live.
    Ordinary,
    /// Only within 24 h after an `Emergency` of the grantee for this patient.
    Emergency,
}

/// By the patient: a grant. The operation's id names it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// What is granted.
    pub terms: Terms,
    /// One for each (sid, agent), sorted by both.
    pub commitments: Vec<Commitment>,
    /// SHA2-256 of each sealed packet: the requester's first, then the agents' in order.
    pub packets: Vec<Digest>,
}

/// H_com for one agent and scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// The scope.
    pub sid: ScopeId,
    /// The agent.
    pub agent: AccountId,
    /// H_com(gid, agent, rk, k_E, csalt).
    pub com: Digest,
}

/// By the patient: no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// The request.
    pub request: OperationId,
}

/// By the patient: ends a grant now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The grant.
    pub grant: OperationId,
}

/// The requester's word that this agent may re-encrypt this part for her.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The ledger.
    pub chain: ChainId,
    /// The grant.
    pub grant: OperationId,
    /// The record's state.
    pub state: Cid,
    /// The part.
    pub part: u32,
    /// Who shall do it.
    pub agent: AccountId,
    /// Not after this time.
    pub expires: Millis,
}

impl Statement for Ask {
    const DOMAIN: &'static str = domain::ASK;
}

/// By an agent, before it releases anything: one re-encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The grant.
    pub grant: OperationId,
    /// The requester's signed permission.
    pub ask: SignedAsk,
    /// The record.
    pub record: RecordId,
    /// Its last accepted state.
    pub state: Cid,
    /// The part.
    pub part: u32,
    /// Its scope.
    pub sid: ScopeId,
    /// Its capsule.
    pub ctid: CapsuleId,
    /// SHA2-256 of the re-encrypted capsule's bytes.
    pub result: Digest,
}

/// The parts of a signed [`Ask`] that a [`Query`] does not already hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedAsk {
    /// [`Ask::expires`].
    pub expires: Millis,
    /// The requester's signature over the whole [`Ask`].
    pub signature: crate::key::Signature,
}

impl Query {
    /// The signed [`Ask`] that this query answers, for `agent` on `chain`.
    pub fn ask(&self, chain: ChainId, agent: AccountId) -> Signed<Ask> {
        Signed {
            body: Ask {
                chain,
                grant: self.grant,
                state: self.state,
                part: self.part,
                agent,
                expires: self.ask.expires,
            },
            signature: self.ask.signature,
        }
    }
}

/// By the querier: what she found. One for a query, ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The query.
    pub query: OperationId,
    /// What she found.
    pub verdict: Verdict,
    /// Salted commitment to her evidence, if she keeps any.
    pub evidence: Option<Digest>,
}

/// A requester's verdict. A failed decapsulation is none of these: it is told to the
/// patient alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Opened, signature verified, content as signed and usable. Mints credit.
    Accepted,
    /// Opened and verified, but not what the request was about.
    NotAsRequested,
    /// Opened and verified, but the content is too poor to use.
    PoorQuality,
    /// Opened and verified, and the requester holds that the content is made up.
    Fabricated,
}
