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
                || sixteen_blocks(&self.key, self.counter, &mut rows),
            );
            for (at, block) in blocks.iter_mut().enumerate() {
                for (bytes, row) in block.as_chunks_mut::<4>().0.iter_mut().zip(&rows) {
                    *bytes = row[at].to_le_bytes();
                }
            }
            self.counter = self.counter.wrapping_add(blocks.len() as u32);
        }
        rows.as_flattened_mut().zeroize();
    }
}

/// Blocks `counter`, `counter` + 1, .., word by word.
///
/// One straight line of code for a lane, so that the loop over the lanes is the innermost and its
/// words stay in registers.
#[inline(always)]
fn sixteen_blocks(key: &[u32; 8], counter: u32, rows: &mut [Row; 16]) {
    let [c0, c1, c2, c3] = CONSTANTS;
    let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
    #[expect(clippy::needless_range_loop, reason = "lanes are columns of the rows")]
    for lane in 0..LANES {
        let block = counter.wrapping_add(lane as u32);
        let start = [
            c0, c1, c2, c3, k0, k1, k2, k3, k4, k5, k6, k7, block, 0, 0, 0,
        ];
        let x = double_round(double_round(double_round(double_round(double_round(
            start,
        )))));
        let x = double_round(double_round(double_round(double_round(double_round(x)))));
        for word in 0..16 {
            rows[word][lane] = x[word].wrapping_add(start[word]);
        }
    }
}

/// RFC 8439, section 2.3: four columns, four diagonals.
#[inline(always)]
fn double_round(mut x: [u32; 16]) -> [u32; 16] {
    quarter_round(&mut x, 0, 4, 8, 12);
    quarter_round(&mut x, 1, 5, 9, 13);
    quarter_round(&mut x, 2, 6, 10, 14);
    quarter_round(&mut x, 3, 7, 11, 15);
    quarter_round(&mut x, 0, 5, 10, 15);
    quarter_round(&mut x, 1, 6, 11, 12);
    quarter_round(&mut x, 2, 7, 8, 13);
    quarter_round(&mut x, 3, 4, 9, 14);
    x
}

/// RFC 8439, section 2.1.
#[inline(always)]
fn quarter_round(x: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(16);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(12);
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(8);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(7);
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
