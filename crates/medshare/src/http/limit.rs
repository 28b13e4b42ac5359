//! Limits of the interface: how often, and how much at once.

use base::AccountId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// A token bucket: `rate` requests per second, bursts of as many.
#[derive(Debug)]
pub struct Rate {
    rate: f64,
    bucket: Mutex<(f64, Instant)>,
}

impl Rate {
    /// A full bucket.
    pub fn new(per_second: u32) -> Self {
        let rate = f64::from(per_second);
        Self {
            rate,
            bucket: Mutex::new((rate, Instant::now())),
        }
    }

    /// Takes one token, if there is one.
    pub fn admit(&self) -> bool {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last) = *bucket;
        let refilled = tokens + now.saturating_duration_since(last).as_secs_f64() * self.rate;
        let tokens = refilled.min(self.rate);
        let admitted = tokens >= 1.0;
        *bucket = (if admitted { tokens - 1.0 } else { tokens }, now.max(last));
        admitted
    }
}

/// Token buckets, one an account: so many in a burst, as many again in a minute.
#[derive(Debug)]
pub struct Rates {
    per_minute: f64,
    buckets: Mutex<HashMap<AccountId, (f64, Instant)>>,
}

impl Rates {
    /// Full buckets.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: f64::from(per_minute),
            buckets: Mutex::default(),
        }
    }

    /// Takes `count` tokens of `account`, if there are so many.
    pub fn admit(&self, account: AccountId, count: usize) -> bool {
        self.admit_at(account, count, Instant::now())
    }

    fn admit_at(&self, account: AccountId, count: usize, now: Instant) -> bool {
        let refill = |(tokens, last): (f64, Instant)| {
            let passed = now.saturating_duration_since(last).as_secs_f64();
            (tokens + passed * self.per_minute / 60.0).min(self.per_minute)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&account) {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| refill(*bucket) < self.per_minute);
            if buckets.len() >= MAX_BUCKETS {
                return false;
            }
        }
        let bucket = buckets.entry(account).or_insert((self.per_minute, now));
        let tokens = refill(*bucket);
        let wanted = u32::try_from(count).map_or(f64::INFINITY, f64::from);
        let admitted = tokens >= wanted;
        *bucket = (
            if admitted { tokens - wanted } else { tokens },
            now.max(bucket.1),
        );
        admitted
    }
}

/// Most accounts whose buckets are remembered; a bucket is full again after a minute.
const MAX_BUCKETS: usize = 100_000;

/// Most bytes of a request's body, files apart: one Bitswap message and its frame.
pub const MAX_BODY: usize = (1 << 20) + 4096;

/// Most bytes of an answer of the post: what one message between two nodes takes.
pub const MAX_PASSED: usize = (3 << 20) + 4096;

/// Most bytes of an answer that the client reads into memory.
pub const MAX_ANSWER: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_refills() {
        let rate = Rate::new(2);
        let start = Instant::now();
        assert!(rate.admit_at(start));
        assert!(rate.admit_at(start));
        assert!(!rate.admit_at(start));
        assert!(rate.admit_at(start + Duration::from_millis(600)));
        assert!(!rate.admit_at(start + Duration::from_millis(700)));
        assert!(!rate.admit_at(start), "time going back refills nothing");
    }

    #[test]
    fn every_account_has_its_own_bucket() {
        let rates = Rates::new(6);
        let start = Instant::now();
        let (a, b) = (AccountId([1; 32]), AccountId([2; 32]));
        assert!(rates.admit_at(a, 6, start));
        assert!(!rates.admit_at(a, 1, start));
        assert!(rates.admit_at(b, 1, start), "another's is untouched");
        assert!(!rates.admit_at(b, 6, start), "five are left");
        assert!(rates.admit_at(b, 5, start));
        assert!(rates.admit_at(a, 1, start + Duration::from_secs(11)));
        assert!(!rates.admit_at(a, 1, start + Duration::from_secs(11)));
    }
}
