//! Credit: balances, their journal, daily caps and the standing of hospitals.

use base::{Millis, OperationId};
use serde::{Deserialize, Serialize};

/// An account's credits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// Credits; negative after a penalty that exceeds them.
    pub amount: i64,
    /// Entries in the account's journal.
    pub entries: u64,
    /// Highest tier ever reached; 0 before the first.
    pub tier: u8,
}

/// One line of an account's credit journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditEntry {
    /// Credits gained, or lost if negative.
    pub amount: i64,
    /// Balance after it.
    pub balance: i64,
    /// The operation that caused it; of a missed turn, the header of the block before the one
    /// that came late, which has an id of the same form.
    pub cause: OperationId,
    /// Why.
    pub reason: CreditReason,
    /// Block time.
    pub time: Millis,
}

/// Why credits were gained or lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreditReason {
    /// Patient: first accepted query of a grant.
    FirstAccepted,
    /// Patient: a further accepted query.
    FurtherAccepted,
    /// Hospital: its signed record was reviewed and accepted.
    RecordAccepted,
    /// Agent: its work was accepted.
    Reencrypted,
    /// Hospital: a proven fabrication.
    Fabrication,
    /// A validator's institution: it said two things of which it may say one.
    DoubleSign,
    /// A validator's institution: it did not propose in its turn.
    MissedTurn,
}

/// All credits: sum of balances + burnt = minted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Credits ever minted by reviews.
    pub minted: u64,
    /// Credits ever taken by penalties: a penalty lowers a balance and raises this.
    pub burnt: u64,
}

/// Credits that an institution (agents included) earned on one UTC day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarnedDay {
    /// How many.
    pub amount: u32,
}

/// Credits minted on one UTC day by reviews of one institution on records of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintedDay {
    /// How many.
    pub amount: u32,
}

/// What a ranking is made of, for one account that anybody reviewed, disputed or ranked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Decaying credit at `day`, in units of 2^-20 credits.
    pub score: i64,
    /// UTC day of `score`.
    pub day: u64,
    /// Reviews of the hospital's records.
    pub reviews: ReviewCounts,
    /// Disputes against the account that were upheld.
    pub marks: u32,
    /// Emergencies that the hospital declared.
    pub emergencies: u32,
}

/// Reviews by verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewCounts {
    /// Accepted.
    pub accepted: u64,
    /// Not what the request was about.
    pub not_as_requested: u64,
    /// Too poor to use.
    pub poor_quality: u64,
    /// Held to be made up.
    pub fabricated: u64,
}
