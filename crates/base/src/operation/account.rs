//! Accounts, institutions, delegation and the consortium's proposals.

use ipld_core::cid::Cid;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    AccountId, ChainId, Digest, Millis, Nonce, OperationId, Statement, domain,
    genesis::Policy,
    key::{HpkeKey, OperationKey, RecordKey, RecordSignature, Signature},
};

/// What an account is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Owns records; her own key authority.
    Patient,
    /// Signs, seals and publishes records; may request as well.
    Hospital,
    /// Re-encrypts.
    Agent,
    /// Requests and opens (research institute, insurer).
    Requester,
    /// A node of the consortium: validates and votes.
    Node,
}

/// Opens the account named by [`AccountId::of`] of `operation_key`, with sequence 1.
/// Signed by `operation_key`; an institution's ML-DSA key signs its own claim.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// What the account is; never changes.
    pub role: Role,
    /// Signs the account's operations.
    pub operation_key: OperationKey,
    /// Letters to the account are sealed to it.
    pub hpke_key: HpkeKey,
    /// Hospitals: signs records. No other role may have one.
    pub record_key: Option<ProvenRecordKey>,
    /// Nodes: libp2p peer id.
    pub peer: Option<ByteBuf>,
    /// Patients: the public key of the re-encryption scheme. No other role may have one.
    pub patient: Option<PatientKeys>,
}

/// A patient's public key h: its hash and where its bytes are. Never changes: a new h
/// is a new account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientKeys {
    /// H_pk(h).
    pub pkh: Digest,
    /// Raw block that holds h.
    pub h: Cid,
}

/// An ML-DSA-65 key with the proof that its holder is the account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenRecordKey {
    /// The key.
    pub key: RecordKey,
    /// Signature by `key` over the preimage of [`RecordKeyClaim`].
    pub proof: RecordSignature,
}

/// What an institution's ML-DSA key signs when it is registered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordKeyClaim {
    /// The ledger.
    pub chain: ChainId,
    /// The account that will sign records with it.
    pub account: AccountId,
    /// The key.
    pub key: RecordKey,
}

impl Statement for RecordKeyClaim {
    const DOMAIN: &'static str = domain::RECORD_KEY;
}

/// Replaces one key. The account stays the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// The key that comes in.
    pub new: NewKey,
    /// The old key is not trusted for anything logged after this height (at most the
    /// current one); none when it was merely replaced.
    pub compromised_after: Option<u64>,
}

/// The kind and value of a replacing key. Signing keys prove themselves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewKey {
    /// Next operation key with its consent ([`KeyConsent`]).
    Operation(OperationKey, Signature),
    /// Next HPKE key.
    Hpke(HpkeKey),
    /// Next record key.
    Record(ProvenRecordKey),
    /// Next peer id.
    Peer(ByteBuf),
}

/// What a new operation key signs before it replaces the old one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConsent {
    /// The ledger.
    pub chain: ChainId,
    /// The account.
    pub account: AccountId,
    /// The sequence number of the `RotateKey`, so that a consent serves once.
    pub sequence: u64,
}

impl Statement for KeyConsent {
    const DOMAIN: &'static str = domain::KEY_CONSENT;
}

/// Ties the sender to one institution, once; the institution consents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// An admitted institution.
    pub institution: AccountId,
    /// Its operation key's signature over [`ConsentToJoin`].
    pub consent: Signature,
}

/// What an institution signs to let an account join.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentToJoin {
    /// The ledger.
    pub chain: ChainId,
    /// Who joins.
    pub account: AccountId,
    /// What it joins.
    pub institution: AccountId,
}

impl Statement for ConsentToJoin {
    const DOMAIN: &'static str = domain::JOIN;
}

/// By an admitted institution: it has met this patient face to face. Gives the right to
/// earn credit; capped per attester and day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attest {
    /// Whom it met.
    pub patient: AccountId,
}

/// By a patient: another account may act for her. Its operations name this one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegate {
    /// The guardian or delegate.
    pub delegate: AccountId,
    /// What it may do for her.
    pub powers: Vec<Power>,
    /// Ends at this time.
    pub expires: Millis,
}

/// What a delegate may do for a patient.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// `Accept`, `Reject`.
    Accept,
    /// `Authorize`, `Deny`.
    Authorize,
    /// `Revoke`, `Dispute`.
    Protect,
}

/// By the patient: ends a delegation of hers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undelegate {
    /// The `Delegate` operation.
    pub delegation: OperationId,
}

/// By a validator: proposes that an account be an institution. It is its proposer's
/// vote as well, and takes effect with more than two thirds of the validators.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// A hospital or requester account.
    pub institution: AccountId,
    /// Institutions of one declared group count as one where separation is required.
    pub group: Option<u32>,
    /// Makes a repeated proposal a new one.
    pub nonce: Nonce,
}

/// By a validator: proposes a new policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPolicy {
    /// The policy, whole.
    pub policy: Policy,
}

/// By a validator: votes for an `Admit`, `SetPolicy`, `Resolve`, `Apply` or `Expel`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// The proposing operation.
    pub proposal: OperationId,
}
