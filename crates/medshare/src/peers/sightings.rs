//! When other nodes were last connected to this one: who has been away for too long does not
//! count as a keeper of copies.

use base::{AccountId, Millis};
use std::collections::BTreeMap;

/// Since this node began.
#[derive(Debug)]
pub struct Sightings {
    begun: Millis,
    absence: u64,
    last: BTreeMap<AccountId, Millis>,
}

impl Sightings {
    /// Nobody was seen yet; away for more than `absence` milliseconds is too long.
    pub const fn new(begun: Millis, absence: u64) -> Self {
        Self {
            begun,
            absence,
            last: BTreeMap::new(),
        }
    }

    /// The node is connected now.
    pub fn saw(&mut self, node: AccountId, now: Millis) {
        self.last.insert(node, now);
    }

    /// Whether the node was here lately, or may have been before this node began.
    pub fn counts(&self, node: AccountId, now: Millis) -> bool {
        let last = self.last.get(&node).copied().unwrap_or(self.begun);
        now <= last.plus(self.absence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_away_for_too_long_counts_no_longer_and_again_when_it_is_back() {
        let (a, b) = (AccountId([1; 32]), AccountId([2; 32]));
        let mut sightings = Sightings::new(Millis(1_000), 100);
        assert!(sightings.counts(a, Millis(1_100)), "not known to be away");
        assert!(!sightings.counts(a, Millis(1_101)));
        sightings.saw(a, Millis(1_050));
        assert!(sightings.counts(a, Millis(1_150)));
        assert!(!sightings.counts(b, Millis(1_150)));
        assert!(!sightings.counts(a, Millis(1_151)));
        sightings.saw(a, Millis(2_000));
        assert!(sightings.counts(a, Millis(2_000)));
        assert!(sightings.counts(a, Millis(500)), "the clock was put back");
    }
}
