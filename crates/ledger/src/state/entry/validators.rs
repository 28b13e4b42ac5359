//! Who decides, and what validators were punished for.

use base::{Millis, OperationId};
use serde::{Deserialize, Serialize};

use crate::validators::Seat;

/// Who decides the next height. There is none while the genesis object's validators stand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Council {
    /// The first height that they decide.
    pub since: u64,
    /// In order of account; never empty.
    pub seats: Vec<Seat>,
}

/// A validator that contradicted itself at a height, which is punished once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Punishment {
    /// The `DoubleSign` that proved it.
    pub proof: OperationId,
    /// Block time.
    pub time: Millis,
}

/// What missed turns cost a validator on one UTC day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissedDay {
    /// Credits.
    pub amount: u32,
}
