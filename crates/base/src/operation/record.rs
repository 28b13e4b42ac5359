//! Records and scopes.

use ipld_core::cid::Cid;
use serde::{Deserialize, Serialize};

use crate::{AccountId, CapsuleId, Digest, Nonce, RecordId, ScopeId};

/// By an admitted hospital: the first state of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Must be [`RecordId::of`] the sender and `nonce`, and unused.
    pub record: RecordId,
    /// See `record`.
    pub nonce: Nonce,
    /// Whose record it is.
    pub patient: AccountId,
    /// Root of the sealed record.
    pub after: Cid,
}

/// By the publisher: the next state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modify {
    /// The record.
    pub record: RecordId,
    /// Its last accepted state; nothing may be pending.
    pub before: Cid,
    /// The pending state.
    pub after: Cid,
}

/// One part of a state as its patient found it: scope and capsule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartKey {
    /// Index in the manifest.
    pub part: u32,
    /// Scope it is sealed to.
    pub sid: ScopeId,
    /// Its capsule.
    pub ctid: CapsuleId,
}

/// By the patient: she opened and checked the pending state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The record.
    pub record: RecordId,
    /// The pending state.
    pub state: Cid,
    /// Every part of it, in order, from part 0.
    pub parts: Vec<PartKey>,
}

/// By the patient: the pending state is not hers or does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The record.
    pub record: RecordId,
    /// The pending state.
    pub state: Cid,
    /// Why.
    pub code: RejectCode,
}

/// Why a patient rejects a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectCode {
    /// A check failed: capsule, commitment, hash or signature.
    Invalid,
    /// A block could not be fetched.
    Unavailable,
    /// Sensitive data under a scope wider than one record.
    WrongScope,
    /// Not a hospital on her list.
    UnknownHospital,
    /// She says it is not about her.
    NotMine,
}

/// By the patient: same bodies, new capsules. Counts as acceptance of `after`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewrap {
    /// The record.
    pub record: RecordId,
    /// The accepted state; nothing may be pending.
    pub before: Cid,
    /// The state with new capsules.
    pub after: Cid,
    /// Every part of `after`, in order, from part 0.
    pub parts: Vec<PartKey>,
}

/// By the patient: nothing is granted or queried under `sid` any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateScope {
    /// The scope that retires.
    pub sid: ScopeId,
    /// The one that replaces it.
    pub next: ScopeId,
}

/// By the patient: her newest key bag. Versions only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bag {
    /// Greater than the last.
    pub version: u64,
    /// Salted commitment to the bag's bytes.
    pub commitment: Digest,
}

/// By the publisher or the patient: keys, salts, blocks and pins that the sender held
/// are destroyed. Nothing is queried on the record any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// The record.
    pub record: RecordId,
}
