//! SamplerZ: one integer from a discrete Gaussian of given width and centre.
//!
//! The Falcon specification, section 3.9.3 (algorithms 12 BaseSampler, 13 ApproxExp, 14 BerExp, 15
//! SamplerZ): a half-Gaussian of width 1.8205 from a 72-bit table, moved to the centre by a coin,
//! accepted with the ratio of the densities times σ_min/σ', so that the number of trials does not
//! depend on centre or width. Integer code without branches up to the accepting test; the
//! conversions from `f64` are ordinary float instructions, constant time on common processors but
//! not promised.

use super::keystream::Keystream;

/// Width of the base sampler.
#[cfg(test)]
pub(super) const SIGMA_BASE: f64 = 1.8205;

/// 1/(2·1.8205²).
const BASE_RATE: f64 = 0.150_865_048_875_372_72;

/// Magic number: adding it rounds an f64 below 2^51 to an integer, in its low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// A sampler over the integers; the randomness is its own.
pub(crate) struct SamplerZ {
    keystream: Keystream,
    sigma_min: f64,
}

impl SamplerZ {
    /// A sampler for widths in \[`sigma_min`, 1.8\]: so far below the base width that the exponent
    /// of the accepting test cannot round below 0.
    pub(crate) fn new(keystream: Keystream, sigma_min: f64) -> Self {
        Self {
            keystream,
            sigma_min,
        }
    }

    /// An integer, as `f64`, with probability proportional to exp(−(z−centre)²·inverse_width²/2);
    /// |centre| < 2^31.
    #[inline]
    pub(crate) fn sample(&mut self, centre: f64, inverse_width: f64) -> f64 {
        // floor(centre) and the fraction in [0, 1).
        let nearest = (centre + ROUND) - ROUND;
        let floor = nearest - f64::from(u8::from(nearest > centre));
        let fraction = centre - floor;
        let rate = 0.5 * inverse_width * inverse_width;
        let acceptance = self.sigma_min * inverse_width;
        loop {
            // 128 bits a trial: 72 for the base, 1 for the side, 55 for the accepting test.
            let (low, high) = self.keystream.pair();
            let base = base_sampler(low, high as u8);
            let side = (high >> 8) & 1;
            // side 0: −base, a half-Gaussian down from 0; side 1: 1 + base, one up from 1.
            let sign = (side as i32) * 2 - 1;
            let z = f64::from(side as i32 + sign * base);
            let distance = z - fraction;
            let base = f64::from(base);
            let exponent = distance * distance * rate - base * base * BASE_RATE;
            if self.bernoulli(exponent, acceptance, high >> 9) {
                return floor + z;
            }
        }
    }

    /// True with probability acceptance · exp(−x), x ≥ 0; `bits` holds 55 uniform bits.
    #[inline]
    fn bernoulli(&mut self, x: f64, acceptance: f64, bits: u64) -> bool {
        let halvings = (x * core::f64::consts::LOG2_E) as i32;
        let rest = x - f64::from(halvings) * core::f64::consts::LN_2;
        // Below 2^-63 the shift makes it 0 or 1 part in 2^64, as in the specification.
        let shift = halvings.min(63) as u32;
        let threshold = (approximate_exp(rest, acceptance) << 1).wrapping_sub(1) >> shift;
        let top = threshold >> 9;
        if bits == top {
            // Once in 2^55.
            return (self.keystream.pair().0 >> 55) < (threshold & 0x1ff);
        }
        bits < top
    }
}

/// A half-Gaussian integer of width 1.8205, 0 ≤ z ≤ 18, from 72 uniform bits.
#[inline]
fn base_sampler(low: u64, high: u8) -> i32 {
    let v = u128::from(high) << 64 | u128::from(low);
    BASE_TABLE.iter().map(|&entry| i32::from(v < entry)).sum()
}

/// 2^63 · acceptance · exp(−x), for 0 ≤ x < ln 2 and 0 < acceptance ≤ 1; relative error below 2^-49.
#[inline]
fn approximate_exp(x: f64, acceptance: f64) -> u64 {
    let high = |a: u64, b: u64| ((u128::from(a) * u128::from(b)) >> 64) as u64;
    // x and acceptance as 64-bit fractions: the mantissa of 1 + x, and acceptance·2^63 doubled.
    let x = ((x + 1.0).to_bits() << 12) & !0xfff;
    let mut y = EXP_TABLE[0];
    for coefficient in &EXP_TABLE[1..] {
        y = coefficient - high(x, y);
    }
    let acceptance = ((acceptance * 9_223_372_036_854_775_808.0) as i64 as u64) << 1;
    high(acceptance, y)
}

