//! Leaves of the log: an operation with its outcome. Protocol page, "Sharing", last
//! paragraphs: inclusion is not permission, so the outcome is part of what is hashed.

use base::{SignedOperation, UnknownVersion, Version, codec};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What one leaf of the log says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// The operation as its author signed it.
    pub operation: SignedOperation,
    /// What the state machine made of it.
    pub outcome: Outcome,
}

impl Leaf {
    /// The canonical bytes: the log's entry.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The same bytes from an operation's canonical bytes, without decoding them.
    pub(crate) fn splice(operation: &[u8], outcome: Outcome) -> Vec<u8> {
        // DAG-CBOR sorts keys by length: "v", "outcome", "operation".
        let mut bytes = Vec::with_capacity(operation.len() + 64);
        bytes.extend_from_slice(b"\xa3\x61v\x01\x67outcome");
        bytes.extend(codec::encode(&outcome));
        bytes.extend_from_slice(b"\x69operation");
        bytes.extend_from_slice(operation);
        bytes
    }
}

/// What became of an operation that the log holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every rule held; it took effect.
    Ok,
    /// A rule did not hold; it used its sequence number and did nothing else.
    Failed(Failure),
}

impl Outcome {
    /// Whether the operation took effect.
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }

    /// The failure, if there is one.
    pub fn failure(self) -> Option<Failure> {
        match self {
            Self::Ok => None,
            Self::Failed(failure) => Some(failure),
        }
    }
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why an operation in the log took no effect. Closed list; written in kebab-case.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, Error)]
        #[serde(rename_all = "kebab-case")]
        pub enum Failure {
            $(#[doc = $text] $(#[$doc])* #[error($text)] $name,)*
        }

        impl Failure {
            /// Every failure there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

failures! {
    // anybody
    WrongRole = "the account's role may not send this operation",
    UnknownAccount = "the operation names an account that does not exist",
    NotAdmitted = "the institution is not admitted by the consortium",
    NotYours = "what the operation names belongs to another account",
    BadShape = "the operation's content is out of range, unsorted or incomplete",
    // accounts
    AlreadyRegistered = "the account is already registered",
    BadProof = "the proof of possession or consent of a key does not verify",
    KeyInUse = "the account already has, or had, this key",
    AlreadyJoined = "the account already belongs to an institution",
    AlreadyAttested = "this institution has already attested this patient",
    AttestCap = "the institution has used up today's attestations",
    // delegation
    NoDelegation = "there is no such delegation in force for this account",
    PowerMissing = "the delegation does not cover this operation",
    // guardians and recovery
    ShortDelay = "the delay is shorter than the policy allows",
    NoGuardians = "the account has no such guardians in force",
    RecoveryPending = "a recovery of the account waits; object to it first",
    WrongGuardians = "the guardians are not those that the account committed to",
    TooFewGuardians = "fewer guardians approve than must",
    BadApproval = "a guardian's approval is not for this recovery",
    NoRecovery = "no such recovery of the account waits",
    ObjectionLate = "the recovery's delay has passed",
    RecoveryEarly = "the recovery's delay has not passed yet",
    // consortium
    NotValidator = "the account is no validator",
    UnknownProposal = "there is no such proposal",
    ProposalClosed = "the proposal is already decided",
    AlreadyVoted = "the validator has already voted for this proposal",
    BadPolicy = "the proposed policy contradicts itself",
    AlreadyValidator = "the account is a validator",
    InstitutionSeated = "the institution has a validator",
    NoSeat = "there are as many validators as can be",
    LastValidator = "the last validator stays",
    NoContradiction = "the words do not prove that the validator contradicted itself",
    AlreadyPunished = "the validator was punished for this height",
    // records
    BadState = "the state is not the CID of a DAG-CBOR object with SHA2-256",
    BadRecordId = "the record id is not the hash of the sender and the nonce",
    RecordExists = "the record id is already used",
    UnknownRecord = "there is no such record",
    RecordErased = "the record was erased",
    StatePending = "another state of the record is pending",
    NothingPending = "the named state of the record is not pending",
    NotLastAccepted = "the state before is not the last accepted one",
    StateReused = "the record already had this state",
    BadParts = "the list of parts is not complete, in order and without repetition",
    RetiredScope = "the scope is retired",
    StaleBag = "the key bag's version is not greater than the last",
    AlreadyErased = "the sender has already erased the record",
    // requests and grants
    UnknownRequest = "there is no such request",
    RequestClosed = "the request is already answered",
    RequestExpired = "the request has expired",
    ReusedOneTimeKey = "the one-time key was used before",
    NoGrant = "there is no such grant",
    GrantExpired = "the grant has expired",
    GrantRevoked = "the grant is revoked",
    GrantNotYet = "the grant is not yet valid",
    GrantExhausted = "the grant's queries are used up",
    WrongAgent = "the agent is not named by the grant or is no agent of an institution",
    SameInstitution = "agent and querier belong to the same institution or group",
    OverBudget = "the scope's hint budget does not allow it",
    ScopeNotGranted = "the grant does not cover the scope",
    // queries
    BadAsk = "the requester's permission for this query does not verify",
    AskExpired = "the requester's permission for this query has expired",
    NotAccepted = "the part, scope and capsule are not in the record's last accepted state",
    WrongPatient = "the record belongs to another patient than the grant",
    AlreadyQueried = "this agent has already answered for this capsule under the grant",
    NoEmergency = "the grant opens only after an emergency of the hospital for this patient",
    // reviews, disputes, vouchers
    UnknownQuery = "there is no such query",
    AlreadyReviewed = "the query is already reviewed",
    UnknownDispute = "there is no such dispute",
    DisputeClosed = "the dispute is already decided",
    NoVoucher = "the account has no such voucher",
    AlreadyRedeemed = "the voucher is already redeemed",
}

/// Why an operation is refused without a leaf: it uses no sequence number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refusal {
    /// Longer than [`crate::MAX_OPERATION`].
    #[error("operation of {found} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Its length.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The bytes are no operation in canonical form.
    #[error("{0}")]
    Malformed(String),
    /// An operation of the future.
    #[error("{}", UnknownVersion { found: *.found, known: *.known })]
    UnknownVersion {
        /// Its version.
        found: u64,
        /// The one that this ledger takes.
        known: u32,
    },
    /// Signed for another ledger.
    #[error("the operation is signed for another ledger")]
    WrongChain,
    /// The sender has no account and the operation does not open it.
    #[error("the sending account does not exist on this ledger")]
    UnknownAccount,
    /// The signature does not verify under the sender's current key.
    #[error("the operation's signature does not verify under the sender's current key")]
    BadSignature,
    /// Not the sender's next number.
    #[error("wrong sequence number {found}: the sender's next one is {expected}")]
    WrongSequence {
        /// The sender's next number.
        expected: u64,
        /// The operation's.
        found: u64,
    },
    /// These very bytes are in the log.
    #[error("the operation is already in the log at index {index}")]
    Duplicate {
        /// Where.
        index: u64,
    },
}
