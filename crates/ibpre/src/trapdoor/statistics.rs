//! Yardsticks of the statistical tests.

/// How many times the sample of an ordinary run: `IBPRE_STATISTICS`, 1 if unset. It enters the
/// seeds too, so that another size is another sample.
pub(super) fn scale() -> usize {
    std::env::var("IBPRE_STATISTICS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(1)
}

/// What a chi-square statistic exceeds with the probability of five standard deviations
/// (Wilson and Hilferty's approximation).
pub(super) fn chi_square_limit(degrees: usize) -> f64 {
    let k = 2.0 / (9.0 * degrees as f64);
    degrees as f64 * (1.0 - k + 5.0 * k.sqrt()).powi(3)
}