/// P(z > i) · 2^72 of the half-Gaussian (the specification, table 3.1).
const BASE_TABLE: [u128; 18] = [
    3_024_686_241_123_004_913_666,
    1_564_742_784_480_091_954_050,
    636_254_429_462_080_897_535,
    199_560_484_645_026_482_916,
    47_667_343_854_657_281_903,
    8_595_902_006_365_044_063,
    1_163_297_957_344_668_388,
    117_656_387_352_093_658,
    8_867_391_802_663_976,
    496_969_357_462_633,
    20_680_885_154_299,
    638_331_848_991,
    14_602_316_184,
    247_426_747,
    3_104_126,
    28_824,
    198,
    1,
];

/// Coefficients of exp(−x) on [0, ln 2), times 2^63, alternating signs taken out, highest first
/// (FACCT; the specification, algorithm 13).
const EXP_TABLE: [u64; 13] = [
    0x0000_0004_7411_83A3,
    0x0000_0036_548C_FC06,
    0x0000_024F_DCBF_140A,
    0x0000_171D_939D_E045,
    0x0000_D00C_F58F_6F84,
    0x0006_8068_1CF7_96E3,
    0x002D_82D8_305B_0FEA,
    0x0111_1111_0E06_6FD0,
    0x0555_5555_5507_0F00,
    0x1555_5555_5581_FF00,
    0x4000_0000_0002_B400,
    0x7FFF_FFFF_FFFF_4800,
    0x8000_0000_0000_0000,
];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::params::{ParameterSet, SetA};
    use crate::statistics::{below, chi_square_limit, in_parallel, rng, scale};

    /// Test 6: frequencies at 20 pairs of width and centre.
    #[test]
    fn frequencies() {
        let sigma_min = SetA::SIGMA_MIN;
        let count = 200_000 * scale();
        let widths = [sigma_min, 1.45, 1.6, 1.777_2, 1.8];
        let centres = [0.0, 0.5, -1_234.125, 8_191.999_999];
        in_parallel(widths.len() * centres.len(), |pair| {
            let (width, centre) = (widths[pair / 4], centres[pair % 4]);
            let mut rng = rng(&format!("SamplerZ {pair}"));
            let mut sampler = SamplerZ::new(Keystream::new(&mut rng), sigma_min);
            let first = centre as i64 - 30;
            let mut seen = [0_u64; 61];
            for _ in 0..count {
                let z = sampler.sample(centre, 1.0 / width);
                assert_eq!(z, z.floor());
                seen[(z as i64 - first) as usize] += 1;
            }
            let weight = |i: usize| {
                let distance = (first + i as i64) as f64 - centre;
                libm::exp(-distance * distance / (2.0 * width * width))
            };
            let total: f64 = (0..61).map(weight).sum();
            // Bins of ten or more expected; what is rarer goes together.
            let (mut statistic, mut bins) = (0.0, 0);
            let (mut rare_seen, mut rare_expected) = (0.0, 0.0);
            for (i, &seen) in seen.iter().enumerate() {
                let expected = count as f64 * weight(i) / total;
                if expected >= 10.0 {
                    statistic += (seen as f64 - expected).powi(2) / expected;
                    bins += 1;
                } else {
                    rare_seen += seen as f64;
                    rare_expected += expected;
                }
            }
            statistic += (rare_seen - rare_expected).powi(2) / rare_expected;
            let name = format!("SamplerZ, width {width:.4}, centre {centre}: chi-square");
            below(&name, statistic, chi_square_limit(bins));
        });
    }

    #[test]
    fn base_table_is_the_half_gaussian() {
        let weight = |z: u32| libm::exp(-f64::from(z * z) / (2.0 * SIGMA_BASE * SIGMA_BASE));
        let total: f64 = (0..40).rev().map(weight).sum();
        for (i, &entry) in BASE_TABLE.iter().enumerate() {
            let tail: f64 = (i as u32 + 1..40).rev().map(weight).sum();
            let exact = libm::ldexp(tail / total, 72);
            // The published entries are up to 8 units of 2^-72 below the exact ones.
            assert!((entry as f64 - exact).abs() <= 8.0 + exact * 1e-14, "{i}");
        }
        assert!((BASE_RATE * 2.0 * SIGMA_BASE * SIGMA_BASE - 1.0).abs() < 1e-15);
        assert_eq!(base_sampler(u64::MAX, 0xff), 0);
        assert_eq!(base_sampler(0, 0), 18);
        assert_eq!(base_sampler(1, 0), 17);
    }

    #[test]
    fn exponential() {
        for i in 0..10_000 {
            let x = f64::from(i) * core::f64::consts::LN_2 / 10_000.0;
            let acceptance = 0.7 + f64::from(i % 301) / 1000.0;
            let value = libm::ldexp(approximate_exp(x, acceptance) as f64, -63);
            let exact = acceptance * libm::exp(-x);
            assert!((value / exact - 1.0).abs() < 1.8e-15, "{x} {acceptance}");
        }
    }
}
