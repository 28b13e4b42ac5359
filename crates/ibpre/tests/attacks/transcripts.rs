//! Attack (c): c1 − c2 = rk·y is public and exact. Over matrices m − n re-encrypted bits give rk; over
//! the ring one capsule does. With the product's noise E it takes least squares, which gets as far as
//! the hint budget allows.

use ibpre::literal::{self, Parameters, UserKey as LiteralKey};
use ibpre::{ParameterSet, SetA};
use rand_core::Rng;

use crate::affine::{decrypted, identity};
use crate::lattice::Equations;
use crate::ring::{self, N, Poly};
use crate::test_rng::TestRng;
use crate::world::{WeakProxy, World, quotient};

/// What a delegatee of the published scheme makes of her transcripts.
pub(crate) struct Solved {
    /// Dimensions of rk still free after 0, 1, 2, .. re-encrypted bits.
    pub(crate) free: Vec<usize>,
    /// Whether rk came out exactly, and how many bits to the delegator rk + e2 decrypts.
    pub(crate) exact: bool,
    pub(crate) bits: u32,
}

/// Re-encrypted bits, one equation each, until rk is known. n equations are public: A·rk = u1 − u2.
pub(crate) fn published(parameters: Parameters) -> Solved {
    let rng = &mut TestRng::new(b"transcripts");
    let (public, secret) = literal::master_key_gen(parameters, rng);
    let q = parameters.q;
    let [id1, id2] = [(); 2].map(|()| identity(parameters.identity_bits, rng));
    let [e1, e2] = [&id1, &id2].map(|id| literal::extract(&public, &secret, id, rng));
    let rk = literal::rekey(&e1, &e2);
    let mut equations = Equations::new(q, parameters.m());
    let difference = |a: u32, b: u32| (a + q - b) % q;
    let (u1, u2) = (public.target(&id1), public.target(&id2));
    for (row, (&u1, &u2)) in public.a.rows().zip(u1.iter().zip(&u2)) {
        equations.add(row, difference(u1, u2));
    }
    let mut free = vec![equations.free()];
    while equations.free() > 0 {
        let ciphertext = literal::encrypt(&public, &id1, rng.next_u32() & 1 == 1, rng);
        let turned = literal::reencrypt(&public, &rk, &ciphertext);
        equations.add(&ciphertext.y, difference(ciphertext.c, turned.c));
        free.push(equations.free());
    }
    let found = equations.solution().unwrap_or_default();
    let key = LiteralKey(found.iter().zip(&e2.0).map(|(rk, e2)| rk + e2).collect());
    Solved {
        free,
        exact: found == rk.0 && key == e1,
        bits: decrypted(&public, &key, &id1, rng),
    }
}

/// One capsule, turned without noise and without compression: rk by one division, then the scope.
/// The second value is the same with compression left on, as (exact coefficients)/n.
pub(crate) fn without_noise() -> (bool, f64) {
    let mut world = World::new("without noise");
    let capsule = world.capsule();
    let mut answers = [false, true].map(|compressed| {
        let mut proxy = WeakProxy {
            rk: world.rk(),
            width: 0.0,
            compressed,
            rng: TestRng::new(b"no noise"),
        };
        let c2 = proxy.reencrypt(&capsule.y, &capsule.c1);
        quotient(&capsule.y, &capsule.c1, &c2).unwrap()
    });
    let exact = share_exact(&answers[1], &world.rk());
    (world.falls_to(&std::mem::take(&mut answers[0])), exact)
}

/// One capsule, turned by the product: the same division, (exact coefficients)/n, and whether the
/// scope falls.
pub(crate) fn product_divided() -> (f64, bool) {
    let mut world = World::new("divided");
    let capsule = world.capsule();
    let c2 = world.reencrypt(&capsule.capsule);
    let found = quotient(&capsule.y, &capsule.c1, &c2).unwrap();
    (share_exact(&found, &world.rk()), world.falls_to(&found))
}

pub(crate) fn share_exact(found: &[i64], truth: &[i64]) -> f64 {
    let same = found.iter().zip(truth).filter(|(a, b)| a == b).count();
    same as f64 / truth.len() as f64
}

/// How far least squares over honest hints gets.
pub(crate) struct Estimate {
    /// Standard deviation of the error on the coefficients of (s1, s2).
    pub(crate) measured: f64,
    /// 1/√(1/σ_e² + B/σ²), B the squared norm of (r, x) over all hints.
    pub(crate) formula: f64,
    /// Share of coefficients that rounding the estimate gets right.
    pub(crate) exact: f64,
}

/// Who turned the capsules.
#[derive(Clone, Copy)]
pub(crate) enum Turned {
    /// The product: noise E, then c2 is rounded.
    ByProduct,
    /// The weakened proxy with noise as wide as E, unrounded.
    WithNoise,
    /// The weakened proxy without noise, but rounded: what compression hides by itself.
    Rounded,
}

impl Turned {
    /// Width of the noise, whether c2 is rounded.
    fn noise(self) -> (f64, bool) {
        match self {
            Self::ByProduct => (SetA::SIGMA_NOISE.into(), true),
            Self::WithNoise => (SetA::SIGMA_NOISE.into(), false),
            Self::Rounded => (0.0, true),
        }
    }

    /// σ², with 2^28/12 for the rounding.
    pub(crate) fn variance(self) -> f64 {
        let (width, rounded) = self.noise();
        width * width + if rounded { ring::ROUNDING_SQ } else { 0.0 }
    }
}

