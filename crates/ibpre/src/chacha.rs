//! The ChaCha20 keystream (RFC 8439) under a 32-byte seed, nonce zero, counter from zero.
//!
//! Sixteen blocks side by side, one lane a block: plain loops over rows of sixteen words, which
//! become vector code of any width (`ring::lanes`). Additions, rotations and exclusive ors only:
//! nothing depends on a value.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ring::lanes::wide;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Blocks made at a time.
const LANES: usize = 16;

/// One word of the state in sixteen blocks.
type Row = [u32; LANES];

/// A keystream that is read in whole blocks. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct ChaCha {
    key: [u32; 8],
    /// Number of the next block: 2^32 blocks are 256 GiB, six orders more than a key takes.
    counter: u32,
}

impl ChaCha {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut key = [0; 8];
        for (word, bytes) in key.iter_mut().zip(seed.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self { key, counter: 0 }
    }

    /// Fills `out`, a whole number of blocks, with the next bytes of the keystream.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
        debug_assert!(rest.is_empty());
        let mut rows = [[0; LANES]; 16];
        for blocks in blocks.chunks_mut(LANES) {
            wide(
                #[inline(always)]
                || {
                    self.sixteen(&mut rows);
                    for (at, block) in blocks.iter_mut().enumerate() {
                        for (bytes, row) in block.as_chunks_mut::<4>().0.iter_mut().zip(&rows) {
                            *bytes = row[at].to_le_bytes();
                        }
                    }
                },
            );
            self.counter = self.counter.wrapping_add(blocks.len() as u32);
        }
        rows.zeroize();
    }

    /// The next sixteen blocks, word by word.
    #[inline(always)]
    fn sixteen(&self, rows: &mut [Row; 16]) {
        let start: [Row; 16] = core::array::from_fn(
            #[inline(always)]
            |word| match word {
                0..4 => [CONSTANTS[word]; LANES],
                4..12 => [self.key[word - 4]; LANES],
                12 => core::array::from_fn(|lane| self.counter.wrapping_add(lane as u32)),
                _ => [0; LANES],
            },
        );
        let mut x = start;
        for _ in 0..10 {
            for i in 0..4 {
                quarter_round(&mut x, [i, 4 + i, 8 + i, 12 + i]);
            }
            for i in 0..4 {
                let next = |by: usize| (i + by) % 4;
                quarter_round(&mut x, [i, 4 + next(1), 8 + next(2), 12 + next(3)]);
            }
        }
        for ((out, x), start) in rows.iter_mut().zip(&x).zip(&start) {
            for lane in 0..LANES {
                out[lane] = x[lane].wrapping_add(start[lane]);
            }
        }
    }
}

/// RFC 8439, section 2.1, on the words a, b, c, d of every block.
#[inline(always)]
fn quarter_round(x: &mut [Row; 16], [a, b, c, d]: [usize; 4]) {
    for (sum, term, rotated, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        for lane in 0..LANES {
            x[sum][lane] = x[sum][lane].wrapping_add(x[term][lane]);
            x[rotated][lane] = (x[rotated][lane] ^ x[sum][lane]).rotate_left(by);
        }
    }
}

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::lanes::on_each_unit;
    use chacha20::ChaCha20;
    use chacha20::cipher::{KeyIvInit, StreamCipher};

    #[test]
    fn is_the_published_keystream_in_any_pieces() {
        for seed in [[0; 32], [0xff; 32], core::array::from_fn(|i| i as u8 * 7)] {
            let mut expected = vec![0; 100 * BLOCK];
            ChaCha20::new(&seed.into(), &[0; 12].into()).apply_keystream(&mut expected);
            for pieces in [&[100][..], &[1, 2, 15, 16, 17, 32, 17], &[48, 3, 3, 46]] {
                let made = on_each_unit(|| {
                    let mut stream = ChaCha::new(&seed);
                    let mut out = vec![0xaa; 100 * BLOCK];
                    let mut rest = &mut out[..];
                    for blocks in pieces {
                        let (piece, after) = rest.split_at_mut(blocks * BLOCK);
                        stream.fill(piece);
                        rest = after;
                    }
                    out
                });
                assert!(made.iter().all(|out| *out == expected));
            }
        }
    }
}
