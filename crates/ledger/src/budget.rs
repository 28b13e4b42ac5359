//! The hint budget of a scope key, in integers. Scheme page, section 2.

/// Hundredths of W that a grant with N = `queries` distinct capsules costs:
/// 100·N + ⌈1720·√N⌉ + 7396, and 0 for N = 0.
pub fn hint_cost(queries: u32) -> u64 {
    if queries == 0 {
        return 0;
    }
    let n = u64::from(queries); // < 2^32
    let square = 1_720 * 1_720 * n; // < 2^54
    let root = square.isqrt();
    let ceiling = if root * root == square {
        root
    } else {
        root + 1
    };
    100 * n + ceiling + 7_396
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_at_squares_and_rounded_up_between() {
        assert_eq!(hint_cost(0), 0);
        assert_eq!(hint_cost(1), 100 + 1_720 + 7_396);
        assert_eq!(hint_cost(4), 400 + 3_440 + 7_396);
        assert_eq!(hint_cost(2), 200 + 2_433 + 7_396); // 1720·1.41421356 = 2432.4…
        assert!(hint_cost(u32::MAX) > 3_276_800);
    }

    #[test]
    fn the_examples_of_the_scheme_page_are_at_the_limit() {
        for (queries, grants) in [(1, 355), (10, 236), (100, 94), (1_000, 20), (29_728, 1)] {
            assert!(hint_cost(queries) * grants <= 3_276_800, "{queries}");
            assert!(hint_cost(queries) * (grants + 1) > 3_276_800, "{queries}");
        }
        assert!(hint_cost(29_729) > 3_276_800);
    }
}
