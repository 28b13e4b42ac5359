//! Tests 13 to 15 of the design, and the two attacks on a weakened copy of the product: each succeeds
//! on the scheme as published, or as weakened, and fails on the product.
//!
//! `docs/attacks.md` tells them; `cargo run --release -p ibpre --example attacks` draws its plots from
//! the same functions.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod affine;
mod chain;
mod lattice;
mod malicious;
mod ring;
#[path = "../../src/test_rng.rs"]
mod test_rng;
mod transcripts;
mod world;

use ibpre::literal::{Parameters, SMALL, TOY};
use transcripts::Turned;

/// 13: three colluders of the published scheme open anyone; sums of the product's keys are no keys.
#[test]
fn affine_identities_chosen() {
    for parameters in [TOY, SMALL] {
        let forged = affine::chosen(parameters);
        assert_eq!(forged.bits, affine::BITS);
        assert!(forged.stretch < 2.0, "{}", forged.stretch);
    }
    let product = affine::product();
    let [forged, honest] = product.noise;
    assert!(!product.accepted);
    // What is left is uniform modulo q: q/√12 = 297968, against 56900 under the right key.
    assert!((forged / 297_968.0 - 1.0).abs() < 0.05, "{forged}");
    assert!((honest / 57_100.0 - 1.0).abs() < 0.08, "{honest}");
}

/// 13: ℓ + 4 random colluders mostly do; far fewer never do.
#[test]
fn affine_identities_random() {
    let parameters = Parameters {
        identity_bits: 8,
        ..TOY
    };
    assert_eq!(affine::random(parameters, 4, 10).0, 0);
    let (opened, _) = affine::random(parameters, 14, 10);
    assert!(opened >= 8, "{opened}");
}

/// 14: one user with the proxy has all keys of a published chain; of the product's only the scope that
/// was granted to him.
#[test]
fn delegation_chain() {
    assert_eq!(chain::published(TOY), (chain::USERS, affine::BITS));
    let fallen = chain::product();
    let (granted, others) = fallen.split_last().unwrap();
    assert!(*granted);
    assert!(others.iter().all(|fallen| !fallen), "{fallen:?}");
}

/// 14: the proxy alone averages the rks of many grants, as the hint budget supposes.
#[test]
fn many_grants_of_one_key() {
    for grants in [1, 64] {
        let [measured, formula] = chain::many_grants(grants);
        assert!(
            (measured / formula - 1.0).abs() < 0.12,
            "{measured} {formula}"
        );
    }
}

/// 15: m − n re-encrypted bits of the published scheme give rk and the delegator's key.
#[test]
fn exact_transcripts_over_matrices() {
    let solved = transcripts::published(TOY);
    let needed = TOY.m() - TOY.n;
    assert_eq!(solved.free.len() - 1, needed);
    assert_eq!(solved.free[needed - 1], 1);
    assert!(solved.exact);
    assert_eq!(solved.bits, affine::BITS);
}

/// 15: without noise one capsule gives rk; the product's answer gives nothing by the same division.
#[test]
fn exact_transcripts_over_the_ring() {
    let (fallen, compressed) = transcripts::without_noise();
    assert!(fallen);
    assert!(compressed < 0.01, "{compressed}"); // compression alone stops the division, not least squares
    let (exact, fallen) = transcripts::product_divided();
    assert!(exact < 0.01, "{exact}");
    assert!(!fallen);
}

/// 15: with noise, least squares over honest transcripts is as good as computed and no better.
#[test]
fn noisy_transcripts() {
    for count in [256, 2048] {
        hints(count, Turned::ByProduct);
    }
    hints(256, Turned::WithNoise);
    hints(64, Turned::Rounded);
}

fn hints(count: u32, turned: Turned) {
    let estimate = transcripts::least_squares(count, turned);
    let ratio = estimate.measured / estimate.formula;
    assert!((ratio - 1.0).abs() < 0.05, "{count}: {ratio}");
    assert!(estimate.exact < 0.12, "{count}: {}", estimate.exact);
}

/// As `noisy_transcripts`, up to the whole hint budget of a scope key: (√29728 + 8.6)² ≤ 2^15.
#[test]
#[ignore = "a minute of capsules: cargo xtask attacks"]
fn noisy_transcripts_to_the_end_of_the_budget() {
    hints(29_728, Turned::ByProduct);
    hints(2048, Turned::WithNoise);
}

/// Seven capsules made to measure give rk where nobody has to accept them; the wallet accepts none.
#[test]
fn capsules_made_to_measure() {
    for (progress, fallen) in [
        malicious::made_to_measure(),
        malicious::acceptance_skipped(),
    ] {
        let last = progress.last().unwrap();
        assert!(last.error < 0.1, "y = {}: {}", last.factor, last.error);
        assert_eq!(last.exact, 1.0);
        assert!(fallen);
    }
    assert_eq!(malicious::accepted_by_the_product(), 0);
}

/// Fresh noise averages out on replay; the product answers a replay with the same bytes.
#[test]
fn replay() {
    for replays in [1, 16, 256] {
        let [weak, product] = malicious::replayed(replays);
        let formula = 16384.0 / f64::from(replays).sqrt();
        assert!((weak / formula - 1.0).abs() < 0.12, "{weak} {formula}");
        assert!(product > 15_000.0, "{product}");
    }
    assert_eq!(malicious::replayed_long_enough(), [true, false]);
}
