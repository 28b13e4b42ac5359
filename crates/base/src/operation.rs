//! Operation records: what the ledger logs.
//!
//! Source: protocol page, "Parties", "A record", "Sharing", "Credit"; Chen et al. 2019,
//! section 3 (operation records). Nothing here names a person, a class or a diagnosis,
//! and there is no free text: codes come from closed lists, words are commitments.

mod account;
mod care;
mod record;
mod recovery;
mod sharing;
mod validators;

pub use account::{
    Admit, Attest, ConsentToJoin, Delegate, Join, KeyConsent, NewKey, PatientKeys, Power,
    ProvenRecordKey, RecordKeyClaim, Register, Role, RotateKey, SetPolicy, Undelegate, Vote,
};
pub use care::{
    Dispute, DisputeCode, Emergency, EmergencyCode, Redeem, Resolution, Resolve, Subject, VoucherId,
};
pub use record::{
    Accept, Bag, Erase, Modify, PartKey, Publish, Reject, RejectCode, Rewrap, RotateScope,
};
pub use recovery::{
    Approval, CompleteRecovery, Guard, GuardianSet, MAX_GUARDIANS, Member, Object, Recover,
    RecoveryClaim, Unguard,
};
pub use sharing::{
    Ask, Authorize, Commitment, Deny, GrantUse, Query, Request, Review, Revoke, SignedAsk, Terms,
    Verdict,
};
pub use validators::{Apply, DoubleSign, Expel, Leave, SignedWord, Word};

use serde::{Deserialize, Serialize};

use crate::{AccountId, ChainId, OperationId, Signed, Statement, codec, domain};

/// One operation as its author signs it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The ledger it is meant for.
    pub chain: ChainId,
    /// Who signs, and whose sequence number it uses.
    pub account: AccountId,
    /// The `Delegate` operation under which `account` acts for a patient, if it does.
    pub delegation: Option<OperationId>,
    /// Last used number of the account plus one; the first is 1.
    pub sequence: u64,
    /// What is done.
    pub action: Action,
}

impl Statement for Operation {
    const DOMAIN: &'static str = domain::OPERATION;
}

/// An operation with its signature, unchecked.
pub type SignedOperation = Signed<Operation>;

impl SignedOperation {
    /// The canonical bytes and the id that they give.
    pub fn to_bytes(&self) -> (Vec<u8>, OperationId) {
        let bytes = codec::encode(self);
        let id = OperationId::of(&bytes);
        (bytes, id)
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an operation does. Variants hold a struct each, whose docs say who may send it.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* $name($name),)*
        }
        impl Action {
            /// The action's name, as shown to people and in logs.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }
        }
        $(impl From<$name> for Action {
            fn from(action: $name) -> Self { Self::$name(action) }
        })*
    };
}

actions! {
    /// Opens an account.
    Register,
    /// Replaces one key of an account.
    RotateKey,
    /// Ties an account to an institution.
    Join,
    /// Face-to-face attestation of a patient.
    Attest,
    /// Lets another account act for a patient.
    Delegate,
    /// Ends a delegation.
    Undelegate,
    /// Proposes to admit an institution.
    Admit,
    /// Proposes a new policy.
    SetPolicy,
    /// A validator's vote for a proposal.
    Vote,
    /// A hospital's first state of a record.
    Publish,
    /// A hospital's next state of a record.
    Modify,
    /// A patient's acceptance of a state.
    Accept,
    /// A patient's refusal of a state.
    Reject,
    /// A patient's re-wrapping of an accepted state.
    Rewrap,
    /// Retires a scope.
    RotateScope,
    /// Commitment to the patient's newest key bag.
    Bag,
    /// Receipt for a record's destruction.
    Erase,
    /// A requester's wish.
    Request,
    /// A patient's grant.
    Authorize,
    /// A patient's refusal of a request.
    Deny,
    /// End of a grant.
    Revoke,
    /// An agent's re-encryption, logged before its release.
    Query,
    /// A requester's verdict on a query.
    Review,
    /// Break-glass.
    Emergency,
    /// A complaint.
    Dispute,
    /// The validators' decision on a complaint.
    Resolve,
    /// A voucher given to a hospital.
    Redeem,
    /// Who may recover a patient's account.
    Guard,
    /// Ends that.
    Unguard,
    /// A new operation key that guardians put forward.
    Recover,
    /// The patient's objection to it.
    Object,
    /// The new operation key takes effect.
    CompleteRecovery,
    /// A node's wish to be a validator.
    Apply,
    /// A validator's departure.
    Leave,
    /// Proposes to exclude a validator.
    Expel,
    /// Proof that a validator contradicted itself.
    DoubleSign,
}
