//! What is drawn from a seed: targets in R_q, ternary polynomials, the re-encryption noise.
//!
//! HashToRq is public and rejects in variable time. Ternary sampling is branch-free. The noise is
//! floating point, at the proxy alone; `noise` says what that means. XOF(seed) of `docs/scheme.md` is
//! the keystream of `chacha`.

use std::f64::consts::FRAC_PI_2;

use super::elementary::{log, sin_cos};
use super::lanes::wide;
use crate::chacha::{BLOCK, ChaCha};
use crate::params::ParameterSet;
use crate::secret::Buffer;

/// HashToRq: three bytes little-endian at a time, masked to `Q_BITS` bits, accepted if below q.
pub(crate) fn hash_to_rq<P: ParameterSet>(seed: &[u8; 32]) -> Vec<u32> {
    let mask = (1u32 << P::Q_BITS) - 1;
    let mut xof = ChaCha::new(seed);
    let mut out = Vec::with_capacity(P::N);
    let mut bytes = [0; 3 * 16 * BLOCK];
    while out.len() < P::N {
        // Whole blocks for what is missing; in the end a few at a time.
        let missing = P::N - out.len();
        let bytes = &mut bytes[..(3 * missing)
            .next_multiple_of(3 * BLOCK)
            .min(3 * 16 * BLOCK)];
        xof.fill(bytes);
        let (triples, _) = bytes.as_chunks::<3>();
        let accepted = triples
            .iter()
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], 0]) & mask)
            .filter(|&v| v < P::Q);
        out.extend(accepted.take(missing));
    }
    out
}

/// The next n coefficients of P(0) = 86/256, P(±1) = 85/256, one byte each, as 0, 1, q − 1.
pub(crate) fn ternary<P: ParameterSet>(xof: &mut ChaCha) -> Buffer<u64> {
    let mut bytes = Buffer::zeros(P::N);
    let mut out = Buffer::zeros(P::N);
    xof.fill(&mut bytes);
    let minus_one = u64::from(P::Q - 1);
    wide(
        #[inline(always)]
        || {
            for (out, &b) in out.iter_mut().zip(bytes.iter()) {
                let third = (3 * u64::from(b)) >> 8; // 0, 1, 2
                *out = (third & 1) + (0u64.wrapping_sub(third >> 1) & minus_one);
            }
        },
    );
    out
}

/// E: n coefficients round(σ_E·N(0, 1)), centred, by Box-Muller.
///
/// Per pair 16 bytes a and 8 bytes b, little-endian: u1 = (a + 1)·2^-128, u2 = b·2^-64, each rounded
/// once to f64; radius = σ_E·√(−2 ln u1); angle = 2π·u2; radius·cos(angle) is the even index,
/// radius·sin(angle) the odd; rounded half to even. The angle is brought to \[−π/4, π/4\] by whole
/// quarter turns, exactly, before π/2 multiplies it. Logarithm, sine and cosine are those of the
/// exactly pinned `libm` (`elementary` says how), every operation is one IEEE 754 binary64 operation
/// in the order written, and nothing is fused, so every machine gives the same E. Radius ≤
/// 16384·√(2·128·ln 2) < 2^18 for set A, < 2^20 for set B. Branch-free, but division and root of
/// binary64 on a secret: on some processors their time depends on it.
pub(crate) fn noise<P: ParameterSet>(seed: &[u8; 32]) -> Buffer<i32> {
    let mut bytes = Buffer::<u8>::zeros(12 * P::N);
    ChaCha::new(seed).fill(&mut bytes);
    let (draws, _) = bytes.as_chunks::<24>();
    let mut uniform = Buffer::zeros(P::N);
    for (draw, pair) in draws.iter().zip(uniform.as_chunks_mut::<2>().0) {
        let mut a = [0; 16];
        let mut b = [0; 8];
        a.copy_from_slice(&draw[..16]);
        b.copy_from_slice(&draw[16..]);
        // 2^128 − 1 rounds to 2^128 as 2^128 itself would, so saturation changes nothing.
        *pair = [
            u128::from_le_bytes(a).saturating_add(1) as f64 * TWO_POW_MINUS_128,
            u64::from_le_bytes(b) as f64 * TWO_POW_MINUS_64,
        ];
    }
    let mut out = Buffer::zeros(P::N);
    wide(
        #[inline(always)]
        || {
            let (pairs, _) = out.as_chunks_mut::<2>();
            for (pair, &u) in pairs.iter_mut().zip(uniform.as_chunks::<2>().0) {
                *pair = box_muller::<P>(u);
            }
        },
    );
    out
}

/// Two coefficients of E from (u1, u2), 2^-128 ≤ u1 ≤ 1, 0 ≤ u2 ≤ 1.
#[inline(always)]
fn box_muller<P: ParameterSet>([u1, u2]: [f64; 2]) -> [i32; 2] {
    let radius = f64::from(P::SIGMA_NOISE) * (-2.0 * log(u1)).sqrt();
    // 4·u2 = quarter + rest with |rest| ≤ 1/2, all three exact: the angle is quarter·π/2 + rest·π/2.
    let quarter = (4.0 * u2 + ROUNDER) - ROUNDER;
    let rest = 4.0 * u2 - quarter;
    let (sin, cos) = sin_cos(FRAC_PI_2 * rest);
    let quarter = round(quarter) as u32; // 0..=4
    [
        round(radius * turned(sin, cos, quarter + 1)),
        round(radius * turned(sin, cos, quarter)),
    ]
}

