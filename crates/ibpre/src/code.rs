//! The message code: 32 blocks of K32 = \[32, 8, 12\], a coset code of first-order Reed-Muller.
//!
//! Byte k of the message, bits b0..b7 (b0 the lowest), is the function
//! `f(x) = b0 + b1·x0 + .. + b5·x4 + b6·(x0x1 + x2x3) + b7·(x1x2 + x3x4)` of x in 0..32. Position x
//! of block k sits at coefficient 32x + k, so that all blocks are worked on side by side; at
//! n = 2048 the whole word stands a second time at +1024. Branch-free in message and noise.

use zeroize::{Zeroize, Zeroizing};

use crate::params::ParameterSet;
use crate::ring::lanes::wide;
use crate::ring::ntt::subtract_once;

/// Values of one block position for all 32 blocks.
type Row = [i32; 32];

/// Lanes of the decoder: each block once for each of the four cosets.
const LANES: usize = 4 * 32;

/// `PATTERN[x]`: the bits of a message byte that are added at position x.
const PATTERN: [u8; 32] = patterns();

/// Adds ⌊q/2⌋ at every coefficient whose code bit is 1. Coefficients in \[0, q) stay in \[0, q).
#[inline(always)]
pub(crate) fn add_encoded<P: ParameterSet>(message: &[u8; 32], coefficients: &mut [u64]) {
    let half = u64::from(P::Q / 2);
    for (at, row) in coefficients.chunks_exact_mut(32).enumerate() {
        let pattern = PATTERN[at % 32];
        for (v, byte) in row.iter_mut().zip(message) {
            let mask = 0u64.wrapping_sub(parity(byte & pattern)); // 0 or all ones
            *v = subtract_once::<P>(*v + (half & mask)); // below 2q before
        }
    }
}

/// The most likely message of n noisy coefficients in \[0, q): soft maximum-likelihood decoding of
/// each block. Equal likelihoods give the first in the order (coset, linear part).
pub(crate) fn decode<P: ParameterSet>(coefficients: &[u64]) -> Zeroizing<[u8; 32]> {
    wide(
        #[inline(always)]
        || most_likely::<P>(coefficients),
    )
}

#[inline(always)]
fn most_likely<P: ParameterSet>(coefficients: &[u64]) -> Zeroizing<[u8; 32]> {
    let mut rows = [[0; 32]; 32];
    confidences::<P>(coefficients, &mut rows);
    // The four cosets side by side, so that every loop below runs over long rows: compilers
    // vectorise loops over short ones across them, by gathers that cost five times the rest.
    let mut spectrum = [[0; LANES]; 32];
    for (row, own) in spectrum.iter_mut().zip(&rows) {
        row.as_chunks_mut().0.fill(*own);
    }
    let signs = COSET_SIGNS.as_flattened();
    for (v, &sign) in spectrum.as_flattened_mut().iter_mut().zip(signs) {
        *v = (*v ^ i32::from(sign)) - i32::from(sign);
    }
    walsh_hadamard(&mut spectrum);

    // Sums of 32 confidences: below 32·2^20 = 2^25.
    let (mut best, mut linear_part) = ([-1i32; LANES], [0i32; LANES]);
    for (linear, row) in spectrum.iter().enumerate() {
        let candidate = (linear << 1) as i32;
        for ((best, part), &v) in best.iter_mut().zip(&mut linear_part).zip(row) {
            let negative = v >> 31; // all ones if b0 = 1
            let size = (v ^ negative) - negative;
            keep_larger((best, part), size, candidate - negative);
        }
    }
    let (mut largest, mut message) = ([-1i32; 32], [0i32; 32]);
    for coset in 0..4 {
        for (k, (largest, byte)) in largest.iter_mut().zip(&mut message).enumerate() {
            let lane = 32 * coset + k;
            let value = (coset << 6) as i32 | linear_part[lane];
            keep_larger((largest, byte), best[lane], value);
        }
    }
    let mut out = Zeroizing::new([0; 32]);
    for (byte, value) in out.iter_mut().zip(message) {
        *byte = value as u8;
    }
    rows.as_flattened_mut().zeroize();
    spectrum.as_flattened_mut().zeroize();
    best.as_mut_slice().zeroize();
    linear_part.as_mut_slice().zeroize();
    largest.as_mut_slice().zeroize();
    message.as_mut_slice().zeroize();
    out
}

/// (best, its value) becomes (size, value) if size is larger; sizes in \[−1, 2^31).
#[inline(always)]
fn keep_larger((best, of): (&mut i32, &mut i32), size: i32, value: i32) {
    let better = (*best - size) >> 31; // all ones if larger
    *best ^= (*best ^ size) & better;
    *of ^= (*of ^ value) & better;
}

/// ⌊q/4⌋ − |centred v|, summed over the copies: positive for 0, negative for 1; |sum| < 2^20.
#[inline(always)]
fn confidences<P: ParameterSet>(coefficients: &[u64], rows: &mut [Row; 32]) {
    let (q, quarter) = (P::Q as i32, (P::Q / 4) as i32);
    let (blocks, _) = coefficients.as_chunks::<32>();
    for (at, block) in blocks.iter().enumerate() {
        for (sum, &v) in rows[at % 32].iter_mut().zip(block) {
            let v = v as i32;
            let other = q - v;
            let size = other + ((v - other) & ((v - other) >> 31)); // min(v, q − v)
            *sum += quarter - size;
        }
    }
}

