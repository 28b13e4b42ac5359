//! Random words for the samplers: ChaCha20 keystream under a 32-byte seed, read in blocks.
//!
//! One preimage takes about 50 kB of it, too much to ask of the caller's generator word by word.

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::chacha::ChaCha;

/// Bytes made at a time.
const BUFFER: usize = 2048;

/// A secret, endless sequence of uniform words; wiped on drop.
pub(crate) struct Keystream {
    cipher: ChaCha,
    buffer: [u8; BUFFER],
    used: usize,
}

impl Keystream {
    /// The stream under a fresh seed drawn from `rng`.
    pub(crate) fn new(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self {
            cipher: ChaCha::new(&seed),
            buffer: [0; BUFFER],
            used: BUFFER,
        }
    }

    /// The next two uniform words.
    #[inline]
    pub(crate) fn pair(&mut self) -> (u64, u64) {
        if self.used == BUFFER {
            self.refill();
        }
        let mut words = [0; 16];
        words.copy_from_slice(&self.buffer[self.used..self.used + 16]);
        self.used += 16;
        let pair = u128::from_le_bytes(words);
        (pair as u64, (pair >> 64) as u64)
    }

    #[cold]
    fn refill(&mut self) {
        self.cipher.fill(&mut self.buffer);
        self.used = 0;
    }
}

impl Drop for Keystream {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::test_rng::TestRng;
    use chacha20::ChaCha20;
    use chacha20::cipher::{KeyIvInit, StreamCipher};

    #[test]
    fn is_one_uninterrupted_keystream() {
        let mut seed = [0; 32];
        rand_core::Rng::fill_bytes(&mut TestRng::new(b"stream"), &mut seed);
        let mut expected = vec![0; 3 * BUFFER + 16];
        ChaCha20::new(&seed.into(), &[0; 12].into()).apply_keystream(&mut expected);
        let mut stream = Keystream::new(&mut TestRng::new(b"stream"));
        for words in expected.chunks_exact(16) {
            let (low, high) = stream.pair();
            assert_eq!([low.to_le_bytes(), high.to_le_bytes()].concat(), words);
        }
    }
}
