//! The fast-Fourier tree of a basis, and preimage sampling with it.
//!
//! The Falcon specification, algorithms 9 (ffLDL), 11 (ffSampling) and the sampling half of 10:
//! a Gram-Schmidt decomposition along the tower of rings, and Babai's nearest plane along the same
//! tower with `SamplerZ` in place of rounding. Secret throughout, wiped on drop; `f64` and
//! rejection, so not constant time: it runs on the key owner's own device.

use super::integer::SamplerZ;
use super::keystream::Keystream;
use super::{Basis, transform};
use crate::params::ParameterSet;
use crate::ring::fft::{self, Roots};
use crate::ring::ntt::{self, Prepared};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A basis prepared for sampling: transforms of f, g, F, G, and the tree.
///
/// A node of degree m holds the m/2 values of its ℓ10 (real parts, imaginary parts), then the tree
/// of d00, then that of d11; at degree 2 two leaves stand there, each the inverse √d/σ_e of a leaf
/// width σ_e/√d.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Tree<P: ParameterSet> {
    f: Vec<f64>,
    g: Vec<f64>,
    big_f: Vec<f64>,
    big_g: Vec<f64>,
    nodes: Vec<f64>,
    /// h, to complete s2 to (s1, s2).
    #[zeroize(skip)]
    h: Prepared<P>,
}

impl<P: ParameterSet> Tree<P> {
    /// Prepares a basis.
    pub(crate) fn new(basis: &Basis<P>) -> Self {
        let (f, g) = (transform(&basis.f), transform(&basis.g));
        let (big_f, big_g) = (transform(&basis.big_f), transform(&basis.big_g));
        let nodes = top::<P>(&f, &g, &big_f, &big_g);
        Self {
            f,
            g,
            big_f,
            big_g,
            nodes,
            h: Prepared::new(basis.public().iter().copied()),
        }
    }

    /// A short (s1, s2) with s1 + h·s2 = u mod q, n coefficients each, Gaussian of width
    /// `P::SIGMA_E` about 0, and squared norm at most `P::KEY_NORM_SQ`. `u` has n coefficients
    /// below q.
    ///
    /// s2 and s1 = u − h·s2 are integers, so the equation holds exactly whatever the `f64` did;
    /// what it can spoil is the norm, and that is tested. A second preimage of one u gives the
    /// basis away: the caller keeps a list of targets.
    pub(crate) fn preimage(&self, u: &[u32], rng: &mut impl CryptoRng) -> (Vec<i32>, Vec<i32>) {
        let mut sampler = SamplerZ::new(Keystream::new(rng), P::SIGMA_MIN);
        loop {
            let mut s2 = self.sample(u, &mut sampler);
            let mut s1 = self.complete(u, &s2);
            let norm: u64 = s1
                .iter()
                .chain(&s2)
                .map(|&c| u64::from(c.unsigned_abs()).pow(2))
                .sum();
            let limit = 1 << (P::KEY_BITS - 1);
            // Refused less than once in 2^30: the bounds are 6.7 deviations of the norm at set A, and
            // 7.4 of a coefficient at set B.
            if norm <= P::KEY_NORM_SQ && s2.iter().all(|c| (-limit..limit).contains(c)) {
                return (s1, s2);
            }
            s1.zeroize();
            s2.zeroize();
        }
    }

    /// s2 of one candidate.
    fn sample(&self, u: &[u32], sampler: &mut SamplerZ) -> Vec<i32> {
        let n = u.len();
        let q = f64::from(P::Q);
        // (t0, t1) = (u, 0)·B⁻¹ = (−u·F, u·f)/q.
        let mut t0 = Zeroizing::new(u.iter().map(|&c| f64::from(c) / -q).collect::<Vec<_>>());
        fft::forward(&mut t0);
        let mut t1 = Zeroizing::new(t0.iter().map(|&x| -x).collect::<Vec<_>>());
        fft::multiply(&mut t0, &self.big_f);
        fft::multiply(&mut t1, &self.f);
        let mut scratch = Zeroizing::new(vec![0.0; 2 * n]);
        sample_node(
            sampler,
            fft::roots(),
            &self.nodes,
            &mut t0,
            &mut t1,
            &mut scratch,
        );
        // s = (u, 0) − z·B, so s2 = z0·f + z1·F.
        fft::multiply(&mut t0, &self.f);
        fft::multiply_add(&mut t0, &t1, &self.big_f);
        fft::inverse(&mut t0);
        t0.iter().map(|x| x.round_ties_even() as i32).collect()
    }

