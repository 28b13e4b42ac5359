//! When the next height begins while operations wait. A block costs every validator much the
//! same whether one operation is in it or a thousand; so after a block of many the next one
//! waits a moment for those who send again.

use std::time::{Duration, Instant};

/// What the last block says about the next.
#[derive(Default)]
pub(super) struct Pace {
    last: Option<Last>,
    /// From when on something waited for the next height.
    since: Option<Instant>,
}

struct Last {
    operations: usize,
    at: Instant,
    /// Since the block before it.
    took: Duration,
}

impl Pace {
    /// A block of so many operations is durable.
    pub(super) fn committed(&mut self, operations: usize, now: Instant) {
        let before = self.last.as_ref().map(|last| last.at);
        self.last = Some(Last {
            operations,
            at: now,
            took: before.map_or(Duration::ZERO, |before| {
                now.saturating_duration_since(before)
            }),
        });
        self.since = None;
    }

    /// The time from the last block but one to the last.
    pub(super) fn last_took(&self) -> Duration {
        self.last.as_ref().map_or(Duration::ZERO, |last| last.took)
    }

    /// Whether the next height begins now that so many operations wait, at least one: when as
    /// many are there as the last block had, or some have waited for [`Pace::patience`].
    pub(super) fn is_time(&mut self, waiting: usize, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let enough = self.last.as_ref().map_or(0, |last| last.operations);
        waiting >= enough || now.saturating_duration_since(since) >= self.patience()
    }

    /// When to look again, if [`Pace::is_time`] said no.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.since? + self.patience())
    }

    /// A quarter of the time that the last block took, at most [`LONGEST`].
    fn patience(&self) -> Duration {
        (self.last_took() / 4).min(LONGEST)
    }
}

/// The longest that an operation waits for others.
const LONGEST: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_waits_for_as_many_as_the_last_had_and_not_long() {
        let begun = Instant::now();
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        let mut pace = Pace::default();
        assert!(pace.is_time(1, at(0)), "nothing is known of others");
        pace.committed(1, at(10));
        assert!(pace.is_time(1, at(11)), "one sender never waits for itself");
        pace.committed(100, at(50));
        assert!(!pace.is_time(1, at(52)), "a quarter of 40 ms");
        assert_eq!(pace.due(), Some(at(62)));
        assert!(!pace.is_time(99, at(61)) && pace.is_time(100, at(61)));
        assert!(pace.is_time(2, at(62)));
        pace.committed(2, at(10_000));
        assert!(!pace.is_time(1, at(10_001)));
        assert_eq!(pace.due(), Some(at(10_026)), "never longer");
    }
}
