//! Gaussians over the integers and the reals, by the shortest code that is right.
//!
//! Widths are standard deviations. Not constant time.

use std::f64::consts::TAU;

use rand_core::Rng;

/// Uniform in (0, 1].
fn unit(rng: &mut impl Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// N(0, 1), by Box-Muller.
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    (-2.0 * unit(rng).ln()).sqrt() * (TAU * unit(rng)).cos()
}

/// The discrete Gaussian over Z about `centre`, by rejection from ±10 widths.
pub(super) fn integer(centre: f64, width: f64, rng: &mut impl Rng) -> i64 {
    let lowest = (centre - 10.0 * width).floor();
    let span = 20.0 * width + 2.0;
    loop {
        let x = lowest + (span * unit(rng)).floor();
        let distance = (x - centre) / width;
        if unit(rng) <= (-distance * distance / 2.0).exp() {
            return x as i64;
        }
    }
}

/// The discrete Gaussian over Z about 0 by inversion: for many samples of one small width.
pub(super) struct Centred {
    /// Cumulative probabilities of −reach, −reach + 1, ..
    below: Vec<f64>,
    reach: i32,
}

impl Centred {
    pub(super) fn new(width: f64) -> Self {
        let reach = (10.0 * width) as i32;
        let weight = |k: i32| (-f64::from(k * k) / (2.0 * width * width)).exp();
        let total: f64 = (-reach..=reach).map(weight).sum();
        let below = (-reach..reach)
            .scan(0.0, |sum, k| {
                *sum += weight(k) / total;
                Some(*sum)
            })
            .collect();
        Self { below, reach }
    }

    pub(super) fn sample(&self, rng: &mut impl Rng) -> i32 {
        let uniform = unit(rng);
        self.below.partition_point(|&p| p < uniform) as i32 - self.reach
    }
}

/// The lower triangular L with L·L^T = `square` (rows of a symmetric matrix, lower part filled), by
/// Cholesky; `None` if it is not positive definite.
pub(super) fn cholesky(mut square: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    for i in 0..square.len() {
        let (above, row) = square.split_at_mut(i);
        let row = row.first_mut()?;
        for (j, pivot) in above.iter().enumerate() {
            row[j] = (row[j] - dot(&row[..j], &pivot[..j])) / pivot[j];
        }
        let rest = row[i] - dot(&row[..i], &row[..i]);
        if rest <= 0.0 {
            return None;
        }
        row[i] = rest.sqrt();
    }
    Some(square)
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Smoothing parameter of Z^dimension as a standard deviation, for ε = 2^-36.
pub(super) fn smoothing(dimension: usize) -> f64 {
    let bound: f64 = 2.0 * dimension as f64 * (1.0 + 2f64.powi(36));
    (bound.ln() / 2.0).sqrt() / std::f64::consts::PI
}