    /// s1 = u − h·s2 modulo q, centred.
    pub(super) fn complete(&self, u: &[u32], s2: &[i32]) -> Vec<i32> {
        let transformed = ntt::transformed::<P>(
            s2.iter()
                .map(|&c| u64::from(ntt::from_signed::<P>(c % P::Q as i32))),
        );
        let product = self.h.multiply(&transformed);
        u.iter()
            .zip(product.iter())
            .map(|(&u, &p)| {
                let difference = u64::from(u) + u64::from(P::Q) - p;
                ntt::centred::<P>(ntt::subtract_once::<P>(difference) as u32)
            })
            .collect()
    }

    /// Smallest and largest leaf width.
    #[cfg(test)]
    pub(super) fn leaf_widths(&self) -> (f64, f64) {
        fn visit(nodes: &[f64], degree: usize, range: &mut (f64, f64)) {
            if degree == 1 {
                *range = (range.0.min(1.0 / nodes[0]), range.1.max(1.0 / nodes[0]));
                return;
            }
            let (left, right) = nodes[degree..].split_at((nodes.len() - degree) / 2);
            visit(left, degree / 2, range);
            visit(right, degree / 2, range);
        }
        let mut range = (f64::INFINITY, 0.0);
        visit(&self.nodes, P::N, &mut range);
        range
    }
}

/// The tree of the whole basis (degree n): n·(log2 n + 1) numbers.
fn top<P: ParameterSet>(f: &[f64], g: &[f64], big_f: &[f64], big_g: &[f64]) -> Vec<f64> {
    let n = f.len();
    let mut nodes = vec![0.0; n * (P::LOG_N + 1)];
    let (own, children) = nodes.split_at_mut(n);
    let d00 = Zeroizing::new(fft::norm_squared(f, g));
    fft::multiply_adjoint_add(own, big_g, g);
    fft::multiply_adjoint_add(own, big_f, f);
    for (x, d) in own.iter_mut().zip(d00.iter().chain(d00.iter())) {
        *x /= d;
    }
    // The determinant of the Gram matrix is q².
    let q = f64::from(P::Q);
    let d11: Zeroizing<Vec<f64>> = Zeroizing::new(d00.iter().map(|d| q * q / d).collect());
    let (left, right) = children.split_at_mut(n / 2 * P::LOG_N);
    grow::<P>(fft::roots(), &d00, left);
    grow::<P>(fft::roots(), &d11, right);
    nodes
}

/// ffLDL of the self-adjoint d, given by its m real values: the node of degree m, or a leaf.
fn grow<P: ParameterSet>(table: &Roots, d: &[f64], nodes: &mut [f64]) {
    let m = d.len();
    if m == 1 {
        nodes[0] = d[0].sqrt() / P::SIGMA_E;
        return;
    }
    // The Gram matrix of d on (1, X) is [[d0, d1], [adj d1, d0]] for d = d0(X²) + X·d1(X²).
    let half = m / 2;
    let (own, children) = nodes.split_at_mut(m);
    let mut d00 = Zeroizing::new(vec![0.0; half]);
    let mut d11 = Zeroizing::new(vec![0.0; half]);
    let (re, im) = own.split_at_mut(half);
    for k in 0..half {
        let (a, b) = (d[2 * k], d[2 * k + 1]);
        let (wr, wi) = table.at(half + k);
        d00[k] = (a + b) * 0.5;
        // ℓ10 = adj(d1)/d0, d1 = (a−b)/2w; d11 = d0 − |d1|²/d0 = a·b/d0, without cancellation.
        let ratio = (a - b) / (a + b);
        (re[k], im[k]) = (ratio * wr, ratio * wi);
        d11[k] = a * b / d00[k];
    }
    let (left, right) = children.split_at_mut(children.len() / 2);
    grow::<P>(table, &d00, left);
    grow::<P>(table, &d11, right);
}

/// ffSampling at a node of degree m: replaces the targets (t0, t1) by lattice coordinates (z0, z1).
/// `scratch` holds 2m numbers.
fn sample_node(
    sampler: &mut SamplerZ,
    table: &Roots,
    nodes: &[f64],
    t0: &mut [f64],
    t1: &mut [f64],
    scratch: &mut [f64],
) {
    let m = t0.len();
    if m == 2 {
        return sample_pair(sampler, nodes, t0, t1);
    }
    let (l10, children) = nodes.split_at(m);
    let (left, right) = children.split_at(children.len() / 2);
    let (halves, rest) = scratch.split_at_mut(m);
    let (a, b) = halves.split_at_mut(m / 2);

    fft::split(table, t1, a, b);
    sample_node(sampler, table, right, a, b, rest);
    let z1 = &mut rest[..m];
    fft::merge(table, a, b, z1);
    for (t, z) in t1.iter_mut().zip(z1) {
        // t1 ← z1, and the difference takes its place.
        let difference = *t - *z;
        (*t, *z) = (*z, difference);
    }
    fft::multiply_add(t0, &rest[..m], l10);

    fft::split(table, t0, a, b);
    sample_node(sampler, table, left, a, b, rest);
    fft::merge(table, a, b, t0);
}

