//! The negacyclic Fourier transform over R\[X\]/(X^n + 1), in `f64`.
//!
//! Layout: n real coefficients become n/2 complex values, real parts in the first half of the
//! slice, imaginary parts in the second; the other n/2 values are their conjugates. The values
//! stand in the order of the splitting tree: the polynomial modulo X^m − c splits into X^(m/2) ∓ w
//! with w² = c, so values 2i and 2i+1 belong to the roots ±w_i, and [`split`] and [`merge`] (the
//! Falcon specification, section 3.6) touch neighbours only. Multiplication and adjoint are
//! pointwise.
//!
//! Everything here is fixed IEEE arithmetic over a table made by the pinned `libm`, with no fused
//! operation: the same bits on every machine. It knows no lattice and no key.

use std::f64::consts::PI;
use std::sync::OnceLock;

/// Largest log2 of the degree the root table serves.
const MAX_LOG_N: usize = 11;

/// The roots of the splitting tree, node k = 1 at the top, children of k at 2k and 2k+1.
///
/// Node k of a tree of any degree holds the same root, so one table serves every n.
pub(crate) struct Roots {
    re: Vec<f64>,
    im: Vec<f64>,
}

impl Roots {
    /// The root at node k, (re, im).
    pub(crate) fn at(&self, k: usize) -> (f64, f64) {
        (self.re[k], self.im[k])
    }
}

/// The root table, made at the first call.
pub(crate) fn roots() -> &'static Roots {
    static ROOTS: OnceLock<Roots> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let nodes = 1 << (MAX_LOG_N - 1);
        // angle[k] = argument of the root at node k, in units of π; exact, a dyadic fraction.
        let mut angle = vec![0.25; nodes];
        for k in 1..nodes / 2 {
            angle[2 * k] = angle[k] / 2.0;
            angle[2 * k + 1] = (angle[k] + 1.0) / 2.0;
        }
        Roots {
            re: angle.iter().map(|a| libm::cos(a * PI)).collect(),
            im: angle.iter().map(|a| libm::sin(a * PI)).collect(),
        }
    })
}

/// Transforms n real coefficients in place (n a power of two, 2 ≤ n ≤ 2048).
pub(crate) fn forward(a: &mut [f64]) {
    let table = roots();
    let half = a.len() / 2;
    let (re, im) = a.split_at_mut(half);
    let mut length = half;
    let mut blocks = 1;
    while length > 1 {
        let pairs = re.chunks_exact_mut(length).zip(im.chunks_exact_mut(length));
        for (k, (re, im)) in pairs.enumerate() {
            let (wr, wi) = (table.re[blocks + k], table.im[blocks + k]);
            let (r0, r1) = re.split_at_mut(length / 2);
            let (i0, i1) = im.split_at_mut(length / 2);
            for (((r0, r1), i0), i1) in r0.iter_mut().zip(r1).zip(i0).zip(i1) {
                let (vr, vi) = (*r1 * wr - *i1 * wi, *r1 * wi + *i1 * wr);
                (*r1, *i1) = (*r0 - vr, *i0 - vi);
                (*r0, *i0) = (*r0 + vr, *i0 + vi);
            }
        }
        length /= 2;
        blocks *= 2;
    }
}

/// The inverse of [`forward`], in place.
pub(crate) fn inverse(a: &mut [f64]) {
    let table = roots();
    let half = a.len() / 2;
    let (re, im) = a.split_at_mut(half);
    let mut length = 2;
    let mut blocks = half / 2;
    while length <= half {
        let pairs = re.chunks_exact_mut(length).zip(im.chunks_exact_mut(length));
        for (k, (re, im)) in pairs.enumerate() {
            let (wr, wi) = (table.re[blocks + k], table.im[blocks + k]);
            let (r0, r1) = re.split_at_mut(length / 2);
            let (i0, i1) = im.split_at_mut(length / 2);
            for (((r0, r1), i0), i1) in r0.iter_mut().zip(r1).zip(i0).zip(i1) {
                let (vr, vi) = (*r0 - *r1, *i0 - *i1);
                (*r0, *i0) = (*r0 + *r1, *i0 + *i1);
                (*r1, *i1) = (vr * wr + vi * wi, vi * wr - vr * wi);
            }
        }
        length *= 2;
        blocks /= 2;
    }
    // Each butterfly doubled; half is a power of two, so the division is exact.
    let scale = 1.0 / half as f64;
    a.iter_mut().for_each(|x| *x *= scale);
}

/// f(X) = f0(X²) + X·f1(X²) on transforms: `f` of degree n ≥ 4 into two of degree n/2.
pub(crate) fn split(table: &Roots, f: &[f64], f0: &mut [f64], f1: &mut [f64]) {
    let half = f.len() / 2;
    let quarter = half / 2;
    let (fr, fi) = f.split_at(half);
    let (r0, i0) = f0.split_at_mut(quarter);
    let (r1, i1) = f1.split_at_mut(quarter);
    let (wr, wi) = (&table.re[quarter..half], &table.im[quarter..half]);
    let (fr, fi) = (fr.as_chunks::<2>().0, fi.as_chunks::<2>().0);
    for k in 0..quarter {
        let ([ar, br], [ai, bi]) = (fr[k], fi[k]);
        r0[k] = (ar + br) * 0.5;
        i0[k] = (ai + bi) * 0.5;
        let (dr, di) = ((ar - br) * 0.5, (ai - bi) * 0.5);
        r1[k] = dr * wr[k] + di * wi[k];
        i1[k] = di * wr[k] - dr * wi[k];
    }
}

