//! What is drawn from a seed: targets in R_q, ternary polynomials, the re-encryption noise.
//!
//! HashToRq is public and rejects in variable time. Ternary sampling is branch-free. The noise is
//! floating point, at the proxy alone; `noise` says what that means.

use std::f64::consts::FRAC_PI_2;

use zeroize::Zeroizing;

use crate::hash::Xof;
use crate::params::ParameterSet;

/// HashToRq: three bytes little-endian at a time, masked to `Q_BITS` bits, accepted if below q.
pub(crate) fn hash_to_rq<P: ParameterSet>(seed: &[u8; 32]) -> Vec<u32> {
    let mask = (1u32 << P::Q_BITS) - 1;
    let mut xof = Xof::new(seed);
    let mut out = Vec::with_capacity(P::N);
    let mut bytes = [0; 3 * 64];
    while out.len() < P::N {
        xof.fill(&mut bytes);
        let (triples, _) = bytes.as_chunks::<3>();
        let accepted = triples
            .iter()
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], 0]) & mask)
            .filter(|&v| v < P::Q);
        let missing = P::N - out.len();
        out.extend(accepted.take(missing));
    }
    out
}

/// The next n coefficients of P(0) = 86/256, P(±1) = 85/256, one byte each, as 0, 1, q − 1.
pub(crate) fn ternary<P: ParameterSet>(xof: &mut Xof) -> Zeroizing<Vec<u64>> {
    let mut bytes = Zeroizing::new(vec![0u8; P::N]);
    xof.fill(&mut bytes);
    let minus_one = u64::from(P::Q - 1);
    Zeroizing::new(
        bytes
            .iter()
            .map(|&b| {
                let third = (3 * u64::from(b)) >> 8; // 0, 1, 2
                (third & 1) + (0u64.wrapping_sub(third >> 1) & minus_one)
            })
            .collect(),
    )
}

/// E: n coefficients round(σ_E·N(0, 1)), centred, by Box-Muller.
///
/// Per pair 16 bytes a and 8 bytes b, little-endian: u1 = (a + 1)·2^-128, u2 = b·2^-64, each rounded
/// once to f64; radius = σ_E·√(−2 ln u1); angle = 2π·u2; radius·cos(angle) is the even index,
/// radius·sin(angle) the odd; rounded half to even. The angle is brought to \[−π/4, π/4\] by whole
/// quarter turns, exactly, before π/2 multiplies it. Logarithm, sine and cosine are those of the
/// exactly pinned `libm`, every operation is one IEEE 754 binary64 operation in the order written,
/// and nothing is fused, so every machine gives the same E. Radius ≤ 16384·√(2·128·ln 2) < 2^18 for
/// set A, < 2^20 for set B. Floating point on a secret: its time may depend on E.
pub(crate) fn noise<P: ParameterSet>(seed: &[u8; 32]) -> Zeroizing<Vec<i32>> {
    let mut bytes = Zeroizing::new(vec![0u8; 12 * P::N]);
    Xof::new(seed).fill(&mut bytes);
    let mut out = Zeroizing::new(vec![0i32; P::N]);
    let (draws, _) = bytes.as_chunks::<24>();
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (draw, pair) in draws.iter().zip(pairs) {
        let mut a = [0; 16];
        let mut b = [0; 8];
        a.copy_from_slice(&draw[..16]);
        b.copy_from_slice(&draw[16..]);
        // 2^128 − 1 rounds to 2^128 as 2^128 itself would, so saturation changes nothing.
        let u1 = u128::from_le_bytes(a).saturating_add(1) as f64 * TWO_POW_MINUS_128;
        let u2 = u64::from_le_bytes(b) as f64 * TWO_POW_MINUS_64;
        let radius = f64::from(P::SIGMA_NOISE) * (-2.0 * libm::log(u1)).sqrt();
        // 4·u2 = quarter + rest with |rest| ≤ 1/2, all three exact: the angle is quarter·π/2 + rest·π/2.
        let quarter = (4.0 * u2 + ROUNDER) - ROUNDER;
        let rest = 4.0 * u2 - quarter;
        let (sin, cos) = libm::sincos(FRAC_PI_2 * rest);
        let quarter = round(quarter) as u32; // 0..=4
        *pair = [
            round(radius * turned(sin, cos, quarter + 1)),
            round(radius * turned(sin, cos, quarter)),
        ];
    }
    out
}

/// sin(x + turns·π/2) from (sin x, cos x), without a branch; cos is the same one turn further.
fn turned(sin: f64, cos: f64, turns: u32) -> f64 {
    let odd = 0u64.wrapping_sub(u64::from(turns & 1)); // 0 or all ones
    let value = sin.to_bits() & !odd | cos.to_bits() & odd;
    f64::from_bits(value ^ u64::from(turns & 2) << 62)
}

/// Nearest integer, ties to even, for |x| < 2^31.
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
            let mut xof = Xof::new(&[7; 32]);
            let mut bytes = vec![0; P::N];
            Xof::new(&[7; 32]).fill(&mut bytes);
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
