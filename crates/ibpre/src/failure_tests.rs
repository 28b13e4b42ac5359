//! Test 9 of the design: how rarely decoding fails, computed, and measured where it can be.
//!
//! A block fails only if for a codeword of weight w on positions D the noise z has
//! Σ_D |z_i| ≥ w·q/4, that is Σ_D s_i·z_i ≥ w·q/4 for a pattern s of signs. With p = Σ s_i·X^(−i) that sum
//! is ⟨e, (p·r, −p·x)⟩ plus the noises of one coefficient each, e Gaussian: a normal law whose
//! variance σ_e²·‖p·(r, x)‖² varies with r and x. p lives in the subring of Y = X^32, so (r, x) is 64
//! independent vectors t of N = n/32 ternary coefficients, and ‖p·t‖² has cumulants that follow from
//! the N values |p(ζ)|². The law of the sum is the convolution of all this: its cumulant generating
//! function is added up exactly, its tail taken by the saddle point. `docs/parameters.md` has the
//! figures.

use std::f64::consts::PI;

use rand_core::Rng;

use crate::code;
use crate::params::{ParameterSet, SetA, SetB};
use crate::ring::ntt::{Prepared, transformed};
use crate::ring::samplers::ternary;
use crate::statistics::{in_parallel, near, rng, scale};
use crate::test_rng::TestRng;
use crate::trapdoor::{Tree, generate};

/// P(±1) of a coefficient of r, x, x'; its second, fourth .. moment too.
const MASS: f64 = 170.0 / 256.0;

/// log2 of the failure probability of one capsule, as `docs/scheme.md` has it: fresh, re-encrypted.
const SET_A: [f64; 2] = [-141.6, -133.1];
const SET_B: [f64; 2] = [-276.5, -220.8];

/// The positions x of every codeword of a block, by the message byte.
fn words() -> Vec<Vec<usize>> {
    (0..=255)
        .map(|byte: u8| {
            let mut word = vec![0; SetA::N];
            code::add_encoded::<SetA>(&[byte; 32], &mut word);
            (0..32).filter(|x| word[32 * x] != 0).collect()
        })
        .collect()
}

/// Everything about a set that the sums need.
struct Noise {
    /// N = n/32.
    degree: usize,
    quarter: f64,
    key_variance: f64,
    /// Variance of what is added to each coefficient: x', rounding, E.
    own_variance: f64,
}

impl Noise {
    fn of<P: ParameterSet>(reencrypted: bool) -> Self {
        let rounding = f64::from(1 << P::C_SHIFT).powi(2) / 12.0;
        let e = f64::from(P::SIGMA_NOISE).powi(2);
        Self {
            degree: P::N / 32,
            quarter: f64::from(P::Q) / 4.0,
            key_variance: P::SIGMA_E * P::SIGMA_E,
            own_variance: MASS + rounding + if reencrypted { rounding + e } else { 0.0 },
        }
    }

    /// P(Σ s_i·z_i ≥ w·q/4) for a pattern of `weight` signs. `at` is the saddle point: 0, or that of a
    /// similar pattern.
    fn tail(&self, weight: f64, shape: &Shape, at: &mut f64) -> f64 {
        let [k1, k2, k3, k4] = shape.cumulants(self.degree as f64, weight);
        let threshold = weight * self.quarter;
        let own = weight * self.own_variance;
        let steps = if *at == 0.0 { 6 } else { 2 };
        if *at == 0.0 {
            *at = threshold / (own + 64.0 * k1 * self.key_variance);
        }
        let mut curvature = 0.0;
        let mut value = 0.0;
        for _ in 0..=steps {
            let here = *at;
            let theta = here * here * self.key_variance / 2.0;
            let log = theta * (k1 + theta * (k2 / 2.0 + theta * (k3 / 6.0 + theta * k4 / 24.0)));
            let first = k1 + theta * (k2 + theta * (k3 / 2.0 + theta * k4 / 6.0));
            let second = k2 + theta * (k3 + theta * k4 / 2.0);
            let slope = here * (own + 64.0 * first * self.key_variance);
            curvature =
                own + 64.0 * self.key_variance * (first + second * here * here * self.key_variance);
            value = here * here * own / 2.0 + 64.0 * log - here * threshold;
            *at += (threshold - slope) / curvature;
        }
        value.exp() / (*at * (2.0 * PI * curvature).sqrt())
    }
}