/// `count` capsules, each turned once and opened by the delegatee, who then knows their coins.
pub(crate) fn least_squares(count: u32, turned: Turned) -> Estimate {
    let mut world = World::new("least squares");
    let delegatee = world.delegatee();
    let (width, compressed) = turned.noise();
    let mut weak = WeakProxy {
        rk: world.rk(),
        width,
        compressed,
        rng: TestRng::new(b"weak"),
    };
    let variance = turned.variance();
    // Each of the n embeddings is a regression of its own in two unknowns, with prior N(0, σ_e²).
    let prior = SetA::SIGMA_E.powi(-2);
    let mut normal = vec![[prior, prior, 0.0, 0.0]; N]; // |r|², |x|², and conj(r)·(−x)
    let mut right = vec![[Complex(0.0, 0.0); 2]; N];
    let mut energy = 0;
    for _ in 0..count {
        let capsule = world.capsule();
        let c2 = match turned {
            Turned::ByProduct => world.reencrypt(&capsule.capsule),
            _ => weak.reencrypt(&capsule.y, &capsule.c1),
        };
        let hint = embed(&capsule.hint(&c2, &delegatee));
        let (r, x) = (embed(&capsule.r), embed(&capsule.x));
        energy += capsule
            .r
            .iter()
            .chain(&capsule.x)
            .map(|c| c * c)
            .sum::<i64>();
        for at in 0..N {
            let (r, x, hint) = (r[at], Complex(-x[at].0, -x[at].1), hint[at]);
            let cross = r.conjugate() * x;
            normal[at][0] += r.square() / variance;
            normal[at][1] += x.square() / variance;
            normal[at][2] += cross.0 / variance;
            normal[at][3] += cross.1 / variance;
            right[at][0] = right[at][0] + (r.conjugate() * hint).scaled(1.0 / variance);
            right[at][1] = right[at][1] + (x.conjugate() * hint).scaled(1.0 / variance);
        }
    }
    let [mut s1, mut s2] = [vec![Complex(0.0, 0.0); N], vec![Complex(0.0, 0.0); N]];
    for at in 0..N {
        // Cramer's rule on the Hermitian [[a, c], [conj c, b]].
        let ([a, b, re, im], [p, q]) = (normal[at], right[at]);
        let (c, determinant) = (Complex(re, im), a * b - re * re - im * im);
        s1[at] = (p.scaled(b) + (c * q).scaled(-1.0)).scaled(1.0 / determinant);
        s2[at] = (q.scaled(a) + (c.conjugate() * p).scaled(-1.0)).scaled(1.0 / determinant);
    }
    let estimate: Vec<f64> = [s1, s2].iter().flat_map(|s| unembed(s)).collect();
    let truth: Poly = world.truth().concat();
    let errors = || estimate.iter().zip(&truth).map(|(e, &t)| e - t as f64);
    let squares: f64 = errors().map(|e| e * e).sum();
    Estimate {
        measured: (squares / truth.len() as f64).sqrt(),
        formula: 1.0 / (prior + energy as f64 / 2.0 / variance).sqrt(),
        exact: errors().filter(|e| e.abs() < 0.5).count() as f64 / truth.len() as f64,
    }
}

/// A complex number.
#[derive(Clone, Copy)]
struct Complex(f64, f64);

impl Complex {
    fn turn(angle: f64) -> Self {
        Self(angle.cos(), angle.sin())
    }

    fn conjugate(self) -> Self {
        Self(self.0, -self.1)
    }

    fn scaled(self, by: f64) -> Self {
        Self(self.0 * by, self.1 * by)
    }

    fn square(self) -> f64 {
        self.0 * self.0 + self.1 * self.1
    }
}

impl std::ops::Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }
}

impl std::ops::Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(
            self.0 * other.0 - self.1 * other.1,
            self.0 * other.1 + self.1 * other.0,
        )
    }
}

/// Values at the odd 2n-th roots of unity: there negacyclic products are products of values.
fn embed(a: &[i64]) -> Vec<Complex> {
    let twisted = a
        .iter()
        .enumerate()
        .map(|(j, &c)| twist(j).scaled(c as f64));
    fourier(&twisted.collect::<Vec<_>>(), 1.0)
}

/// The inverse of [`embed`].
fn unembed(values: &[Complex]) -> Vec<f64> {
    fourier(values, -1.0)
        .iter()
        .enumerate()
        .map(|(j, &c)| (c * twist(j).conjugate()).0 / N as f64)
        .collect()
}

fn twist(j: usize) -> Complex {
    Complex::turn(std::f64::consts::PI * j as f64 / N as f64)
}

/// Σ_j a_j·e^(sign·2πi·jk/len), by halves.
fn fourier(a: &[Complex], sign: f64) -> Vec<Complex> {
    if a.len() == 1 {
        return a.to_vec();
    }
    let half = |from: usize| {
        fourier(
            &a.iter().copied().skip(from).step_by(2).collect::<Vec<_>>(),
            sign,
        )
    };
    let (even, odd) = (half(0), half(1));
    let count = even.len();
    (0..2 * count)
        .map(|k| {
            let angle = sign * std::f64::consts::PI * k as f64 / count as f64;
            even[k % count] + Complex::turn(angle) * odd[k % count]
        })
        .collect()
}