/// sin(x + turns·π/2) from (sin x, cos x), without a branch; cos is the same one turn further.
#[inline(always)]
fn turned(sin: f64, cos: f64, turns: u32) -> f64 {
    let odd = 0u64.wrapping_sub(u64::from(turns & 1)); // 0 or all ones
    let value = sin.to_bits() & !odd | cos.to_bits() & odd;
    f64::from_bits(value ^ u64::from(turns & 2) << 62)
}

/// Nearest integer, ties to even, for |x| < 2^31.
#[inline(always)]
fn round(x: f64) -> i32 {
    // The sum has exponent 52, so its last bit has weight one and the addition rounds.
    (x + ROUNDER).to_bits() as i32
}

const TWO_POW_MINUS_64: f64 = f64::from_bits((1023 - 64) << 52);
const TWO_POW_MINUS_128: f64 = f64::from_bits((1023 - 128) << 52);
/// 1.5·2^52.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{SetA, SetB};
    use crate::ring::lanes::on_each_unit;

    #[test]
    fn rounding_is_half_to_even() {
        for (x, expected) in [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (-2.5, -2),
            (-0.4999, 0),
            (1e6 + 0.75, 1_000_001),
            (-1e6 - 0.25, -1_000_000),
        ] {
            assert_eq!(round(x), expected, "{x}");
        }
    }

    /// E as `docs/scheme.md` states it, with the functions of `libm` themselves.
    fn noise_by_the_book<P: ParameterSet>(seed: &[u8; 32]) -> Vec<i32> {
        let mut bytes = vec![0; 12 * P::N];
        ChaCha::new(seed).fill(&mut bytes);
        let draws = bytes.as_chunks::<24>().0.iter();
        draws.flat_map(|draw| pair_by_the_book::<P>(draw)).collect()
    }

    fn pair_by_the_book<P: ParameterSet>(draw: &[u8; 24]) -> [i32; 2] {
        let (mut a, mut b) = ([0; 16], [0; 8]);
        a.copy_from_slice(&draw[..16]);
        b.copy_from_slice(&draw[16..]);
        let u1 = u128::from_le_bytes(a).saturating_add(1) as f64 * TWO_POW_MINUS_128;
        let u2 = u64::from_le_bytes(b) as f64 * TWO_POW_MINUS_64;
        let radius = f64::from(P::SIGMA_NOISE) * (-2.0 * libm::log(u1)).sqrt();
        let quarter = (4.0 * u2).round_ties_even();
        let (sin, cos) = libm::sincos(FRAC_PI_2 * (4.0 * u2 - quarter));
        let (sin, cos) = match quarter as u32 % 4 {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        };
        [radius * cos, radius * sin].map(|x| x.round_ties_even() as i32)
    }

    #[test]
    fn noise_is_the_one_of_the_book_on_every_unit() {
        fn check<P: ParameterSet>() {
            for i in 0..100u8 {
                let expected = noise_by_the_book::<P>(&[i; 32]);
                for made in on_each_unit(|| noise::<P>(&[i; 32])) {
                    assert_eq!(*made, expected);
                }
            }
        }
        check::<SetA>();
        check::<SetB>();
    }

    #[test]
    fn extreme_draws_of_the_noise() {
        let a = [
            0,
            1,
            2,
            1 << 64,
            (1 << 127) - 1,
            1 << 127,
            u128::MAX - 1,
            u128::MAX,
        ];
        for k in 0..63 {
            for b in [0, 1, u64::MAX, 1 << k, (1 << k) - 1, u64::MAX << k] {
                for a in a {
                    let mut draw = [0; 24];
                    draw[..16].copy_from_slice(&a.to_le_bytes());
                    draw[16..].copy_from_slice(&b.to_le_bytes());
                    let u1 = a.saturating_add(1) as f64 * TWO_POW_MINUS_128;
                    let u2 = b as f64 * TWO_POW_MINUS_64;
                    let expected = pair_by_the_book::<SetB>(&draw);
                    assert_eq!(box_muller::<SetB>([u1, u2]), expected, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn quarter_turns() {
        for turns in 0..9u32 {
            let (sin, cos) = libm::sincos(0.3);
            let expected = libm::sin(0.3 + f64::from(turns) * FRAC_PI_2);
            assert!((turned(sin, cos, turns) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn ternary_is_a_map_of_bytes() {
        fn check<P: ParameterSet>() {
            let mut xof = ChaCha::new(&[7; 32]);
            let mut bytes = vec![0; P::N];
            ChaCha::new(&[7; 32]).fill(&mut bytes);
            for (v, b) in ternary::<P>(&mut xof).iter().zip(bytes) {
                let expected = match b {
                    0..=85 => 0,
                    86..=170 => 1,
                    _ => u64::from(P::Q - 1),
                };
                assert_eq!(*v, expected);
            }
        }
        check::<SetA>();
        check::<SetB>();
    }
}
