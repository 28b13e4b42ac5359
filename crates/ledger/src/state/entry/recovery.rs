//! Guardians of accounts, and recoveries.

use base::{AccountId, Digest, Millis, OperationId, key::OperationKey};
use serde::{Deserialize, Serialize};

/// Who may recover an account, and what became of that so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardianship {
    /// The `Guard` in force; none once it was ended.
    pub guard: Option<OperationId>,
    /// The set of guardians that it committed to.
    pub set: Digest,
    /// Its delay, milliseconds.
    pub delay: u64,
    /// `Recover`s that took effect, whatever came of them: an approval is for the next one.
    pub attempts: u64,
    /// The recovery that waits.
    pub pending: Option<OperationId>,
}

/// A recovery of an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The `Recover` operation.
    pub id: OperationId,
    /// Whose account.
    pub account: AccountId,
    /// The `Guard` under which it was approved.
    pub guard: OperationId,
    /// The new operation key.
    pub key: OperationKey,
    /// Who approved.
    pub guardians: Vec<AccountId>,
    /// Block time of the `Recover`.
    pub time: Millis,
    /// She may object before this time, and the key may take effect from it on.
    pub due: Millis,
    /// Where it stands.
    pub status: RecoveryStatus,
}

/// Where a recovery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryStatus {
    /// It waits for its delay, or for its completion.
    Pending,
    /// She objected at this time.
    Objected(Millis),
    /// A later one took its place at this time.
    Replaced(Millis),
    /// Its key took effect at this time.
    Complete(Millis),
}
