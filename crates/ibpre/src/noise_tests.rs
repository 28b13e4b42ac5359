//! Tests 8 and 16 of the design: no failure, noise as wide as computed, E as random as claimed.
//!
//! Fixed seeds, bounds of 5 standard deviations; `crate::statistics` says how to have more.

use std::collections::BTreeSet;

use crate::code;
use crate::encapsulate::{Capsule, subtract_from_compressed};
use crate::hash;
use crate::params::{ParameterSet, SetA, SetB};
use crate::ring::ntt::{Prepared, centred, transformed};
use crate::ring::samplers::noise;
use crate::statistics::{below, chi_square_limit, in_parallel, near, rng, scale};
use crate::*;

/// Σ of squares of the noise in c − s2·y around the codeword of `message`.
fn energy<P: ParameterSet>(s2: &[i32], capsule: &Capsule<P>, c: &[u32], message: &[u8; 32]) -> f64 {
    let hat = transformed::<P>(capsule.y().iter().map(|&y| u64::from(y)));
    let w = subtract_from_compressed::<P>(c, &Prepared::<P>::new_signed(s2).multiply(&hat));
    let mut encoded = vec![0; P::N];
    code::add_encoded::<P>(message, &mut encoded);
    w.iter()
        .zip(&encoded)
        .map(|(&w, &e)| {
            let q = u64::from(P::Q);
            f64::from(centred::<P>(((w + q - e) % q) as u32)).powi(2)
        })
        .sum()
}

/// `expected`: standard deviations with rounding, fresh and re-encrypted. `keys` scope keys, `each`
/// capsules under each.
fn no_failure_and_noise<P: ParameterSet>(keys: usize, each: usize, expected: [f64; 2]) {
    let extractor = Extractor::new(&setup::<P>(&mut rng("failures")));
    let sums = in_parallel(keys, |key| energies(&extractor, key as u64, each));
    for (i, state) in ["fresh", "re-encrypted"].into_iter().enumerate() {
        let sum: f64 = sums.iter().map(|sum| sum[i]).sum();
        let deviation = (sum / (keys * each * P::N) as f64).sqrt();
        // One key's standard deviation varies by 1.6 %, the mean over keys by that over √keys.
        let tolerance = expected[i] * 5.0 * 0.016 / (keys as f64).sqrt();
        let name = format!("noise of set {}, {state}: standard deviation", P::NAME);
        near(&name, deviation, expected[i], tolerance);
    }
    let name = format!("failures in {} capsules of set {}", keys * each, P::NAME);
    below(&name, sums.iter().map(|sum| sum[2]).sum(), 0.0);
}

/// Sums of squares of the noise of `each` capsules, fresh and re-encrypted, and failures to open.
fn energies<P: ParameterSet>(extractor: &Extractor<P>, key: u64, each: usize) -> [f64; 3] {
    let rng = &mut rng(&format!("failures {key}"));
    let public = extractor.public_params();
    let mut issued = BTreeSet::new();
    let sid = scope_id::<P>(&key.to_le_bytes());
    let gid = GrantId::from_bytes(hash::terms::<P>(&key.to_le_bytes()));
    let scope = ScopeKey::new(public, sid);
    let e1 = extractor.extract(sid, &mut issued, rng).unwrap();
    let (e2, rk) = rekey(extractor, &e1, gid, &mut issued, rng).unwrap();
    let noise_key = NoiseKey::generate(rng);
    let delegator = DecapsulationKey::new(&scope, &e1, [0; 32]);
    let proxy = rk.prepare();
    let verified = e2.clone().verify(public, gid).unwrap();
    let opener = verified.prepare(&scope).unwrap();
    let mut sums = [0.0; 3];
    for _ in 0..each {
        let mut message = [0; 32];
        rand_core::Rng::fill_bytes(rng, &mut message);
        let (secret, capsule) = scope.encapsulate_with(&message);
        let same = |found: SharedSecret<P>| found.as_secret() == secret.as_secret();
        let own = delegator.accept(&capsule).is_ok_and(same);
        let id = capsule.id(public.pkh(), sid);
        let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
        let c2 = proxy.reencrypt(&accepted, &noise_key, gid, id);
        let theirs = opener.decapsulate(&capsule, &c2).is_ok_and(same);
        sums[2] += f64::from(u8::from(!own) + u8::from(!theirs));
        sums[0] += energy(e1.s2(), &capsule, &capsule.c1(), &message);
        sums[1] += energy(e2.s2(), &capsule, &c2.c2(), &message);
    }
    sums
}

/// Test 8. The size of the design, 10^5 capsules over 1000 keys, is that of ten times the sample.
#[test]
fn set_a_never_fails_and_its_noise_is_as_computed() {
    let (keys, each) = if scale() >= 10 { (1000, 100) } else { (64, 40) };
    no_failure_and_noise::<SetA>(keys, each, [57_100.0, 59_600.0]);
}

