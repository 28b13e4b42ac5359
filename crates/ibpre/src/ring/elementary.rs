//! Logarithm, sine and cosine as the exactly pinned `libm` gives them, bit for bit, without a branch.
//!
//! The re-encryption noise is defined by those functions (`docs/scheme.md`, 8). Theirs branch on
//! ranges that the noise never leaves or on which the same formula gives the same bits, so here the
//! formula stands alone: it runs in vector lanes, and nothing but the processor's division and root
//! can make its time depend on the value. The tests hold it against `libm` itself.
//!
//! The formulas and constants are those of FreeBSD's msun, from fdlibm, whose notice reads:
//! "Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunPro, a Sun
//! Microsystems, Inc. business. Permission to use, copy, modify, and distribute this software is
//! freely granted, provided that this notice is preserved."

/// ln x for a normal x > 0. (e_log.c)
#[inline(always)]
pub(super) fn log(x: f64) -> f64 {
    // x = 2^exponent · reduced, reduced in [√2/2, √2): on the high word, as there.
    let bits = x.to_bits();
    let high = (bits >> 32) + (0x3ff0_0000 - 0x3fe6_a09e);
    let exponent = f64::from((high >> 20) as i32 - 0x3ff);
    let high = (high & 0x000f_ffff) + 0x3fe6_a09e;
    let reduced = f64::from_bits(high << 32 | bits & 0xffff_ffff);

    let f = reduced - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (LOG[1] + w * (LOG[3] + w * LOG[5]));
    let odd = z * (LOG[0] + w * (LOG[2] + w * (LOG[4] + w * LOG[6])));
    let rest = odd + even;
    s * (half_square + rest) + exponent * LN2_LOW - half_square + f + exponent * LN2_HIGH
}

/// (sin x, cos x) for |x| ≤ π/4, x not −0. (k_sin.c, k_cos.c)
#[inline(always)]
pub(super) fn sin_cos(x: f64) -> (f64, f64) {
    let z = x * x;
    let w = z * z;

    let r = SIN[1] + z * (SIN[2] + z * SIN[3]) + z * w * (SIN[4] + z * SIN[5]);
    let sin = x + z * x * (SIN[0] + z * r);

    let r = z * (COS[0] + z * (COS[1] + z * COS[2])) + w * w * (COS[3] + z * (COS[4] + z * COS[5]));
    let half = 0.5 * z;
    let main = 1.0 - half;
    let cos = main + (((1.0 - main) - half) + z * r);
    (sin, cos)
}

const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// Coefficients of s^2, s^4, .. in (ln(1+s) − ln(1−s) − 2s)/s.
const LOG: [f64; 7] = [
    f64::from_bits(0x3fe5_5555_5555_5593),
    f64::from_bits(0x3fd9_9999_9997_fa04),
    f64::from_bits(0x3fd2_4924_9422_9359),
    f64::from_bits(0x3fcc_71c5_1d8e_78af),
    f64::from_bits(0x3fc7_4664_96cb_03de),
    f64::from_bits(0x3fc3_9a09_d078_c69f),
    f64::from_bits(0x3fc2_f112_df3e_5244),
];
/// Coefficients of x^3, x^5, .. in sin x.
const SIN: [f64; 6] = [
    f64::from_bits(0xbfc5_5555_5555_5549),
    f64::from_bits(0x3f81_1111_1110_f8a6),
    f64::from_bits(0xbf2a_01a0_19c1_61d5),
    f64::from_bits(0x3ec7_1de3_57b1_fe7d),
    f64::from_bits(0xbe5a_e5e6_8a2b_9ceb),
    f64::from_bits(0x3de5_d93a_5acf_d57c),
];
/// Coefficients of x^4, x^6, .. in cos x.
const COS: [f64; 6] = [
    f64::from_bits(0x3fa5_5555_5555_554c),
    f64::from_bits(0xbf56_c16c_16c1_5177),
    f64::from_bits(0x3efa_01a0_19cb_1590),
    f64::from_bits(0xbe92_7e4f_809c_52ad),
    f64::from_bits(0x3e21_ee9e_bdb4_b1c4),
    f64::from_bits(0xbda8_fae9_be88_38d4),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::lanes::{on_each_unit, wide};
    use crate::test_rng::TestRng;
    use rand_core::Rng;
    use std::f64::consts::FRAC_PI_2;

    /// Both functions at every argument, on every unit, against `libm`.
    fn check(logs: &[f64], angles: &[f64]) {
        for (ln, turns) in on_each_unit(|| {
            let mut ln = vec![0.0; logs.len()];
            let mut turns = vec![(0.0, 0.0); angles.len()];
            wide(
                #[inline(always)]
                || {
                    for (out, &x) in ln.iter_mut().zip(logs) {
                        *out = log(x);
                    }
                    for (out, &x) in turns.iter_mut().zip(angles) {
                        *out = sin_cos(x);
                    }
                },
            );
            (ln, turns)
        }) {
            for (&x, ln) in logs.iter().zip(ln) {
                assert_eq!(ln.to_bits(), libm::log(x).to_bits(), "ln {x:e}");
            }
            for (&x, (sin, cos)) in angles.iter().zip(turns) {
                let expected = libm::sincos(x);
                assert_eq!(sin.to_bits(), expected.0.to_bits(), "sin {x:e}");
                assert_eq!(cos.to_bits(), expected.1.to_bits(), "cos {x:e}");
            }
        }
    }

    #[test]
    fn equal_the_pinned_library_at_random() {
        let mut rng = TestRng::new(b"elementary");
        let logs: Vec<f64> = (0..200_000)
            .map(|i| {
                // Every exponent from 2^-128 up, and near 1 where the noise draws most.
                let mantissa = (rng.next_u64() >> 12) | 1023 << 52;
                f64::from_bits(mantissa) * libm::ldexp(1.0, -(i % 129))
            })
            .filter(|&x| x <= 1.0)
            .collect();
        let angles: Vec<f64> = (0..200_000)
            .map(|i| {
                let rest = (rng.next_u64() >> 11) as f64 * libm::ldexp(1.0, -53) - 0.5;
                // Down to angles so small that the library leaves its formula.
                FRAC_PI_2 * rest * libm::ldexp(1.0, -(i % 64))
            })
            .filter(|&x| x != 0.0)
            .collect();
        assert!(logs.len() > 150_000 && angles.len() > 150_000);
        check(&logs, &angles);
    }

    #[test]
    fn equal_the_pinned_library_at_the_edges() {
        let near =
            |x: f64| [-2i64, -1, 0, 1, 2].map(|d| f64::from_bits((x.to_bits() as i64 + d) as u64));
        let smallest = libm::ldexp(1.0, -128);
        let mut logs = vec![1.0, smallest, f64::from_bits(1.0f64.to_bits() - 1)];
        for k in 0..128 {
            let power = libm::ldexp(1.0, -k - 1);
            logs.extend(near(power));
            logs.extend(near(power * core::f64::consts::SQRT_2));
        }
        let mut angles = vec![0.0];
        for edge in [
            FRAC_PI_2 * 0.5,
            libm::ldexp(core::f64::consts::SQRT_2, -27),
            1e-300,
        ] {
            for x in near(edge).into_iter().filter(|&x| x <= FRAC_PI_2 * 0.5) {
                angles.extend([x, -x]);
            }
        }
        // The smallest steps of rest: 2^-62 and its neighbours.
        for k in 1..63 {
            angles.extend([
                FRAC_PI_2 * libm::ldexp(1.0, -k),
                -FRAC_PI_2 * libm::ldexp(1.0, -k),
            ]);
        }
        check(&logs, &angles);
    }
}
