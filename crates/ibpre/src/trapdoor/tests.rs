//! Keys and preimages: the design's tests 3, 4 and 5, and agreement with an independent
//! implementation (the crate `ntru-trapdoor`).
//!
//! Fixed seeds, bounds of five standard deviations; `crate::statistics` says how to have more.

use super::*;
use crate::params::{SetA, SetB};
use crate::statistics::{below, chi_square_limit, in_parallel, near, rng, scale};
use crate::test_rng::TestRng;
use rand_core::Rng;

/// A target with coefficients below q (rejection, so uniform).
fn target<P: ParameterSet>(rng: &mut TestRng) -> Vec<u32> {
    let mask = (1 << P::Q_BITS) - 1;
    core::iter::repeat_with(|| rng.next_u32() & mask)
        .filter(|&c| c < P::Q)
        .take(P::N)
        .collect()
}

/// a·b modulo X^n + 1 over the integers, by the book.
fn schoolbook(a: &[i64], b: &[i64]) -> Vec<i64> {
    let n = a.len();
    let mut product = vec![0; n];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let sign = if i + j < n { 1 } else { -1 };
            product[(i + j) % n] += sign * x * y;
        }
    }
    product
}

fn integers<T: Copy + Into<i64>>(x: &[T]) -> Vec<i64> {
    x.iter().map(|&c| c.into()).collect()
}

fn norm_squared(s1: &[i32], s2: &[i32]) -> u64 {
    s1.iter()
        .chain(s2)
        .map(|&c| u64::from(c.unsigned_abs()).pow(2))
        .sum()
}

/// Test 3: f·G − g·F = q, h·f = g, both norms, all leaf widths.
fn check_keys<P: ParameterSet>(count: usize) {
    in_parallel(count * scale(), |key| {
        let mut rng = rng(&format!("keys {} {key}", P::NAME));
        let basis = generate::<P>(&mut rng);
        let [f, g, big_f, big_g] =
            [basis.f(), basis.g(), basis.big_f(), basis.big_g()].map(integers);
        let (fg, gf) = (schoolbook(&f, &big_g), schoolbook(&g, &big_f));
        for (i, (x, y)) in fg.iter().zip(&gf).enumerate() {
            assert_eq!(x - y, if i == 0 { P::Q.into() } else { 0 });
        }
        let q = i64::from(P::Q);
        let hf = schoolbook(&f, &integers(basis.public()));
        assert!(hf.iter().zip(&g).all(|(x, y)| (x - y) % q == 0));
        assert!(basis.public().iter().all(|&c| c < P::Q));

        let first: i64 = f.iter().chain(&g).map(|c| c * c).sum();
        assert!(first as f64 <= 1.17 * 1.17 * q as f64);
        // The first leaf of each half is σ_e over a Gram-Schmidt norm, and no leaf of that half is
        // narrower: the lower bound is both norm bounds again, from the tree.
        let (smallest, largest) = Tree::new(&basis).leaf_widths();
        assert!(smallest >= P::SIGMA_MIN * (1.0 - 1e-9), "{smallest}");
        assert!(
            largest <= P::SIGMA_MIN * 1.17 * 1.17 * (1.0 + 1e-9),
            "{largest}"
        );
        // (F, G) is reduced: about √(n/12) times as long as (f, g).
        let long: i64 = big_f.iter().chain(&big_g).map(|c| c * c).sum();
        assert!((long as f64) < 1.5 * first as f64 * P::N as f64 / 12.0);
    });
}

#[test]
fn keys_of_set_a() {
    check_keys::<SetA>(100);
}

#[test]
fn keys_of_set_b() {
    check_keys::<SetB>(10);
}

#[test]
fn what_is_not_a_trapdoor_is_refused() {
    let basis = generate::<SetA>(&mut TestRng::new(b"refused"));
    let parts = || [basis.f(), basis.g(), basis.big_f(), basis.big_g()].map(<[i16]>::to_vec);
    let check = |[f, g, big_f, big_g]: [Vec<i16>; 4]| Basis::<SetA>::check(f, g, big_f, big_g);
    assert!(check(parts()).is_some_and(|same| same.public() == basis.public()));
    for part in 0..4 {
        for position in [0, 511, 1023] {
            let mut changed = parts();
            changed[part][position] += 1;
            assert!(
                check(changed).is_none(),
                "part {part}, coefficient {position}"
            );
        }
        let mut short = parts();
        short[part].pop();
        assert!(check(short).is_none());
        for extreme in [i16::MIN, i16::MAX] {
            let mut large = parts();
            large[part][7] = extreme;
            assert!(check(large).is_none());
        }
    }
    let [f, g, big_f, big_g] = parts();
    assert!(check([g, f, big_g, big_f]).is_none());
    assert!(check([(); 4].map(|()| vec![0; SetA::N])).is_none());
}

