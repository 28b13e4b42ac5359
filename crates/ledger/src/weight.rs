//! What credit makes of validators' weights, and weights of turns. Integers only; protocol
//! page, "Consensus as the situation demands".

/// Weight of a validator whose institution has no credit.
pub(crate) const BASE: u32 = 1_000;
/// Most that credit adds: nobody weighs more than four times as much as another.
pub(crate) const MOST_EARNED: u32 = 3_000;
/// From this many validators on weights follow credit; fewer are equal, for none of them may
/// fail.
pub(crate) const FEW: usize = 4;
/// Turns in a cycle for each validator.
const TURNS_EACH: u64 = 8;

/// Weights from earned credits, in their order: each from 1 on, and with [`FEW`] or more each
/// below a third of their sum.
pub(crate) fn weights(earned: &[u64]) -> Vec<u32> {
    if earned.len() < FEW {
        return vec![BASE; earned.len()];
    }
    let weight = |earned: &u64| BASE + (*earned).min(MOST_EARNED.into()) as u32; // fits
    let mut weights: Vec<u32> = earned.iter().map(weight).collect();
    let cap = cap(&weights);
    for weight in &mut weights {
        *weight = (*weight).min(cap);
    }
    weights
}

/// The highest level to which water rises in glasses of these heights, such that three times
/// the level is less than all of it. With four glasses or more, each from 1 on, there is one:
/// at level 1 the sum is their number. The sum less three levels is concave and 0 at level 0,
/// so what holds at a level holds at every lower one.
fn cap(weights: &[u32]) -> u32 {
    let holds = |level: u32| {
        let sum: u64 = weights.iter().map(|one| u64::from((*one).min(level))).sum();
        3 * u64::from(level) < sum
    };
    let (mut low, mut high) = (1, weights.iter().copied().max().unwrap_or(1));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match holds(middle) {
            true => low = middle,
            false => high = middle - 1,
        }
    }
    low
}

/// A cycle of turns: who has each, by place. Everybody has one, and a share of them that
/// follows the weights to within one turn; the turns of one are spread over the cycle (smooth
/// weighted round robin): from [`FEW`] validators on nobody has three in a row, and two in a
/// row are rare. Equal weights give one turn each, in order of place.
pub(crate) fn turns(weights: &[u32]) -> Vec<usize> {
    let shares = shares(weights);
    let all: i64 = shares.iter().sum();
    let mut credit = vec![0_i64; shares.len()];
    let mut turns = Vec::new();
    for _ in 0..all {
        for (credit, share) in credit.iter_mut().zip(&shares) {
            *credit += share;
        }
        let mut next = 0;
        for (place, one) in credit.iter().enumerate() {
            if *one > credit[next] {
                next = place;
            }
        }
        credit[next] -= all;
        turns.push(next);
    }
    turns
}

/// Turns of each in a cycle, as few as give the same shares.
fn shares(weights: &[u32]) -> Vec<i64> {
    let sum: u64 = weights.iter().map(|one| u64::from(*one)).sum();
    let all = TURNS_EACH * weights.len() as u64;
    // Rounded to the nearest; sums of u32 by fewer than 2^16 turns stay inside 64 bits.
    let share = |weight: &u32| ((2 * u64::from(*weight) * all + sum) / (2 * sum.max(1))).max(1);
    let shares: Vec<u64> = weights.iter().map(share).collect();
    let common = shares.iter().copied().fold(0, gcd).max(1);
    shares.iter().map(|one| (one / common) as i64).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(weights: &[u32]) -> u64 {
        weights.iter().map(|one| u64::from(*one)).sum()
    }

    #[test]
    fn few_are_equal() {
        assert_eq!(weights(&[0, 9_000, 5]), [BASE; 3]);
        assert_eq!(weights(&[]), [0_u32; 0]);
        assert_eq!(turns(&weights(&[7, 0, 0])), [0, 1, 2]);
    }

    /// Found by chance: the heaviest of four has two turns in a row, and not only where one
    /// cycle meets the next.
    #[test]
    fn two_in_a_row() {
        let turns = turns(&weights(&[1_141, 1_248, 1_006, 2_197]));
        assert_eq!(turns[8..10], [3, 3]);
        assert_eq!(turns.len(), 32);
        assert_eq!(
            [0, 1, 2, 3].map(|of| turns.iter().filter(|one| **one == of).count()),
            [7, 7, 7, 11]
        );
    }

    #[test]
    fn one_of_four_with_all_the_credit_stays_below_a_third() {
        assert_eq!(weights(&[1_000_000, 0, 0, 0]), [1_499, 1_000, 1_000, 1_000]);
        assert_eq!(weights(&[0; 4]), [BASE; 4]);
    }

    proptest! {
        #[test]
        fn nobody_has_a_third(earned in proptest::collection::vec(0..6_000_u64, 4..40)) {
            let weights = weights(&earned);
            for (weight, earned) in weights.iter().zip(&earned) {
                prop_assert!(*weight >= 1 && u64::from(*weight) <= u64::from(BASE) + earned);
                prop_assert!(3 * u64::from(*weight) < total(&weights));
            }
            // Who earned more never weighs less.
            for (a, x) in weights.iter().zip(&earned) {
                for (b, y) in weights.iter().zip(&earned) {
                    prop_assert!(x < y || a >= b);
                }
            }
            // The cap takes no more than it must: one more for all that it cut would be a third.
            let cap = weights.iter().copied().max().unwrap_or(0);
            let raised: Vec<u32> = earned
                .iter()
                .map(|one| (BASE + (*one).min(3_000) as u32).min(cap + 1))
                .collect();
            let top = raised.iter().copied().max().unwrap_or(0);
            prop_assert!(top == cap || 3 * u64::from(top) >= total(&raised));
        }

        #[test]
        fn turns_follow_weights(earned in proptest::collection::vec(0..6_000_u64, 1..40)) {
            let weights = weights(&earned);
            let turns = turns(&weights);
            prop_assert!(turns.len() <= 9 * weights.len());
            let all = turns.len() as f64;
            for (place, weight) in weights.iter().enumerate() {
                let mine: Vec<usize> = (0..turns.len()).filter(|at| turns[*at] == place).collect();
                let exact = f64::from(*weight) / total(&weights) as f64;
                let found = mine.len() as f64 / all;
                prop_assert!(!mine.is_empty());
                // To within a turn of 8 for each validator.
                let slack = 1.0 / (8.0 * weights.len() as f64) + 0.01;
                prop_assert!((found - exact).abs() <= slack, "{found} {exact}");
                for (one, next) in mine.iter().zip(mine.iter().cycle().skip(1)) {
                    let gap = (next + turns.len() - one - 1) % turns.len() + 1;
                    // Never three times as long as its share asks for.
                    prop_assert!((gap as f64) < 3.0 / found, "{gap} {found}");
                }
            }
            let after = |at: usize, by: usize| turns[(at + by) % turns.len()];
            let pair = |at: &usize| after(*at, 0) == after(*at, 1);
            let pairs: Vec<usize> = (0..turns.len()).filter(pair).collect();
            prop_assert!(weights.len() == 1 || 4 * pairs.len() <= turns.len(), "{turns:?}");
            let three = |at: &usize| after(*at, 0) == after(*at, 2);
            prop_assert!(weights.len() == 1 || !pairs.iter().any(three), "{turns:?}");
        }
    }
}
