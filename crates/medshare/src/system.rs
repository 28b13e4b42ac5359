//! The operating system's clock and randomness: the only place that asks for them.

use base::Millis;
use rand_core::{TryCryptoRng, TryRng};
use std::{
    convert::Infallible,
    time::{SystemTime, UNIX_EPOCH},
};

/// Now, in UTC milliseconds.
pub fn now() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Fills `bytes` with the operating system's randomness.
///
/// # Panics
/// When the operating system has none: nothing secret can be made on such a machine,
/// and going on would be worse than ending.
#[expect(clippy::expect_used, reason = "see Panics")]
pub fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives randomness");
}

/// 32 random bytes.
pub fn random32() -> [u8; 32] {
    let mut bytes = [0; 32];
    fill_random(&mut bytes);
    bytes
}

/// The operating system's generator, as the protocol crates take it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl TryRng for OsRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        fill_random(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        fill_random(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill_random(bytes);
        Ok(())
    }
}

impl TryCryptoRng for OsRng {}