/// In place: row a becomes Σ_x (−1)^{a·x} row x.
#[inline(always)]
fn walsh_hadamard(rows: &mut [[i32; LANES]; 32]) {
    for step in [1, 2, 4, 8, 16] {
        for pair in rows.chunks_exact_mut(2 * step) {
            let (low, high) = pair.split_at_mut(step);
            let (low, high) = (low.as_flattened_mut(), high.as_flattened_mut());
            for (x, y) in low.iter_mut().zip(high) {
                (*x, *y) = (*x + *y, *x - *y);
            }
        }
    }
}

/// `COSET_SIGNS[x][32·coset + k]`: all ones where the quadratic part of a coset (b6 + 2·b7) is 1 at x.
static COSET_SIGNS: [[i8; LANES]; 32] = coset_signs();

const fn coset_signs() -> [[i8; LANES]; 32] {
    let mut signs = [[0; LANES]; 32];
    let mut at = 0;
    while at < 32 * LANES {
        let (x, lane) = (at / LANES, at % LANES);
        signs[x][lane] = -(parity(PATTERN[x] >> 6 & (lane / 32) as u8) as i8);
        at += 1;
    }
    signs
}

/// The parity of a byte, 0 or 1.
#[inline(always)]
const fn parity(byte: u8) -> u64 {
    let byte = byte ^ (byte >> 4);
    let byte = byte ^ (byte >> 2);
    ((byte ^ (byte >> 1)) & 1) as u64
}

const fn patterns() -> [u8; 32] {
    let mut out = [0; 32];
    let mut x = 0u8;
    while x < 32 {
        let (x0, x1, x2, x3, x4) = (x & 1, x >> 1 & 1, x >> 2 & 1, x >> 3 & 1, x >> 4 & 1);
        let q6 = (x0 & x1) ^ (x2 & x3);
        let q7 = (x1 & x2) ^ (x3 & x4);
        out[x as usize] = 1 | x << 1 | q6 << 6 | q7 << 7;
        x += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{SetA, SetB};
    use crate::ring::lanes::on_each_unit;
    use crate::test_rng::TestRng;
    use rand_core::Rng;

    fn encoded<P: ParameterSet>(message: &[u8; 32]) -> Vec<u64> {
        let mut word = vec![0; P::N];
        add_encoded::<P>(message, &mut word);
        word
    }

    #[test]
    fn weight_enumerator() {
        let mut count = [0; 33];
        for byte in 0..=255u8 {
            let word = encoded::<SetA>(&[byte; 32]);
            let weight = word.iter().step_by(32).filter(|&&v| v != 0).count();
            count[weight] += 1;
        }
        let mut expected = [0; 33];
        for (weight, words) in [(0, 1), (12, 48), (16, 158), (20, 48), (32, 1)] {
            expected[weight] = words;
        }
        assert_eq!(count, expected);
    }

    #[test]
    fn every_codeword_in_every_block_decodes() {
        fn check<P: ParameterSet>() {
            let mut rng = TestRng::new(b"code");
            for first in 0..=255u8 {
                let message: [u8; 32] =
                    std::array::from_fn(|k| first.wrapping_add(37u8.wrapping_mul(k as u8)));
                let mut word = encoded::<P>(&message);
                assert_eq!(*decode::<P>(&word), message);
                // Five of 32 positions wrong beyond any doubt are within half the distance.
                for k in 0..32 {
                    for x in 0..5 {
                        for copy in 0..P::CODE_COPIES {
                            let at = 1024 * copy + 32 * ((x * 7 + k) % 32) + k;
                            word[at] = (word[at] + u64::from(P::Q / 2)) % u64::from(P::Q);
                        }
                    }
                }
                for v in word.iter_mut() {
                    *v = (*v + u64::from(rng.next_u32() % (P::Q / 16))) % u64::from(P::Q);
                }
                assert_eq!(*decode::<P>(&word), message);
            }
        }
        check::<SetA>();
        check::<SetB>();
    }

    /// The byte of block k by trying all 256 in the order (coset, linear part, b0).
    fn first_most_likely<P: ParameterSet>(coefficients: &[u64], k: usize) -> u8 {
        let mut rows = [[0; 32]; 32];
        confidences::<P>(coefficients, &mut rows);
        let (mut largest, mut found) = (i32::MIN, 0);
        for byte in 0..=255 {
            let score = (0..32)
                .map(|x| rows[x][k] * (1 - 2 * parity(byte & PATTERN[x]) as i32))
                .sum();
            if score > largest {
                (largest, found) = (score, byte);
            }
        }
        found
    }

    #[test]
    fn decoding_finds_the_first_of_the_most_likely() {
        fn check<P: ParameterSet>() {
            let mut rng = TestRng::new(b"likely");
            let half = u64::from(P::Q / 2);
            for round in 0..30 {
                let word: Vec<u64> = (0..P::N)
                    .map(|_| match round {
                        0 => half / 2,
                        1..10 => u64::from(rng.next_u32() % 3) * half / 2, // many are equal
                        _ => u64::from(rng.next_u32() % P::Q),
                    })
                    .collect();
                let expected: [u8; 32] = std::array::from_fn(|k| first_most_likely::<P>(&word, k));
                for message in on_each_unit(|| decode::<P>(&word)) {
                    assert_eq!(*message, expected);
                }
            }
        }
        check::<SetA>();
        check::<SetB>();
    }
}