/// Sums of powers of |p(ζ)|² − w over the N roots ζ: what the law of ‖p·t‖² depends on.
#[derive(Clone, Copy, Default)]
struct Shape([f64; 3]);

impl Shape {
    /// The first four cumulants of ‖p·t‖². The first three are exact; of the fourth the terms that
    /// visit one coefficient twice are those of a normal t, and hardly matter.
    fn cumulants(&self, degree: f64, weight: f64) -> [f64; 4] {
        let Self([second, third, fourth]) = *self;
        let (p, rest) = (MASS, 1.0 - MASS);
        [
            degree * weight * p,
            degree * weight.powi(2) * p * rest + 2.0 * p * p * second,
            degree * weight.powi(3) * p * rest * (1.0 - 2.0 * p)
                + 12.0 * weight * p * p * rest * second
                + 8.0 * p.powi(3) * third,
            48.0 * p.powi(4) * fourth,
        ]
    }
}

/// The values p(ζ) of a pattern of signs, kept up while signs change one at a time.
struct Pattern {
    /// For each position its powers ζ^i at one root of each conjugate pair.
    powers: Vec<Vec<(f64, f64)>>,
    negative: Vec<bool>,
    values: Vec<(f64, f64)>,
}

impl Pattern {
    fn new(degree: usize, word: &[usize]) -> Self {
        let positions = (0..degree / 32).flat_map(|copy| word.iter().map(move |x| 32 * copy + x));
        let power = |i: usize, k: usize| {
            let angle = PI * (i * (2 * k + 1)) as f64 / degree as f64;
            (angle.cos(), angle.sin())
        };
        let powers: Vec<Vec<_>> = positions
            .map(|i| (0..degree / 2).map(|k| power(i, k)).collect())
            .collect();
        let mut pattern = Self {
            negative: vec![true; powers.len()],
            values: vec![(0.0, 0.0); degree / 2],
            powers,
        };
        for (value, i) in (0..degree / 2).map(|k| (k, 0..pattern.powers.len())) {
            for i in i {
                pattern.values[value].0 -= pattern.powers[i][value].0;
                pattern.values[value].1 -= pattern.powers[i][value].1;
            }
        }
        pattern
    }

    fn flip(&mut self, position: usize) {
        let sign = if self.negative[position] { 2.0 } else { -2.0 };
        self.negative[position] = !self.negative[position];
        for (value, power) in self.values.iter_mut().zip(&self.powers[position]) {
            value.0 += sign * power.0;
            value.1 += sign * power.1;
        }
    }

    fn weight(&self) -> f64 {
        self.powers.len() as f64
    }

    fn shape(&self) -> Shape {
        let mut sums = [0.0; 3];
        for (re, im) in &self.values {
            let off = re * re + im * im - self.weight();
            sums[0] += 2.0 * off * off;
            sums[1] += 2.0 * off * off * off;
            sums[2] += 2.0 * off * off * off * off;
        }
        Shape(sums)
    }

    /// ‖p·t‖².
    fn energy(&self, positions: &[usize], t: &[f64]) -> f64 {
        let n = t.len();
        let mut product = vec![0.0; n];
        for (&shift, &negative) in positions.iter().zip(&self.negative) {
            for (i, t) in t.iter().enumerate() {
                let sign = if negative == (i + shift < n) {
                    -1.0
                } else {
                    1.0
                };
                product[(i + shift) % n] += sign * t;
            }
        }
        product.iter().map(|x| x * x).sum()
    }
}