/// Short f and g satisfy the equation but leave the second Gram-Schmidt vector long, and with it a
/// dense sublattice.
#[test]
fn a_basis_with_ternary_f_and_g_is_refused() {
    let mut rng = TestRng::new(b"ternary");
    let mut ternary = || {
        (0..SetA::N)
            .map(|_| (rng.next_u32() % 3) as i16 - 1)
            .collect::<Vec<_>>()
    };
    let (f, g, (big_f, big_g)) = loop {
        let (f, g) = (ternary(), ternary());
        if let Some(pair) = solve::ntru_solve(&f, &g, SetA::Q) {
            break (f, g, pair);
        }
    };
    assert!(!is_short::<SetA>(&f, &g));
    assert!(Basis::<SetA>::check(f, g, big_f, big_g).is_none());
}

/// Test 4: the equation, the norm bound, and the mean norm.
fn check_preimages<P: ParameterSet>(keys: usize, ids: usize) {
    let ids = ids * scale();
    let norms = in_parallel(keys, |key| {
        let mut rng = rng(&format!("preimages {} {key}", P::NAME));
        let basis = generate::<P>(&mut rng);
        let tree = Tree::new(&basis);
        let mut sum = 0.0;
        for id in 0..ids {
            let u = target::<P>(&mut rng);
            let (s1, s2) = tree.preimage(&u, &mut rng);
            let norm = norm_squared(&s1, &s2);
            assert!(norm <= P::KEY_NORM_SQ);
            sum += norm as f64;
            if id % 20 == 0 {
                let product = schoolbook(&integers(basis.public()), &integers(&s2));
                let q = i64::from(P::Q);
                for ((p, s), u) in product.iter().zip(&s1).zip(&u) {
                    assert_eq!((p + i64::from(*s) - i64::from(*u)) % q, 0);
                    assert!(s.unsigned_abs() <= P::Q / 2);
                }
            }
        }
        sum
    });
    let coefficients = (keys * ids * 2 * P::N) as f64;
    let ratio = norms.iter().sum::<f64>() / (coefficients * P::SIGMA_E * P::SIGMA_E);
    let name = format!("preimages, set {}: mean square over σ_e²", P::NAME);
    near(&name, ratio, 1.0, 5.0 * (2.0 / coefficients).sqrt());
}

#[test]
fn preimages_of_set_a() {
    check_preimages::<SetA>(10, 1000);
}

#[test]
fn preimages_of_set_b() {
    check_preimages::<SetB>(3, 300);
}

/// Targets that are no random hash: all zero, all q − 1, one coefficient.
#[test]
fn preimages_of_extreme_targets() {
    let mut rng = TestRng::new(b"extreme");
    let tree = Tree::new(&generate::<SetA>(&mut rng));
    let mut single = vec![0; SetA::N];
    single[1] = 1;
    for u in [vec![0; SetA::N], vec![SetA::Q - 1; SetA::N], single] {
        let (s1, s2) = tree.preimage(&u, &mut rng);
        let (other, _) = tree.preimage(&u, &mut rng);
        assert_ne!(s1, other, "fresh randomness each time");
        assert!(norm_squared(&s1, &s2) > (SetA::SIGMA_E.powi(2) * 1800.0) as u64);
    }
}

/// Moments of ⟨s, b·X^i⟩/‖b‖ over all i and all samples: the sum, the sum of squares.
struct Projection {
    first: Vec<f64>,
    second: Vec<f64>,
    mean: Vec<f64>,
    square: f64,
}

impl Projection {
    /// On the vector with the given transforms.
    fn on(first: Vec<f64>, second: Vec<f64>) -> Self {
        let n = first.len();
        Self {
            first,
            second,
            mean: vec![0.0; n],
            square: 0.0,
        }
    }

    fn add(&mut self, s1: &[f64], s2: &[f64]) {
        let mut products = vec![0.0; s1.len()];
        fft::multiply_adjoint_add(&mut products, s1, &self.first);
        fft::multiply_adjoint_add(&mut products, s2, &self.second);
        fft::inverse(&mut products);
        for (mean, x) in self.mean.iter_mut().zip(&products) {
            *mean += x;
            self.square += x * x;
        }
    }

