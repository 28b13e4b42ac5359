//! What the state holds: typed entries under typed keys, stored as canonical DAG-CBOR.
//! These are also what the interface hands out.

mod account;
mod care;
mod credit;
mod record;
mod recovery;
mod sharing;
mod validators;

pub use account::{
    Account, AttestDay, BagState, Change, Delegation, Institution, KeyPeriod, Proposal,
    ProposalStatus, Sequence,
};
pub use care::{DisputeState, EmergencyState, Voucher, VoucherUse};
pub use credit::{
    Balance, CreditEntry, CreditReason, EarnedDay, MintedDay, ReviewCounts, Standing, Totals,
};
pub use record::{Record, ScopeState, StateInfo, StateStatus};
pub use recovery::{Guardianship, Recovery, RecoveryStatus};
pub use sharing::{
    CapsuleUse, Grant, OneTimeKeyUse, QueryState, RequestState, RequestStatus, Reservation,
    ReviewState,
};
pub use validators::{Council, MissedDay, Punishment};

use base::genesis::Policy;
use serde::{Serialize, de::DeserializeOwned};

/// A kind of entry. Its stored key is `TAG ‖ key bytes`; keys of one kind have one length.
pub trait Entry: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The kind's number; never reused.
    const TAG: u8;
    /// What names one entry of the kind.
    type Key;

    /// The key's bytes, without the tag.
    fn key(key: &Self::Key) -> Vec<u8>;
}

/// `TAG ‖ key bytes`.
pub(crate) fn stored_key<E: Entry>(key: &E::Key) -> Vec<u8> {
    let key = E::key(key);
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(E::TAG);
    bytes.extend_from_slice(&key);
    bytes
}

impl Entry for Policy {
    const TAG: u8 = 1;
    type Key = ();
    fn key((): &()) -> Vec<u8> {
        Vec::new()
    }
}

macro_rules! entries {
    ($($name:ty = $tag:literal, $key:ty, $value:pat => $bytes:expr;)*) => {$(
        impl Entry for $name {
            const TAG: u8 = $tag;
            type Key = $key;
            fn key($value: &$key) -> Vec<u8> { $bytes }
        }
    )*};
}

use base::{
    AccountId, CapsuleId, Cid, Digest, OperationId, RecordId, ScopeId, operation::VoucherId,
};

// Operation ids are CIDs of one form; their digest would do, but the whole CID makes the
// key an injective function of whatever stands in a field.
entries! {
    Sequence = 2, AccountId, id => id.0.to_vec();
    Account = 3, AccountId, id => id.0.to_vec();
    Institution = 5, AccountId, id => id.0.to_vec();
    AttestDay = 6, (AccountId, u64), (id, day) => join(&[&id.0, &day.to_be_bytes()]);
    Delegation = 7, OperationId, id => operation(id);
    Proposal = 8, OperationId, id => operation(id);
    BagState = 9, AccountId, id => id.0.to_vec();
    Record = 10, RecordId, id => id.0.to_vec();
    StateInfo = 11, (RecordId, Cid), (id, state) => join(&[&id.0, &state.to_bytes()]);
    ScopeState = 12, (AccountId, ScopeId), (id, sid) => join(&[&id.0, &sid.0]);
    RequestState = 13, OperationId, id => operation(id);
    OneTimeKeyUse = 14, Digest, hash => hash.0.to_vec();
    Grant = 15, OperationId, id => operation(id);
    CapsuleUse = 16, (OperationId, CapsuleId), (id, ctid) => join(&[&operation(id), &ctid.0]);
    QueryState = 17, OperationId, id => operation(id);
    EmergencyState = 18, (AccountId, AccountId), (hospital, patient) => join(&[&hospital.0, &patient.0]);
    DisputeState = 19, OperationId, id => operation(id);
    Voucher = 20, VoucherId, id => join(&[&id.account.0, &[id.tier]]);
    Balance = 21, AccountId, id => id.0.to_vec();
    CreditEntry = 22, (AccountId, u64), (id, number) => join(&[&id.0, &number.to_be_bytes()]);
    Totals = 23, (), () => Vec::new();
    EarnedDay = 24, (AccountId, u64), (id, day) => join(&[&id.0, &day.to_be_bytes()]);
    MintedDay = 25, (AccountId, AccountId, u64), (querier, hospital, day) =>
        join(&[&querier.0, &hospital.0, &day.to_be_bytes()]);
    Standing = 26, AccountId, id => id.0.to_vec();
    Guardianship = 27, AccountId, id => id.0.to_vec();
    Recovery = 28, OperationId, id => operation(id);
    Council = 29, (), () => Vec::new();
    Punishment = 30, (AccountId, u64), (id, height) => join(&[&id.0, &height.to_be_bytes()]);
    MissedDay = 31, (AccountId, u64), (id, day) => join(&[&id.0, &day.to_be_bytes()]);
}

fn operation(id: &OperationId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(36);
    let _ = id.0.write_bytes(&mut bytes); // memory takes everything
    bytes
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
