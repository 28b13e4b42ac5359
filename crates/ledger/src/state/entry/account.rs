//! Accounts, their keys, institutions, delegations and proposals.

use base::{
    AccountId, Digest, Millis, OperationId,
    genesis::Policy,
    key::{HpkeKey, OperationKey, RecordKey},
    operation::{PatientKeys, Power, Resolution, Role},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Last sequence number that an account used; 0 before its first operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// The number.
    pub last: u64,
}

/// One account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its id: hash of the first of `operation_keys`.
    pub id: AccountId,
    /// What it is; never changes.
    pub role: Role,
    /// Operation keys, oldest first; the last is the current one.
    pub operation_keys: Vec<KeyPeriod<OperationKey>>,
    /// The current HPKE key: letters to the account are sealed to it.
    pub hpke_key: HpkeKey,
    /// Record keys of a hospital, oldest first; the last is the current one.
    pub record_keys: Vec<KeyPeriod<RecordKey>>,
    /// libp2p peer id, if it gave one.
    pub peer: Option<ByteBuf>,
    /// Public key of the re-encryption scheme; patients only.
    pub patient: Option<PatientKeys>,
    /// The institution it joined. An institution itself has none here
    /// ([`crate::View::institution_of`] answers for both).
    pub institution: Option<AccountId>,
    /// Institutions that met this patient face to face, in order of time.
    pub attested_by: Vec<AccountId>,
    /// Height of the block that opened it.
    pub opened: u64,
}

/// A key with the heights at which it was valid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPeriod<K> {
    /// The key.
    pub key: K,
    /// First height whose operations it may sign.
    pub from: u64,
    /// Last such height: that of the `RotateKey` that replaced it, or the height after
    /// which it counts as compromised, whichever is lower. None while it is current.
    pub until: Option<u64>,
}

impl<K> KeyPeriod<K> {
    /// Whether the key was valid at `height`.
    pub fn covers(&self, height: u64) -> bool {
        self.from <= height && self.until.is_none_or(|until| height <= until)
    }
}

impl Account {
    /// The current operation key. Every account has one.
    pub fn operation_key(&self) -> Option<OperationKey> {
        self.operation_keys.last().map(|period| period.key)
    }

    /// The record keys that were valid at `height`: one, or two at the height of a
    /// rotation, or none.
    pub fn record_keys_at(&self, height: u64) -> impl Iterator<Item = &RecordKey> {
        self.record_keys
            .iter()
            .filter(move |period| period.covers(height))
            .map(|period| &period.key)
    }

    /// The operation keys that were valid at `height`.
    pub fn operation_keys_at(&self, height: u64) -> impl Iterator<Item = OperationKey> + '_ {
        self.operation_keys
            .iter()
            .filter(move |period| period.covers(height))
            .map(|period| period.key)
    }
}

/// An admitted institution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Institution {
    /// The institution's account, which registers itself (perhaps later).
    pub account: AccountId,
    /// Declared group: institutions of one group count as one where separation is required.
    pub group: Option<u32>,
    /// Block time of its admission.
    pub admitted: Millis,
}

impl Institution {
    /// Whether both are one institution or of one group.
    pub fn together(&self, other: &Self) -> bool {
        self.account == other.account || (self.group.is_some() && self.group == other.group)
    }
}

/// Attestations of one institution on one UTC day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestDay {
    /// How many.
    pub count: u32,
}

/// A delegation of a patient.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The `Delegate` operation.
    pub id: OperationId,
    /// Who gave it.
    pub patient: AccountId,
    /// Who acts.
    pub delegate: AccountId,
    /// What for; sorted.
    pub powers: Vec<Power>,
    /// Ends at this time.
    pub expires: Millis,
    /// When it was ended by `Undelegate`.
    pub ended: Option<Millis>,
}

/// Something that validators vote on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The proposing operation.
    pub id: OperationId,
    /// What would change.
    pub change: Change,
    /// Validators for it in order of their votes; who proposes has the first, unless it
    /// applies.
    pub votes: Vec<AccountId>,
    /// Where it stands.
    pub status: ProposalStatus,
}

/// What a proposal changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Admits an institution or gives it another group.
    Admit {
        /// The account.
        institution: AccountId,
        /// Its group.
        group: Option<u32>,
    },
    /// Replaces the policy.
    Policy(Policy),
    /// Makes an account a validator.
    Seat {
        /// The account, which applied.
        validator: AccountId,
    },
    /// Makes a validator none.
    Expel {
        /// Which one.
        validator: AccountId,
    },
    /// Ends a dispute.
    Resolve {
        /// The dispute.
        dispute: OperationId,
        /// How.
        resolution: Resolution,
    },
}

/// Where a proposal stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalStatus {
    /// Votes are counted.
    Open,
    /// Took effect at this time.
    Enacted(Millis),
    /// Decided at this time, but what it would have changed was gone (a dispute that
    /// another proposal had ended, a seat that is taken).
    Void(Millis),
}

/// A patient's newest key bag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BagState {
    /// Its version.
    pub version: u64,
    /// Salted commitment to its bytes.
    pub commitment: Digest,
    /// Block time.
    pub time: Millis,
}