#[test]
fn set_b_never_fails_and_its_noise_is_as_computed() {
    // Turned: the fresh noise, E and the rounding of c2, √(115190² + 65536² + 2^30/12).
    no_failure_and_noise::<SetB>(24 * scale(), 10, [115_190.0, 132_870.0]);
}

/// E of one noise key, grant and capsule; all of them others for another seed.
fn drawn<P: ParameterSet>(key: u64, grant: u64, capsule: u64) -> Vec<i32> {
    let id = |label: &str, number: u64| -> [u8; 32] {
        let mut bytes = [0; 32];
        rand_core::Rng::fill_bytes(&mut rng(&format!("{label} {number}")), &mut bytes);
        bytes
    };
    let (key, grant) = (id("noise key", key), id("grant", grant));
    noise::<P>(&hash::noise::<P>(&key, &grant, &id("capsule", capsule))).to_vec()
}

/// Test 16: chi-square of E against the normal law in 32 cells of equal probability, mean, kurtosis,
/// and no correlation of neighbours.
#[test]
fn noise_is_normal() {
    fn check<P: ParameterSet>() {
        // Upper borders of the cells above 0 in standard deviations: Φ⁻¹(1/2 + i/32), i = 1..16.
        const BORDERS: [f64; 15] = [
            0.078_412_4,
            0.157_310_7,
            0.237_202_1,
            0.318_639_4,
            0.402_250_1,
            0.488_776_4,
            0.579_132_2,
            0.674_489_8,
            0.776_421_8,
            0.887_146_6,
            1.009_990_2,
            1.150_349_4,
            1.318_010_9,
            1.534_120_5,
            1.862_731_9,
        ];
        let drawn = in_parallel(128 * scale(), |c| drawn::<P>(1, 1, c as u64));
        let samples: Vec<i32> = drawn.into_iter().flatten().collect();
        let mut cells = [0u32; 32];
        for &e in &samples {
            let x = f64::from(e) / f64::from(P::SIGMA_NOISE);
            let at = BORDERS.iter().filter(|&&b| x.abs() > b).count();
            cells[if x < 0.0 { 15 - at } else { 16 + at }] += 1;
        }
        let expected = samples.len() as f64 / 32.0;
        let chi: f64 = cells
            .iter()
            .map(|&c| (f64::from(c) - expected).powi(2) / expected)
            .sum();
        let name = |what: &str| format!("E of set {}: {what}", P::NAME);
        below(&name("chi-square"), chi, chi_square_limit(31));
        let n = samples.len() as f64;
        let sigma = f64::from(P::SIGMA_NOISE);
        let moment = |k: i32| {
            let powers = samples.iter().map(|&e| (f64::from(e) / sigma).powi(k));
            powers.sum::<f64>() / n
        };
        near(&name("mean over σ_E"), moment(1), 0.0, 5.0 / n.sqrt());
        near(
            &name("variance over σ_E²"),
            moment(2),
            1.0,
            5.0 * (2.0 / n).sqrt(),
        );
        let kurtosis = moment(4) / moment(2).powi(2);
        near(&name("kurtosis"), kurtosis, 3.0, 5.0 * (24.0 / n).sqrt());
        let products = |lag: usize| {
            let pairs = samples.iter().zip(&samples[lag..]);
            let product = |(&a, &b): (&i32, &i32)| f64::from(a) * f64::from(b);
            pairs.map(product).sum::<f64>().abs() / (sigma * sigma * n.sqrt())
        };
        let largest = (1..9).map(products).fold(0.0, f64::max);
        below(&name("largest autocorrelation, lags 1 to 8"), largest, 5.0);
    }
    check::<SetA>();
    check::<SetB>();
}

/// Test 16: the noise is the same on replay and unrelated across noise keys, grants and capsules.
#[test]
fn noise_is_a_function_of_key_grant_and_capsule() {
    assert_eq!(drawn::<SetA>(1, 1, 1), drawn::<SetA>(1, 1, 1));
    let variance = f64::from(SetA::SIGMA_NOISE).powi(2);
    let turns = 32 * scale() as u64;
    for (i, what) in ["noise keys", "grants", "capsules"].into_iter().enumerate() {
        let product: f64 = (0..turns)
            .map(|turn| {
                let mut from = [2 * turn; 3];
                let base = drawn::<SetA>(from[0], from[1], from[2]);
                from[i] += 1;
                let other = drawn::<SetA>(from[0], from[1], from[2]);
                let pairs = base.iter().zip(&other);
                let product = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b));
                product.sum::<f64>()
            })
            .sum();
        let deviation = variance * ((turns as usize * SetA::N) as f64).sqrt();
        let name = format!("E of two {what}: correlation");
        below(&name, (product / deviation).abs(), 5.0);
    }
}