    /// Mean zero in each of the n directions, and variance σ² on the average over them.
    fn check(&self, name: &str, sigma: f64, samples: usize) {
        let n = self.mean.len() as f64;
        let samples = samples as f64;
        let eigenvalues = fft::norm_squared(&self.first, &self.second);
        let norm = eigenvalues.iter().sum::<f64>() / eigenvalues.len() as f64;
        let unit = norm.sqrt() * sigma;
        // 1024 directions: 6 deviations are as rare among them as 5 for one.
        let largest = self.mean.iter().fold(0.0_f64, |max, m| max.max(m.abs()));
        let largest = largest / (unit * samples.sqrt());
        below(
            &format!("preimages along {name}: largest mean"),
            largest,
            6.0,
        );
        // Σ_i ⟨s, b·X^i⟩² is a quadratic form in a normal vector, with these eigenvalues.
        let spread = eigenvalues.iter().map(|e| (e / norm).powi(2)).sum::<f64>();
        let deviation = (2.0 * spread / eigenvalues.len() as f64 / (n * samples)).sqrt();
        let ratio = self.square / (samples * n * unit * unit);
        let name = format!("preimages along {name}: variance over σ_e²");
        near(&name, ratio, 1.0, 5.0 * deviation);
    }
}

/// Test 5: the preimages are a spherical Gaussian that shows nothing of the basis.
#[test]
fn shape_of_preimages() {
    type P = SetA;
    let mut rng = rng("shape");
    let basis = generate::<P>(&mut rng);
    let tree = Tree::new(&basis);
    let samples = 2000 * scale();
    let n = P::N;

    let minus = |x: Vec<f64>| x.iter().map(|c| -c).collect::<Vec<_>>();
    let (f, g) = (transform(basis.f()), transform(basis.g()));
    // The second Gram-Schmidt vector: (q·adj f, q·adj g)/(f·adj f + g·adj g).
    let norms = fft::norm_squared(&f, &g);
    let adjoint = |x: &[f64]| -> Vec<f64> {
        (0..n)
            .map(|k| x[k] / norms[k % (n / 2)] * if k < n / 2 { 1.0 } else { -1.0 })
            .map(|x| x * f64::from(P::Q))
            .collect()
    };
    let mut projections = [
        Projection::on(adjoint(&f), adjoint(&g)),
        Projection::on(g, minus(f)),
        Projection::on(transform(basis.big_g()), minus(transform(basis.big_f()))),
    ];

    // 62 inner bins of σ/8, two tails.
    let mut bins = [0_u64; 64];
    let (mut fourth, mut square) = (0.0, 0.0);
    let mut lagged = [0.0; 16];
    let mut crossed = 0.0;
    for _ in 0..samples {
        let (s1, s2) = tree.preimage(&target::<P>(&mut rng), &mut rng);
        for &c in s1.iter().chain(&s2) {
            let x = f64::from(c) / P::SIGMA_E;
            bins[((x * 8.0).floor() as i64 + 32).clamp(0, 63) as usize] += 1;
            square += x * x;
            fourth += x.powi(4);
        }
        for s in [&s1, &s2] {
            for (lag, sum) in lagged.iter_mut().enumerate() {
                let pairs = s.iter().zip(&s[lag + 1..]);
                *sum += pairs
                    .map(|(&a, &b)| f64::from(a) * f64::from(b))
                    .sum::<f64>();
            }
        }
        crossed += s1
            .iter()
            .zip(&s2)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>();
        let [s1, s2] = [s1, s2].map(|s| {
            let mut s: Vec<f64> = s.iter().map(|&c| f64::from(c)).collect();
            fft::forward(&mut s);
            s
        });
        projections.iter_mut().for_each(|p| p.add(&s1, &s2));
    }

    let count = (samples * 2 * n) as f64;
    let tolerance = 5.0 * (2.0 / count).sqrt();
    near(
        "preimages, one key: mean square over σ_e²",
        square / count,
        1.0,
        tolerance,
    );
    // Bin edges are real, coefficients integers: the mass of a bin is that of its integers.
    let mut mass = [0.0; 64];
    for c in -20_000_i32..=20_000 {
        let x = f64::from(c) / P::SIGMA_E;
        mass[((x * 8.0).floor() as i64 + 32).clamp(0, 63) as usize] += libm::exp(-x * x / 2.0);
    }
    let total: f64 = mass.iter().sum();
    let statistic: f64 = bins
        .iter()
        .zip(&mass)
        .map(|(&seen, mass)| (seen as f64 - count * mass / total).powi(2) / (count * mass / total))
        .sum();
    let limit = chi_square_limit(63);
    below("preimages: chi-square of coefficients", statistic, limit);
    let kurtosis = fourth / count / (square / count).powi(2);
    let tolerance = 5.0 * (24.0 / count).sqrt();
    near("preimages: kurtosis", kurtosis, 3.0, tolerance);
    let variance = P::SIGMA_E * P::SIGMA_E;
    let largest = lagged.iter().fold(0.0_f64, |max, sum| max.max(sum.abs()));
    let largest = largest / (variance * count.sqrt());
    below(
        "preimages: largest autocorrelation, lags 1 to 16",
        largest,
        5.0,
    );
    let crossed = crossed.abs() / (variance * (count / 2.0).sqrt());
    below("preimages: correlation of s1 with s2", crossed, 5.0);
    let names = ["the second Gram-Schmidt vector", "(g, −f)", "(G, −F)"];
    for (projection, name) in projections.iter().zip(names) {
        projection.check(name, P::SIGMA_E, samples);
    }
}

