//! The coefficients of f and g: a discrete Gaussian about 0 of fixed width.
//!
//! By inversion of a cumulative table of 64-bit thresholds. The table is made from `f64` densities
//! summed from the tail up, so every threshold keeps 50 bits of its own; the statistical distance
//! from the exact distribution is below 2^-49 a coefficient, and only keys are drawn with it. A
//! binary search: not constant time.

use super::keystream::Keystream;

/// Thresholds of |x|.
pub(super) struct Table {
    /// tail[k] = 2^64 · P(|x| > k).
    tail: Vec<u64>,
}

impl Table {
    /// The table of width `sigma`.
    pub(super) fn new(sigma: f64) -> Self {
        // Beyond 9.5 σ the probability is below 2^-64.
        let last = (9.5 * sigma) as i32;
        let mut sums = Vec::new();
        let mut sum = 0.0;
        for k in (0..=last).rev() {
            sums.push(sum);
            let density = libm::exp(-f64::from(k * k) / (2.0 * sigma * sigma));
            sum += if k == 0 { density } else { 2.0 * density };
        }
        let scale = libm::ldexp(1.0, 64) / sum;
        let tail = sums.iter().rev().map(|s| (s * scale) as u64).collect();
        Self { tail }
    }

    /// n coefficients.
    pub(super) fn sample(&self, n: usize, keystream: &mut Keystream) -> Vec<i16> {
        (0..n)
            .map(|_| {
                let (uniform, sign) = keystream.pair();
                let magnitude = self.tail.partition_point(|&t| uniform < t) as i16;
                let sign = -((sign & 1) as i16);
                (magnitude ^ sign) - sign
            })
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::params::{ParameterSet, SetA, SetB};
    use crate::statistics::{below, chi_square_limit, near, rng, scale};

    #[test]
    fn frequencies() {
        for sigma in [SetA::SIGMA_FG, SetB::SIGMA_FG] {
            let count = 400_000 * scale();
            let mut rng = rng("f and g");
            let sample = Table::new(sigma).sample(count, &mut Keystream::new(&mut rng));
            let limit = (4.0 * sigma) as i16;
            let weight = |k: i32| libm::exp(-f64::from(k * k) / (2.0 * sigma * sigma));
            let total: f64 = (-400..=400).map(weight).sum();
            let mut seen = vec![0_u64; 2 * limit as usize + 1];
            for &k in sample.iter().filter(|k| k.abs() <= limit) {
                seen[(k + limit) as usize] += 1;
            }
            let statistic: f64 = seen
                .iter()
                .zip(-i32::from(limit)..)
                .map(|(&seen, k)| {
                    let expected = count as f64 * weight(k) / total;
                    (seen as f64 - expected).powi(2) / expected
                })
                .sum();
            let name = format!("f and g, width {sigma:.3}");
            let limit = chi_square_limit(seen.len());
            below(&format!("{name}: chi-square"), statistic, limit);
            let square: f64 = sample.iter().map(|&k| f64::from(k).powi(2)).sum();
            let ratio = square / count as f64 / (sigma * sigma);
            let tolerance = 5.0 * (2.0 / count as f64).sqrt();
            near(&format!("{name}: mean square"), ratio, 1.0, tolerance);
            assert!(sample.iter().all(|k| k.abs() < 256));
        }
    }
}
