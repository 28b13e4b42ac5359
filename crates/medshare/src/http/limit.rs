//! Limits of the interface: how often, and how much at once.

use std::{
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

/// Most bytes of a request's body, files apart: one Bitswap message and its frame.
pub const MAX_BODY: usize = (1 << 20) + 4096;

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
}