/// Set A as the other implementation describes it.
fn oracle_parameters() -> ntru_trapdoor::Params {
    ntru_trapdoor::Params {
        name: "set A",
        q: SetA::Q,
        sigma: SetA::SIGMA_E,
        inv_sigma: 1.0 / SetA::SIGMA_E,
        inv_q: 1.0 / f64::from(SetA::Q),
        beta_sq: SetA::KEY_NORM_SQ,
        sigma_fg: SetA::SIGMA_FG,
        fg_table: &ntru_trapdoor::tables::FG_PCS_128,
        gs_bound_num: 13_689 * u64::from(SetA::Q),
        sk_fg_bits: 10,
        sk_big_fg_bits: 13,
        ..ntru_trapdoor::Params::FALCON_1024
    }
}

#[test]
fn our_keys_and_preimages_verify_under_the_oracle() {
    let mut rng = TestRng::new(b"oracle, ours");
    let params = oracle_parameters();
    let basis = generate::<SetA>(&mut rng);
    let parts = [basis.f(), basis.g(), basis.big_f(), basis.big_g()].map(<[i16]>::to_vec);
    let [f, g, big_f, big_g] = parts;
    let secret = ntru_trapdoor::SecretKey::from_parts(&params, f, g, big_f, big_g).unwrap();
    secret.validate().unwrap();
    let public = secret.public_key().unwrap();
    assert_eq!(public.h().coeffs(), basis.public());
    let expanded = ntru_trapdoor::ExpandedKey::new(&secret).unwrap();
    let (first, second) =
        ntru_trapdoor::hazmat::gram_schmidt_sq_norms(&params, basis.f(), basis.g());
    let bound = 1.17 * 1.17 * f64::from(SetA::Q);
    assert!(first as f64 <= bound && second <= bound);
    let tree = Tree::new(&basis);
    let (ours, theirs) = (tree.leaf_widths(), expanded.leaf_sigma_range());
    assert!((ours.0 - theirs.0).abs() < 1e-9 && (ours.1 - theirs.1).abs() < 1e-9);
    for _ in 0..20 {
        let u = target::<SetA>(&mut rng);
        let (s0, s1) = tree.preimage(&u, &mut rng);
        let u = ntru_trapdoor::RqPoly::from_coeffs(&params, &u).unwrap();
        let s = ntru_trapdoor::Preimage { s0, s1 };
        assert!(ntru_trapdoor::verify(&public, &u, &s, params.beta_sq));
    }
}

#[test]
fn keys_and_preimages_of_the_oracle_verify_here() {
    let mut rng = TestRng::new(b"oracle, theirs");
    let params = oracle_parameters();
    let (public, secret) = ntru_trapdoor::trapgen(&params, &[7; 32]).unwrap();
    let basis = Basis::<SetA>::check(
        secret.f().to_vec(),
        secret.g().to_vec(),
        secret.big_f().to_vec(),
        secret.big_g().to_vec(),
    )
    .unwrap();
    assert_eq!(public.h().coeffs(), basis.public());
    let tree = Tree::new(&basis);
    let expanded = ntru_trapdoor::ExpandedKey::new(&secret).unwrap();
    for i in 0..20 {
        let u = target::<SetA>(&mut rng);
        let (s0, s1) = tree.preimage(&u, &mut rng);
        let wrapped = ntru_trapdoor::RqPoly::from_coeffs(&params, &u).unwrap();
        let ours = ntru_trapdoor::Preimage { s0, s1 };
        assert!(ntru_trapdoor::verify(
            &public,
            &wrapped,
            &ours,
            params.beta_sq
        ));
        let theirs = ntru_trapdoor::samp_pre(&expanded, &wrapped, &[i; 32]).unwrap();
        assert_eq!(tree.complete(&u, &theirs.s1), theirs.s0);
        assert!(norm_squared(&theirs.s0, &theirs.s1) <= SetA::KEY_NORM_SQ);
    }
}
