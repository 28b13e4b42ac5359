//! What owner, guardians and device tell each other, sealed like every letter.

use base::{
    AccountId, Digest, OperationId, Salt,
    operation::{Approval, GuardianSet, RecoveryClaim},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::identity::secret;

/// See [`crate::letter::Letter::Share`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareLetter {
    /// The `Guard` operation.
    pub guard: OperationId,
    /// Whose phrase.
    pub owner: AccountId,
    /// What the operation commits to.
    pub set: GuardianSet,
    /// The guardian's place in it, from 1.
    pub index: u8,
    /// Opens that place.
    pub salt: Salt,
    /// Opens the commitment to the share.
    pub opening: Salt,
    /// 32 bytes.
    pub share: ByteBuf,
}

/// See [`crate::letter::Letter::Claim`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimLetter {
    /// What is to be approved.
    pub claim: RecoveryClaim,
    /// Where the answer goes.
    pub device: AccountId,
}

/// See [`crate::letter::Letter::Approval`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalLetter {
    /// [`super::claim_id`] of what is approved.
    pub claim: Digest,
    /// The set that the guardian belongs to.
    pub set: GuardianSet,
    /// Its word.
    pub approval: Approval,
}

/// See [`crate::letter::Letter::Release`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLetter {
    /// The `Recover` operation.
    pub recovery: OperationId,
    /// The guardian's place, from 1.
    pub index: u8,
    /// Opens the commitment to the share.
    pub opening: Salt,
    /// 32 bytes.
    pub share: ByteBuf,
}

secret! {
    ShareLetter { share }
    ReleaseLetter { share }
}