/// The bottom of [`sample_node`], m = 2: a value is two real coefficients.
fn sample_pair(sampler: &mut SamplerZ, nodes: &[f64], t0: &mut [f64], t1: &mut [f64]) {
    let [lr, li, left, right] = [nodes[0], nodes[1], nodes[2], nodes[3]];
    let (zr, zi) = (sampler.sample(t1[0], right), sampler.sample(t1[1], right));
    let (dr, di) = (t1[0] - zr, t1[1] - zi);
    t1.copy_from_slice(&[zr, zi]);
    let (cr, ci) = (t0[0] + dr * lr - di * li, t0[1] + dr * li + di * lr);
    t0.copy_from_slice(&[sampler.sample(cr, left), sampler.sample(ci, left)]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::params::SetA;

    /// Leaves and ℓ10 against Gram-Schmidt by the book, in degree 32.
    #[test]
    fn tree_is_the_gram_schmidt_decomposition() {
        const N: usize = 32;
        // A self-adjoint positive d = a·adj(a) with values far apart.
        let a: Vec<f64> = (0..N)
            .map(|i| ((i * i * 7 + 3 * i) % 23) as f64 - 11.0)
            .collect();
        let mut transformed = a;
        fft::forward(&mut transformed);
        let d = fft::norm_squared(&transformed, &[0.0; N]);
        let mut nodes = vec![0.0; N / 2 * 5];
        grow::<SetA>(fft::roots(), &d, &mut nodes);

        // ⟨X^i, X^j⟩ = coefficient i − j of d; the tree takes even powers before odd ones.
        let mut coefficients = d;
        coefficients.resize(N, 0.0);
        fft::inverse(&mut coefficients);
        let order: Vec<usize> = (0..N)
            .map(|i| i.reverse_bits() >> (usize::BITS - N.ilog2()))
            .collect();
        let gram = |i: usize, j: usize| {
            let (i, j) = (order[i], order[j]);
            if i >= j {
                coefficients[i - j]
            } else {
                -coefficients[N + i - j]
            }
        };
        let mut factor = vec![[0.0; N]; N];
        let mut norms = [0.0; N];
        for i in 0..N {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| factor[i][k] * factor[j][k] * norms[k]).sum();
                let rest = gram(i, j) - known;
                if i == j {
                    norms[i] = rest;
                } else {
                    factor[i][j] = rest / norms[j];
                }
            }
        }

        let mut leaves = Vec::new();
        collect(&nodes, N / 2, &mut leaves);
        assert_eq!(leaves.len(), N / 2);
        for (leaf, pair) in leaves.iter().zip(norms.chunks_exact(2)) {
            let squared = (leaf * SetA::SIGMA_E).powi(2);
            assert!(pair.iter().all(|norm| (norm / squared - 1.0).abs() < 1e-9));
        }
        let (widest, narrowest) = leaves
            .iter()
            .fold((0.0_f64, f64::MAX), |(w, n), &x| (w.max(x), n.min(x)));
        assert!(
            widest > 1.5 * narrowest,
            "the leaves must tell one from another"
        );

        // ℓ10 of the top node holds the coefficients of X's projection on the even powers.
        let mut projection = factor[N / 2];
        for j in (0..N / 2).rev() {
            for k in 0..j {
                projection[k] -= projection[j] * factor[j][k];
            }
        }
        let mut top = nodes[..N / 2].to_vec();
        fft::inverse(&mut top);
        for (x, &power) in projection.iter().zip(&order[..N / 2]) {
            assert!((x - top[power / 2]).abs() < 1e-9);
        }
    }

    fn collect(nodes: &[f64], degree: usize, leaves: &mut Vec<f64>) {
        if degree == 1 {
            return leaves.push(nodes[0]);
        }
        let (left, right) = nodes[degree..].split_at((nodes.len() - degree) / 2);
        collect(left, degree / 2, leaves);
        collect(right, degree / 2, leaves);
    }
}