/// P(Σ ≥ ..) summed over the sign patterns of one word, for each noise: over all of them if there are
/// at most 2^`limit` up to the common sign, else over a sample.
fn word_failure(noises: &[Noise; 2], word: &[usize], limit: usize, rng: &mut TestRng) -> [f64; 2] {
    let mut pattern = Pattern::new(noises[0].degree, word);
    let free = pattern.powers.len() - 1;
    let weight = pattern.weight();
    let (mut sums, mut at) = ([0.0; 2], [0.0; 2]);
    let mut add = |pattern: &Pattern| {
        let shape = pattern.shape();
        for i in 0..2 {
            sums[i] += noises[i].tail(weight, &shape, &mut at[i]);
        }
    };
    if free <= limit {
        add(&pattern);
        for step in 1_u64..1 << free {
            pattern.flip(step.trailing_zeros() as usize); // Gray code
            add(&pattern);
        }
        return sums.map(|sum| 2.0 * sum);
    }
    let sample = 2000;
    for _ in 0..sample {
        (0..=free)
            .filter(|_| rng.next_u32() & 1 == 1)
            .for_each(|position| pattern.flip(position));
        add(&pattern);
    }
    sums.map(|sum| (free as f64 + 1.0).exp2() * sum / f64::from(sample))
}

/// log2 of the failure probability of a capsule, fresh and re-encrypted: 32 blocks, all codewords,
/// all sign patterns. All ones need no term: where they win, a word of weight 12 or its complement
/// wins too.
fn log_failure<P: ParameterSet>(limit: usize) -> [f64; 2] {
    let noises = [false, true].map(Noise::of::<P>);
    let words: Vec<Vec<usize>> = words()
        .into_iter()
        .filter(|word| (1..32).contains(&word.len()))
        .collect();
    let sums = in_parallel(words.len(), |at| {
        let mut rng = rng(&format!("sign patterns {at}"));
        word_failure(&noises, &words[at], limit, &mut rng)
    });
    [0, 1].map(|i| (32.0 * sums.iter().map(|sum| sum[i]).sum::<f64>()).log2())
}

/// The table's figures. Set A: all sign patterns of the words of weight 12 and 16, which make up the
/// sum. Set B, whose words have 24 places and more: a sample of patterns, and at ten times the sample
/// all those of weight 24, the few structured ones included.
#[test]
fn failure_probabilities_are_those_of_the_table() {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scheme.md");
    let cell = |[fresh, turned]: [f64; 2]| format!("2^−{} / 2^−{}", -fresh, -turned);
    let row = format!(
        "| failure, fresh / re-encrypted | {} | {} |",
        cell(SET_A),
        cell(SET_B)
    );
    assert!(
        std::fs::read_to_string(table).unwrap().contains(&row),
        "{row}"
    );
    let all = scale() >= 10;
    let a = log_failure::<SetA>(if all { 19 } else { 15 });
    let b = log_failure::<SetB>(if all { 23 } else { 15 });
    for (i, state) in ["fresh", "re-encrypted"].into_iter().enumerate() {
        let name = format!("failure of set A, {state}, log2");
        near(&name, a[i], SET_A[i], 0.1);
        let name = format!("failure of set B, {state}, log2");
        near(&name, b[i], SET_B[i], if all { 0.5 } else { 3.0 });
    }
}

/// The cumulants against the law itself: E exp(θ·‖p·t‖²) at the saddle point, over random t.
#[test]
fn cumulants_are_those_of_ternary_vectors() {
    let noise = Noise::of::<SetA>(true);
    let words = words();
    let word = words.iter().find(|word| word.len() == 12).unwrap();
    let rng = &mut rng("cumulants");
    let mut pattern = Pattern::new(32, word);
    // An ordinary pattern, and the most uneven one of this word.
    let mut uneven = (0.0, 0);
    for step in 1_u32..1 << 11 {
        pattern.flip(step.trailing_zeros() as usize);
        let second = pattern.shape().0[0];
        if second > uneven.0 {
            uneven = (second, step);
        }
    }
    for last in [700, uneven.1] {
        let mut pattern = Pattern::new(32, word);
        (1..=last).for_each(|step: u32| pattern.flip(step.trailing_zeros() as usize));
        let [k1, k2, k3, k4] = pattern.shape().cumulants(32.0, 12.0);
        let at = noise.quarter / (noise.own_variance + 64.0 * 32.0 * MASS * noise.key_variance);
        let theta = at * at * noise.key_variance / 2.0;
        let log = theta * theta * (k2 / 2.0 + theta * (k3 / 6.0 + theta * k4 / 24.0));
        let (count, mut sum, mut square) = (100_000, 0.0, 0.0);
        for _ in 0..count {
            let t: Vec<f64> = (0..32)
                .map(|_| match rng.next_u32() % 256 {
                    0..=85 => 0.0,
                    86..=170 => 1.0,
                    _ => -1.0,
                })
                .collect();
            let value = (theta * (pattern.energy(word, &t) - k1)).exp();
            sum += value;
            square += value * value;
        }
        let mean = sum / f64::from(count);
        let deviation = (square / f64::from(count) / mean.powi(2) - 1.0).sqrt();
        // 64 such vectors; a third of a bit beside the sample's own error.
        let tolerance = 64.0 * 5.0 * deviation / f64::from(count).sqrt() + 0.23;
        let name = format!("failure: 64·log E exp of sign pattern {last}");
        near(&name, 64.0 * log, 64.0 * mean.ln(), tolerance);
    }
}