/// The inverse of [`split`].
pub(crate) fn merge(table: &Roots, f0: &[f64], f1: &[f64], f: &mut [f64]) {
    let half = f.len() / 2;
    let quarter = half / 2;
    let (fr, fi) = f.split_at_mut(half);
    let (r0, i0) = f0.split_at(quarter);
    let (r1, i1) = f1.split_at(quarter);
    let (wr, wi) = (&table.re[quarter..half], &table.im[quarter..half]);
    let (fr, fi) = (fr.as_chunks_mut::<2>().0, fi.as_chunks_mut::<2>().0);
    for k in 0..quarter {
        let vr = r1[k] * wr[k] - i1[k] * wi[k];
        let vi = r1[k] * wi[k] + i1[k] * wr[k];
        fr[k] = [r0[k] + vr, r0[k] - vr];
        fi[k] = [i0[k] + vi, i0[k] - vi];
    }
}

/// a ← a · b, pointwise.
pub(crate) fn multiply(a: &mut [f64], b: &[f64]) {
    let half = a.len() / 2;
    let (ar, ai) = a.split_at_mut(half);
    let (br, bi) = b.split_at(half);
    for (((ar, ai), br), bi) in ar.iter_mut().zip(ai).zip(br).zip(bi) {
        (*ar, *ai) = (*ar * br - *ai * bi, *ar * bi + *ai * br);
    }
}

/// a ← a + b · c, pointwise.
pub(crate) fn multiply_add(a: &mut [f64], b: &[f64], c: &[f64]) {
    let half = a.len() / 2;
    let (ar, ai) = a.split_at_mut(half);
    let (br, bi) = b.split_at(half);
    let (cr, ci) = c.split_at(half);
    for k in 0..half {
        ar[k] += br[k] * cr[k] - bi[k] * ci[k];
        ai[k] += br[k] * ci[k] + bi[k] * cr[k];
    }
}

/// a ← a + b · adj(c), pointwise; adj is the conjugate.
pub(crate) fn multiply_adjoint_add(a: &mut [f64], b: &[f64], c: &[f64]) {
    let half = a.len() / 2;
    let (ar, ai) = a.split_at_mut(half);
    let (br, bi) = b.split_at(half);
    let (cr, ci) = c.split_at(half);
    for k in 0..half {
        ar[k] += br[k] * cr[k] + bi[k] * ci[k];
        ai[k] += bi[k] * cr[k] - br[k] * ci[k];
    }
}

/// |a|² + |b|² at each of the n/2 values: the transform of the self-adjoint a·adj(a) + b·adj(b).
pub(crate) fn norm_squared(a: &[f64], b: &[f64]) -> Vec<f64> {
    let half = a.len() / 2;
    let (ar, ai) = a.split_at(half);
    let (br, bi) = b.split_at(half);
    (0..half)
        .map(|k| ar[k] * ar[k] + ai[k] * ai[k] + br[k] * br[k] + bi[k] * bi[k])
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    /// A fixed sequence of small integers.
    fn integers(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                ((state >> 40) as i64 % 2001 - 1000) as f64
            })
            .collect()
    }

    #[test]
    fn product_is_negacyclic_convolution() {
        for log_n in 1..=MAX_LOG_N {
            let n = 1 << log_n;
            let (a, b) = (integers(n, 1), integers(n, 2));
            let mut expected = vec![0.0; n];
            for i in 0..n {
                for j in 0..n {
                    let sign = if i + j < n { 1.0 } else { -1.0 };
                    expected[(i + j) % n] += sign * a[i] * b[j];
                }
            }
            let (mut fa, mut fb) = (a, b);
            forward(&mut fa);
            forward(&mut fb);
            multiply(&mut fa, &fb);
            inverse(&mut fa);
            for (x, y) in fa.iter().zip(&expected) {
                assert!((x - y).abs() < 1e-4, "n={n}: {x} {y}");
            }
        }
    }

    #[test]
    fn split_takes_even_and_odd_coefficients_and_merge_puts_them_back() {
        for log_n in 2..=MAX_LOG_N {
            let n = 1 << log_n;
            let a = integers(n, 3);
            let mut even: Vec<f64> = a.iter().copied().step_by(2).collect();
            let mut odd: Vec<f64> = a.iter().copied().skip(1).step_by(2).collect();
            forward(&mut even);
            forward(&mut odd);
            let mut whole = a;
            forward(&mut whole);
            let (mut f0, mut f1) = (vec![0.0; n / 2], vec![0.0; n / 2]);
            split(roots(), &whole, &mut f0, &mut f1);
            let near = |x: &[f64], y: &[f64]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-8);
            assert!(near(&f0, &even) && near(&f1, &odd), "n={n}");
            let mut back = vec![0.0; n];
            merge(roots(), &f0, &f1, &mut back);
            assert!(near(&back, &whole), "n={n}");
        }
    }

    #[test]
    fn adjoint_product_is_the_norm() {
        let n = 64;
        let mut a = integers(n, 4);
        forward(&mut a);
        let mut product = vec![0.0; n];
        multiply_adjoint_add(&mut product, &a, &a);
        let norm = norm_squared(&a, &vec![0.0; n]);
        assert!(
            product[..n / 2]
                .iter()
                .zip(&norm)
                .all(|(x, y)| (x - y).abs() < 1e-6)
        );
        assert!(product[n / 2..].iter().all(|x| x.abs() < 1e-6));
    }
}
