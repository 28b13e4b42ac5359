//! The hint budget of a scope key, in integers (`docs/scheme.md`, "Hint budget").
//!
//! Re-encryptions under one scope key are noisy hints about it, whoever asked for them, so one
//! budget belongs to the scope: the sum over its grants of (√N + 8.6)², N the number of distinct
//! capsules re-encrypted under the grant. The arithmetic only; a ledger's state machine counts.

/// The budget of one scope key: W = 2^15, in hundredths.
pub const HINT_LIMIT: u64 = 3_276_800;

/// Grants ever made under one scope key, at most.
pub const MAX_GRANTS_PER_SCOPE: u64 = 1024;

/// Cost of one grant with `n` distinct capsules, in hundredths of W, rounded up:
/// 100·n + ⌈1720·√n⌉ + 7396, and 0 for n = 0. Saturates at `u64::MAX`.
pub fn hint_cost_hundredths(n: u64) -> u64 {
    if n == 0 {
        return 0;
    }
    let square = 1720 * 1720 * u128::from(n);
    let root = square.isqrt();
    let root = root + u128::from(root * root < square);
    u64::try_from(100 * u128::from(n) + root + 7396).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the design, each refused one further.
    #[test]
    fn examples_at_the_limit() {
        for (n, grants) in [(1, 355), (10, 236), (100, 94), (1000, 20), (29_728, 1)] {
            let cost = hint_cost_hundredths(n);
            assert!(grants * cost <= HINT_LIMIT, "{n}");
            assert!((grants + 1) * cost > HINT_LIMIT, "{n}");
            assert!(grants <= MAX_GRANTS_PER_SCOPE);
        }
        assert!(hint_cost_hundredths(29_729) > HINT_LIMIT);
    }

    #[test]
    fn small_and_large() {
        assert_eq!(hint_cost_hundredths(0), 0);
        assert_eq!(hint_cost_hundredths(1), 100 + 1720 + 7396);
        assert_eq!(hint_cost_hundredths(2), 200 + 2433 + 7396); // 1720·√2 = 2432.45
        assert_eq!(hint_cost_hundredths(100), 10_000 + 17_200 + 7396);
        assert_eq!(hint_cost_hundredths(u64::MAX), u64::MAX);
        for n in 0..5000 {
            assert!(hint_cost_hundredths(n) < hint_cost_hundredths(n + 1));
        }
    }
}
