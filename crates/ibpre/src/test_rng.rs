//! A seeded generator for tests: the ChaCha20 keystream under SHAKE256 of a label.

use std::convert::Infallible;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use rand_core::{TryCryptoRng, TryRng};
use shake::{ExtendableOutput, Shake256, Update, XofReader};

pub(crate) struct TestRng(ChaCha20);

impl TestRng {
    pub(crate) fn new(label: &[u8]) -> Self {
        let mut hash = Shake256::default();
        hash.update(label);
        let mut key = [0; 32];
        hash.finalize_xof().read(&mut key);
        Self(ChaCha20::new(&key.into(), &[0; 12].into()))
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(0);
        self.0.apply_keystream(out);
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}
