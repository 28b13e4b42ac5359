//! The genesis object: who starts a ledger, and under which policy.
//!
//! Source: protocol page, "Parties" and "Credit". Its digest is the chain id, so every
//! signature made for a ledger binds all of it.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ChainId, Digest, Millis, Version, codec,
    key::{HpkeKey, OperationKey},
};

/// The first object of a ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Format.
    #[serde(rename = "v")]
    pub version: Version,
    /// Short name of the network, shown to people.
    pub network: String,
    /// Start; no block is earlier.
    pub created: Millis,
    /// Largest distance, in milliseconds, between a block's time and a validator's clock.
    pub drift: u64,
    /// Who orders operations and votes, at least one.
    pub validators: Vec<Validator>,
    /// Institutions admitted from the start.
    pub institutions: Vec<Institution>,
    /// Credit and limits.
    pub policy: Policy,
}

impl Genesis {
    /// The id that this object gives its ledger.
    pub fn chain(&self) -> ChainId {
        ChainId(Digest::of(&codec::encode(self)).0)
    }
}

/// A founding validator. Its account exists from the start, with role node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Signs blocks and operations; names the account.
    pub key: OperationKey,
    /// Letters to the validator are sealed to it.
    pub hpke_key: HpkeKey,
}

/// An account that is an institution from the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Institution {
    /// The account; it registers itself later.
    pub account: AccountId,
    /// Declared group.
    pub group: Option<u32>,
}

/// Integer credits and limits; changed only by the validators' vote.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What a review that accepts a query mints.
    pub tariff: Tariff,
    /// Most credits an institution earns in one UTC day (its agents' included).
    pub cap_institution_day: u32,
    /// Most credits minted in one UTC day by reviews of one institution on records of
    /// another, whatever the number of patients.
    pub cap_pair_day: u32,
    /// Attestations by one institution in one UTC day that count.
    pub cap_attest_day: u32,
    /// Balance that reaches tier 1, 2, …; strictly increasing.
    pub tiers: Vec<u32>,
    /// Half-life of credit in the ranking, days.
    pub half_life_days: u32,
    /// Hours after an `Emergency` in which its grants are open.
    pub emergency_hours: u32,
    /// Hint budget W of a scope key, hundredths (scheme page, section 2).
    pub hint_limit: u64,
    /// Most grants ever under one scope key.
    pub grants_per_scope: u32,
    /// Shortest delay of a recovery, milliseconds; absent: [`Policy::RECOVERY_DELAY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_delay: Option<u64>,
    /// What validators are held to; absent: the default of [`Duties`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duties: Option<Duties>,
}

/// What validators are held to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duties {
    /// Time after which weights follow credit again, milliseconds.
    pub epoch: u64,
    /// Taken for a turn to propose that was missed.
    pub missed_turn: u32,
    /// Most that missed turns cost a validator in one UTC day.
    pub cap_missed_day: u32,
    /// Taken for a proven contradiction.
    pub double_sign: u32,
}

impl Default for Duties {
    /// A day; 1 credit a turn and at most 10 a day; 200, as for a fabrication.
    fn default() -> Self {
        Self {
            epoch: Millis::DAY,
            missed_turn: 1,
            cap_missed_day: 10,
            double_sign: 200,
        }
    }
}

impl Policy {
    /// Shortest delay of a recovery where the policy names none: three days.
    pub const RECOVERY_DELAY: u64 = 3 * Millis::DAY;

    /// Shortest delay of a recovery, milliseconds.
    pub fn shortest_recovery(&self) -> u64 {
        self.recovery_delay.unwrap_or(Self::RECOVERY_DELAY)
    }

    /// What validators are held to.
    pub fn duties(&self) -> Duties {
        self.duties.unwrap_or_default()
    }
}

/// Credits by cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// Patient, first accepted query of a grant.
    pub patient_first: u32,
    /// Patient, each further one.
    pub patient_more: u32,
    /// Publishing hospital.
    pub hospital: u32,
    /// Agent.
    pub agent: u32,
    /// Taken from a hospital for a proven fabrication.
    pub fabrication: u32,
}

impl Default for Policy {
    /// The protocol page's figures; caps and tiers chosen so that a busy day of one
    /// hospital (hundreds of reviewed queries) still earns.
    fn default() -> Self {
        Self {
            tariff: Tariff {
                patient_first: 10,
                patient_more: 1,
                hospital: 5,
                agent: 1,
                fabrication: 200,
            },
            cap_institution_day: 2_000,
            cap_pair_day: 1_000,
            cap_attest_day: 200,
            tiers: vec![10, 100, 1_000],
            half_life_days: 365,
            emergency_hours: 24,
            hint_limit: 3_276_800,
            grants_per_scope: 1_024,
            recovery_delay: None,
            duties: None,
        }
    }
}
