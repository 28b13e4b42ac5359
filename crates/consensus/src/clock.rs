//! The clock of a validator.

use base::Millis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time; the only place where a validator gets it.
pub trait Clock: Send + 'static {
    /// UTC now. It may stand still or step back: a sequencer never lets block time do so.
    fn now(&self) -> Millis;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl<F: Fn() -> Millis + Send + 'static> Clock for F {
    fn now(&self) -> Millis {
        self()
    }
}
