//! The ranking of hospitals: credit that decays with a half-life, in integers.

use base::{
    AccountId, Millis,
    operation::{Role, Verdict},
};
use serde::{Deserialize, Serialize};

use crate::state::{
    Stop, Work,
    entry::{Account, ReviewCounts, Standing},
};

/// Fraction bits of a score.
const SCORE_BITS: u32 = 20;

/// One line of the ranking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranked {
    /// The hospital.
    pub hospital: AccountId,
    /// Decayed credit, in thousandths.
    pub score: i64,
    /// Credits as they stand, without decay.
    pub balance: i64,
    /// The reviews behind it.
    pub reviews: ReviewCounts,
    /// Upheld disputes against it.
    pub marks: u32,
    /// Emergencies it declared.
    pub emergencies: u32,
}

/// What is left of `score` after whole `days`: score · 2^(−days/half_life), rounded toward
/// zero; deterministic, exact to about one part in 2^40.
pub fn decayed(score: i64, days: u64, half_life: u32) -> i64 {
    let half_life = u64::from(half_life.max(1));
    let (whole, mut rest) = (days / half_life, days % half_life);
    if whole >= 63 {
        return 0;
    }
    // 2^(−rest/half_life), 62 fraction bits: product of 2^(−2^−k) over the bits of the
    // quotient, whose constants come from repeated integer square roots.
    let mut factor: u128 = ONE;
    let mut root: u128 = ONE / 2; // 2^(−1)
    for _ in 0..42 {
        root = (root << FACTOR_BITS).isqrt(); // < 2^62 · 2^62
        rest *= 2; // < 2^33
        if rest >= half_life {
            rest -= half_life;
            factor = (factor * root) >> FACTOR_BITS;
        }
    }
    let magnitude = (u128::from(score.unsigned_abs()) * factor) >> FACTOR_BITS >> whole;
    let magnitude = i64::try_from(magnitude).unwrap_or(i64::MAX); // factor <= 1
    if score < 0 { -magnitude } else { magnitude }
}

/// Adds credits to a hospital's decaying score.
pub(super) fn score(work: &mut Work<'_, '_>, hospital: AccountId, amount: i64) -> Result<(), Stop> {
    let half_life = work.policy()?.half_life_days;
    let day = work.now().day();
    update(work, hospital, |standing| {
        let kept = decayed(standing.score, day.saturating_sub(standing.day), half_life);
        standing.score = kept.saturating_add(amount.saturating_mul(1 << SCORE_BITS));
        standing.day = day;
    })
}

/// Whole credits of a score, decayed to `now`; 0 for a negative one.
pub(super) fn credits(standing: &Standing, now: Millis, half_life: u32) -> u64 {
    let days = now.day().saturating_sub(standing.day);
    let score = decayed(standing.score, days, half_life);
    u64::try_from(score >> SCORE_BITS).unwrap_or(0)
}

/// Counts a review of a hospital's record.
pub(crate) fn count_review(
    work: &mut Work<'_, '_>,
    hospital: AccountId,
    verdict: Verdict,
) -> Result<(), Stop> {
    update(work, hospital, |standing| {
        let counts = &mut standing.reviews;
        match verdict {
            Verdict::Accepted => counts.accepted += 1,
            Verdict::NotAsRequested => counts.not_as_requested += 1,
            Verdict::PoorQuality => counts.poor_quality += 1,
            Verdict::Fabricated => counts.fabricated += 1,
        }
    })
}

/// Counts an emergency.
pub(crate) fn count_emergency(work: &mut Work<'_, '_>, hospital: AccountId) -> Result<(), Stop> {
    update(work, hospital, |standing| {
        standing.emergencies = standing.emergencies.saturating_add(1);
    })
}

/// A mark for an upheld dispute.
pub(crate) fn mark(work: &mut Work<'_, '_>, account: AccountId) -> Result<(), Stop> {
    update(work, account, |standing| {
        standing.marks = standing.marks.saturating_add(1);
    })
}

fn update(
    work: &mut Work<'_, '_>,
    account: AccountId,
    change: impl FnOnce(&mut Standing),
) -> Result<(), Stop> {
    let mut standing = work.get::<Standing>(&account)?.unwrap_or_default();
    change(&mut standing);
    work.put(&account, &standing);
    Ok(())
}

/// Only hospitals rank; agents and queriers have marks without a place.
pub(crate) fn is_ranked(account: Option<Account>) -> bool {
    account.is_some_and(|account| account.role == Role::Hospital)
}

pub(crate) fn rank(
    hospital: AccountId,
    standing: Standing,
    balance: i64,
    now: Millis,
    half_life: u32,
) -> Ranked {
    let days = now.day().saturating_sub(standing.day);
    let score = decayed(standing.score, days, half_life);
    let thousandths = (i128::from(score) * 1_000) >> SCORE_BITS;
    Ranked {
        hospital,
        score: i64::try_from(thousandths).unwrap_or(i64::MAX),
        balance,
        reviews: standing.reviews,
        marks: standing.marks,
        emergencies: standing.emergencies,
    }
}

/// Best first; equal scores by account.
pub(crate) fn sort(ranking: &mut [Ranked]) {
    ranking.sort_by(|a, b| {
        b.score
            .cmp(&a.score)
            .then_with(|| a.hospital.cmp(&b.hospital))
    });
}

/// Fraction bits of a factor.
const FACTOR_BITS: u32 = 62;
const ONE: u128 = 1 << FACTOR_BITS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_after_a_half_life_and_never_rises() {
        let score = 1_000_000 << SCORE_BITS;
        assert_eq!(decayed(score, 0, 365), score);
        assert_eq!(decayed(score, 365, 365), score / 2);
        assert_eq!(decayed(score, 3 * 365, 365), score / 8);
        assert_eq!(decayed(-score, 365, 365), -score / 2);
        assert_eq!(decayed(score, 365 * 70, 365), 0);
        let mut last = score;
        for day in 1..800 {
            let now = decayed(score, day, 365);
            assert!(now < last, "day {day}");
            last = now;
        }
    }

    #[test]
    fn agrees_with_floating_point() {
        for (days, half_life) in [(1, 365), (100, 365), (200, 365), (364, 365), (7, 3), (1, 2)] {
            let exact = 2_f64.powi(40) * 2_f64.powf(-(days as f64) / f64::from(half_life));
            let ours = decayed(1 << 40, days, half_life) as f64;
            assert!(
                (ours - exact).abs() <= 2.0,
                "{days}/{half_life}: {ours} {exact}"
            );
        }
    }
}