/// Test 9: at noise so large that blocks do fail, they fail less often than the union bound and at
/// least 2^-4 times as often. Keys of the sampler, widened.
#[test]
fn blocks_fail_as_often_as_the_union_bound_allows() {
    for (i, widened) in [2.6, 2.8, 3.0].into_iter().enumerate() {
        let parts = in_parallel(8 * scale(), |part| {
            let rng = &mut rng(&format!("widened {i} {part}"));
            block_failures::<SetA>(widened, 2000, rng)
        });
        let blocks = (parts.len() * 2000 * 32) as f64;
        let failed = parts.iter().sum::<u64>() as f64;
        let variance = f64::from(SetA::SIGMA_NOISE).powi(2)
            + 2.0 * SetA::N as f64 * MASS * SetA::SIGMA_E.powi(2);
        let unit = f64::from(SetA::Q) / 4.0 / (widened * variance.sqrt());
        let union: f64 = [(12.0, 48.0), (16.0, 158.0), (20.0, 48.0), (32.0, 1.0)]
            .map(|(w, words): (f64, f64)| {
                words * w.exp2() * 0.5 * libm::erfc(unit * (w / 2.0).sqrt())
            })
            .iter()
            .sum();
        let ratio = (failed / blocks / union).log2();
        // Between −4 and 0, give or take five deviations of the count.
        let slack = 5.0 / failed.sqrt() / 2.0_f64.ln();
        let name =
            format!("block failures at {widened} times the noise, log2 over the union bound");
        near(&name, ratio, -2.0, 2.0 + slack);
        assert!(failed >= 100.0, "too few to count");
    }
}

/// Failed blocks of `capsules` under one widened key and widened E, without rounding.
fn block_failures<P: ParameterSet>(widened: f64, capsules: usize, rng: &mut TestRng) -> u64 {
    let basis = generate::<P>(rng);
    let u: Vec<u32> = (0..P::N).map(|_| rng.next_u32() % P::Q).collect();
    let (s1, s2) = Tree::new(&basis).preimage(&u, rng);
    let wide = |s: &[i32]| {
        let s: Vec<i32> = s
            .iter()
            .map(|&c| (f64::from(c) * widened).round() as i32)
            .collect();
        Prepared::<P>::new_signed(&s)
    };
    let (s1, s2) = (wide(&s1), wide(&s2));
    let mut failed = 0;
    for _ in 0..capsules {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let mut xof = crate::chacha::ChaCha::new(&seed);
        let [r, x] = [(); 2].map(|()| transformed::<P>(ternary::<P>(&mut xof).iter().copied()));
        rng.fill_bytes(&mut seed);
        let e = crate::ring::samplers::noise::<P>(&seed);
        let q = i64::from(P::Q);
        let mut v: Vec<u64> = s1
            .multiply(&r)
            .iter()
            .zip(s2.multiply(&x).iter())
            .zip(e.iter())
            .map(|((&a, &b), &e)| {
                let wide = (f64::from(e) * widened).round() as i64;
                (a as i64 - b as i64 + wide).rem_euclid(q) as u64
            })
            .collect();
        let mut message = [0; 32];
        rng.fill_bytes(&mut message);
        code::add_encoded::<P>(&message, &mut v);
        let decoded = code::decode::<P>(&v);
        failed += decoded.iter().zip(&message).filter(|(a, b)| a != b).count() as u64;
    }
    failed
}
