//! Guardians, and the recovery of an account whose keys are gone. Protocol page,
//! "Recovery".

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ChainId, Digest, OperationId, Salt, Statement, codec, domain,
    key::{HpkeKey, OperationKey, Signature},
};

/// Most guardians of one account, and the length of [`GuardianSet::members`].
pub const MAX_GUARDIANS: usize = 16;

/// By a patient: from now on these guardians, and no others, may recover her account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// [`GuardianSet::digest`]: neither names nor numbers stand on the ledger.
    pub set: Digest,
    /// Milliseconds between a `Recover` and its new key, in which she may object.
    pub delay: u64,
}

/// By the patient: nobody may recover her account any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unguard {
    /// The `Guard` in force.
    pub guard: OperationId,
}

/// Who may recover an account, each hidden under a salt of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianSet {
    /// How many must approve, 2 to [`MAX_GUARDIANS`].
    pub threshold: u8,
    /// [`Member::commitment`]s, always [`MAX_GUARDIANS`] of them; those beyond the last
    /// guardian are random.
    pub members: Vec<Digest>,
}

impl GuardianSet {
    /// What `Guard` commits to.
    pub fn digest(&self) -> Digest {
        Digest::of(&codec::encode(self))
    }
}

/// One guardian.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Any account but the patient's own.
    pub guardian: AccountId,
    /// Salted commitment to its share, so that a wrong one is noticed.
    pub share: Digest,
}

impl Member {
    /// What stands for it in a [`GuardianSet`].
    pub fn commitment(&self, salt: &Salt) -> Digest {
        Digest::commit(salt, &codec::encode(self))
    }
}

/// By anyone, for a patient who cannot: puts a new operation key forward, which takes
/// effect with [`CompleteRecovery`] unless she objects. A later one takes its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// Her account.
    pub account: AccountId,
    /// The `Guard` in force.
    pub guard: OperationId,
    /// Her next operation key.
    pub key: OperationKey,
    /// Guardians seal their shares to it.
    pub hpke_key: HpkeKey,
    /// Signature by `key` over the [`RecoveryClaim`].
    pub consent: Signature,
    /// What the `Guard` commits to.
    pub set: GuardianSet,
    /// As many as the threshold, by index.
    pub approvals: Vec<Approval>,
}

impl Recover {
    /// What its guardians and its key sign.
    pub fn claim(&self, chain: ChainId, attempt: u64) -> RecoveryClaim {
        RecoveryClaim {
            chain,
            account: self.account,
            guard: self.guard,
            attempt,
            key: self.key,
            hpke_key: self.hpke_key.clone(),
        }
    }
}

/// What guardians approve: this key for this account, once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryClaim {
    /// The ledger.
    pub chain: ChainId,
    /// The account.
    pub account: AccountId,
    /// The `Guard` in force.
    pub guard: OperationId,
    /// `Recover`s of the account that took effect, plus one.
    pub attempt: u64,
    /// The next operation key.
    pub key: OperationKey,
    /// Guardians seal their shares to it.
    pub hpke_key: HpkeKey,
}

impl Statement for RecoveryClaim {
    const DOMAIN: &'static str = domain::RECOVERY;
}

/// One guardian's word for a [`RecoveryClaim`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Its place in [`GuardianSet::members`].
    pub index: u8,
    /// Who it is.
    pub member: Member,
    /// Opens its commitment.
    pub salt: Salt,
    /// By its current operation key.
    pub signature: Signature,
}

/// By the patient: the recovery that waits is not hers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The `Recover` operation.
    pub recovery: OperationId,
}

/// By anyone, once the delay has passed without an objection: the new key takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteRecovery {
    /// The `Recover` operation.
    pub recovery: OperationId,
    /// Whose account, as it says.
    pub account: AccountId,
    /// The key, as it says: followers of the log need no other leaf.
    pub key: OperationKey,
}
