//! Time as the ledger counts it: UTC milliseconds set by the block, and UTC months.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// One second.
    pub const SECOND: u64 = 1_000;
    /// One hour.
    pub const HOUR: u64 = 3_600_000;
    /// One day of 24 hours.
    pub const DAY: u64 = 24 * Self::HOUR;

    /// This instant plus `milliseconds`, at most the end of time.
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// This instant minus `milliseconds`, at least the epoch.
    pub const fn minus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_sub(milliseconds))
    }

    /// Whole UTC days since 1970-01-01.
    pub const fn day(self) -> u64 {
        self.0 / Self::DAY
    }

    /// Proleptic Gregorian (year, month 1..=12, day 1..=31) in UTC.
    ///
    /// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    pub const fn date(self) -> (u64, u64, u64) {
        let days = self.day() + 719_468; // days since 0000-03-01; no overflow: day() < 2^38
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = year_of_era + 400 * era + if month <= 2 { 1 } else { 0 };
        (year, month, day)
    }

    /// The UTC month of this instant.
    pub const fn epoch(self) -> Epoch {
        let (year, month, _) = self.date();
        Epoch(12 * year + month - 1)
    }
}

impl fmt::Display for Millis {
    /// RFC 3339, UTC, milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let within = self.0 % Self::DAY;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            within / Self::HOUR,
            within / 60_000 % 60,
            within / 1_000 % 60,
            within % 1_000
        )
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A UTC month as 12·year + month − 1: the period one scope covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The month before.
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(Millis(0).date(), (1970, 1, 1));
        assert_eq!(Millis(951_782_400_000).date(), (2000, 2, 29));
        assert_eq!(
            Millis(1_795_305_600_000).to_string(),
            "2026-11-22T00:00:00.000Z"
        );
        assert_eq!(Millis(1_795_305_600_000).epoch().to_string(), "2026-11");
        assert_eq!(Epoch(12 * 2026).before().to_string(), "2025-12");
        assert_eq!(Millis(u64::MAX).day(), u64::MAX / Millis::DAY);
        let _ = Millis(u64::MAX).to_string();
    }
}
