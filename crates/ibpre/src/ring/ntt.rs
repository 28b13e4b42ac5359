//! The negacyclic number-theoretic transform, and products with a prepared factor.
//!
//! Lanes are `u64` that hold values below 2^32: one 32x32 -> 64 multiplication per lane without
//! any shuffle, which compilers turn into vector code on every target. Multiplication by a
//! constant w is Shoup's: with w' = ⌊w·2^32/q⌋ and any a < 2^32, a·w − ⌊a·w'/2^32⌋·q is in
//! \[0, 2q). Ranges are stated line by line; q < 2^21 and n ≤ 2^11 leave room to add lazily.
//! Branch-free: no operation depends on a value.

use std::marker::PhantomData;

use zeroize::ZeroizeOnDrop;

use super::lanes::wide;
use super::twiddle::{COLUMNS, Twiddle, pow_mod};
use crate::params::ParameterSet;
use crate::secret::Buffer;

/// Transforms n coefficients in \[0, q) to n values in \[0, (2·log2 n + 1)·q).
///
/// Cooley-Tukey layers of distance n/2, .., 16 work on the coefficients as they stand. Then the
/// array, seen as n/16 rows of 16, is transposed, and the layers of distance 8, 4, 2, 1 combine
/// whole columns of n/16 lanes: every layer runs over long contiguous lanes. The order of the
/// values is nobody's business but [`inverse`]'s and [`Prepared`]'s.
pub(crate) fn forward<P: ParameterSet>(mut a: Buffer<u64>) -> Buffer<u64> {
    let w = P::tables().0;
    debug_assert_eq!((a.len(), w.len()), (P::N, P::N));
    wide(
        #[inline(always)]
        || {
            let mut half = P::N / 2;
            while half >= COLUMNS {
                let m = P::N / 2 / half;
                for (block, w) in a.chunks_exact_mut(2 * half).zip(&w[m..2 * m]) {
                    let (low, high) = block.split_at_mut(half);
                    for (x, y) in low.iter_mut().zip(high) {
                        butterfly::<P>(x, y, *w);
                    }
                }
                half /= 2;
            }
        },
    );
    let rows = P::N / COLUMNS;
    let mut t = Buffer::zeros(P::N);
    // Not inside: vector units that can gather and scatter are slower here than single moves.
    for (r, row) in a.as_chunks::<COLUMNS>().0.iter().enumerate() {
        for (c, &x) in row.iter().enumerate() {
            t[c * rows + r] = x;
        }
    }
    wide(
        #[inline(always)]
        || {
            let mut half = COLUMNS / 2;
            while half > 0 {
                let groups = COLUMNS / 2 / half;
                let w = w[groups * rows..2 * groups * rows].chunks_exact(rows);
                for (block, w) in t.chunks_exact_mut(2 * half * rows).zip(w) {
                    let (low, high) = block.split_at_mut(half * rows);
                    for (low, high) in low.chunks_exact_mut(rows).zip(high.chunks_exact_mut(rows)) {
                        for ((x, y), w) in low.iter_mut().zip(high).zip(w) {
                            butterfly::<P>(x, y, *w);
                        }
                    }
                }
                half /= 2;
            }
        },
    );
    t
}

/// Inverse of [`forward`] times n: n values in \[0, q) to n coefficients in \[0, q).
/// The factor 1/n stands in every [`Prepared`].
pub(crate) fn inverse<P: ParameterSet>(mut t: Buffer<u64>) -> Buffer<u64> {
    let w = P::tables().1;
    debug_assert_eq!((t.len(), w.len()), (P::N, P::N));
    // The bound of the inputs of a layer of distance `half` is q·half: it doubles with each layer,
    // and q·n < 2^32 holds for both sets, so nothing is reduced before the end.
    let rows = P::N / COLUMNS;
    wide(
        #[inline(always)]
        || {
            let mut half = 1;
            while half < COLUMNS {
                let groups = COLUMNS / 2 / half;
                let bound = u64::from(P::Q) * half as u64;
                let w = w[groups * rows..2 * groups * rows].chunks_exact(rows);
                for (block, w) in t.chunks_exact_mut(2 * half * rows).zip(w) {
                    let (low, high) = block.split_at_mut(half * rows);
                    for (low, high) in low.chunks_exact_mut(rows).zip(high.chunks_exact_mut(rows)) {
                        for ((x, y), w) in low.iter_mut().zip(high).zip(w) {
                            inverse_butterfly::<P>(x, y, *w, bound);
                        }
                    }
                }
                half *= 2;
            }
        },
    );
    let mut a = Buffer::zeros(P::N);
    for (r, row) in a.as_chunks_mut::<COLUMNS>().0.iter_mut().enumerate() {
        for (c, x) in row.iter_mut().enumerate() {
            *x = t[c * rows + r];
        }
    }
    wide(
        #[inline(always)]
        || {
            let mut half = COLUMNS;
            while half < P::N {
                let m = P::N / 2 / half;
                let bound = u64::from(P::Q) * half as u64;
                for (block, w) in a.chunks_exact_mut(2 * half).zip(&w[m..2 * m]) {
                    let (low, high) = block.split_at_mut(half);
                    for (x, y) in low.iter_mut().zip(high) {
                        inverse_butterfly::<P>(x, y, *w, bound);
                    }
                }
                half *= 2;
            }
            for x in a.iter_mut() {
                *x = reduce::<P>(*x);
            }
        },
    );
    a
}

/// (x, y) -> (x + w·y, x − w·y + 2q). Both grow by less than 2q a layer: below 24q < 2^26 at the end.
#[inline(always)]
fn butterfly<P: ParameterSet>(x: &mut u64, y: &mut u64, w: Twiddle) {
    let t = mul_shoup::<P>(*y, w); // [0, 2q)
    *y = *x + (2 * u64::from(P::Q) - t);
    *x += t;
}

/// (x, y) -> (x + y, w·(x − y)), for x, y in \[0, bound), 2·bound < 2^32: sum in \[0, 2·bound),
/// product in \[0, 2q), which is within the same bound.
#[inline(always)]
fn inverse_butterfly<P: ParameterSet>(x: &mut u64, y: &mut u64, w: Twiddle, bound: u64) {
    let difference = *x + (bound - *y); // [0, 2·bound)
    *x += *y;
    *y = mul_shoup::<P>(difference, w);
}

/// a·w mod q in \[0, 2q), for a < 2^32.
#[inline(always)]
fn mul_shoup<P: ParameterSet>(a: u64, Twiddle(w): Twiddle) -> u64 {
    let a = a & 0xffff_ffff;
    let quotient = (a * (w >> 32)) >> 32;
    // The difference is exact in 64 bits: both products are below 2^53.
    (a * (w & 0xffff_ffff)).wrapping_sub(quotient * u64::from(P::Q))
}

/// x mod q in \[0, q), for x < 2^32.
#[inline(always)]
pub(crate) fn reduce<P: ParameterSet>(x: u64) -> u64 {
    let x = x & 0xffff_ffff;
    let quotient = (x * ((1u64 << 32) / u64::from(P::Q))) >> 32; // short of ⌊x/q⌋ by at most 1
    subtract_once::<P>(x - quotient * u64::from(P::Q))
}

/// x mod q, for x in \[0, 2q).
#[inline(always)]
pub(crate) fn subtract_once<P: ParameterSet>(x: u64) -> u64 {
    let d = x.wrapping_sub(u64::from(P::Q)); // negative exactly if x < q: then the high half is all ones
    d.wrapping_add((d >> 32) & u64::from(P::Q))
}

/// A factor in the transformed domain, with 1/n folded in. Wiped on drop (it may be a secret).
pub(crate) struct Prepared<P> {
    factors: Buffer<u64>,
    set: PhantomData<P>,
}

impl<P: ParameterSet> Prepared<P> {
    /// Prepares n coefficients in \[0, q).
    pub(crate) fn new(coefficients: impl Iterator<Item = u32>) -> Self {
        let a = transformed::<P>(coefficients.map(u64::from));
        let q = P::Q;
        let scale = Twiddle::new(pow_mod(P::N as u32, q - 2, q), q);
        let factor = |&x: &u64| {
            let w = subtract_once::<P>(mul_shoup::<P>(x, scale)) as u32;
            u64::from(w) | u64::from(shoup_quotient::<P>(w)) << 32
        };
        Self {
            factors: a.iter().map(factor).collect::<Vec<_>>().into(),
            set: PhantomData,
        }
    }

    /// Prepares n small coefficients, |c| < q.
    pub(crate) fn new_signed(coefficients: &[i32]) -> Self {
        Self::new(coefficients.iter().map(|&c| from_signed::<P>(c)))
    }

    /// The product with a transformed polynomial, as n coefficients in \[0, q).
    pub(crate) fn multiply(&self, transformed: &[u64]) -> Buffer<u64> {
        let mut product = Buffer::zeros(P::N);
        wide(
            #[inline(always)]
            || {
                for ((out, &a), &w) in product.iter_mut().zip(transformed).zip(self.factors.iter())
                {
                    *out = subtract_once::<P>(mul_shoup::<P>(a, Twiddle(w)));
                }
            },
        );
        inverse::<P>(product)
    }
}

impl<P> ZeroizeOnDrop for Prepared<P> {}

/// A transformed copy of n coefficients in \[0, q).
pub(crate) fn transformed<P: ParameterSet>(coefficients: impl Iterator<Item = u64>) -> Buffer<u64> {
    forward::<P>(coefficients.collect::<Vec<_>>().into())
}

/// The quotient a/b in R_q, or `None` if b has no inverse. Takes the same time for every b that has.
pub(crate) fn divide<P: ParameterSet>(a: &[i32], b: &[i32]) -> Option<Vec<u32>> {
    let a = transformed::<P>(a.iter().map(|&c| u64::from(from_signed::<P>(c))));
    let mut b = transformed::<P>(b.iter().map(|&c| u64::from(from_signed::<P>(c))));
    let mut zero = false;
    for x in b.iter_mut() {
        *x = reduce::<P>(*x);
        zero |= *x == 0;
        *x = u64::from(pow_mod(*x as u32, P::Q - 2, P::Q));
    }
    if zero {
        return None;
    }
    let scale = u64::from(pow_mod(P::N as u32, P::Q - 2, P::Q));
    let q = u64::from(P::Q);
    let mut quotient = Buffer::zeros(P::N);
    for ((out, &x), &y) in quotient.iter_mut().zip(a.iter()).zip(b.iter()) {
        *out = x % q * y % q * scale % q;
    }
    let quotient = inverse::<P>(quotient);
    Some(quotient.iter().map(|&x| x as u32).collect())
}

/// c mod q in \[0, q), for |c| < q, without a branch.
#[inline(always)]
pub(crate) fn from_signed<P: ParameterSet>(c: i32) -> u32 {
    (c + ((c >> 31) & P::Q as i32)) as u32
}

/// The representative of v in (−q/2, q/2), for v in \[0, q), without a branch.
#[inline(always)]
pub(crate) fn centred<P: ParameterSet>(v: u32) -> i32 {
    let v = v as i32;
    let high = ((P::Q / 2) as i32 - v) >> 31; // all ones if v > ⌊q/2⌋
    v - (P::Q as i32 & high)
}

/// ⌊w·2^32/q⌋ for w in \[0, q), by multiplication (a division by a secret may take variable time).
fn shoup_quotient<P: ParameterSet>(w: u32) -> u32 {
    let numerator = u128::from(w) << 32; // < 2^53
    let inverse = (1u128 << 64) / u128::from(P::Q); // a constant, rounded down
    let estimate = ((numerator * inverse) >> 64) as u64; // low by at most 1
    let rest = ((u64::from(w)) << 32).wrapping_sub(estimate * u64::from(P::Q)); // [0, 2q)
    let more = 1 - (rest.wrapping_sub(u64::from(P::Q)) >> 63); // 1 if rest >= q
    (estimate + more) as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::params::{SetA, SetB};
    use crate::ring::lanes::on_each_unit;
    use crate::test_rng::TestRng;
    use rand_core::Rng;

    /// Test 1 of the design: products by transform equal schoolbook products.
    fn against_schoolbook<P: ParameterSet>(extreme: bool) {
        let mut rng = TestRng::new(b"ntt");
        let mut draw = || -> Vec<u32> {
            (0..P::N)
                .map(|_| {
                    if extreme {
                        P::Q - 1
                    } else {
                        rng.next_u32() % P::Q
                    }
                })
                .collect()
        };
        let (a, b) = (draw(), draw());
        let q = u64::from(P::Q);
        let mut expected = vec![0u64; P::N];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let product = u64::from(x) * u64::from(y) % q;
                let at = (i + j) % P::N;
                expected[at] = if i + j < P::N {
                    (expected[at] + product) % q
                } else {
                    (expected[at] + q - product) % q
                };
            }
        }
        let products = on_each_unit(|| {
            let hat = transformed::<P>(a.iter().map(|&x| u64::from(x)));
            let bound = (2 * P::LOG_N as u64 + 1) * u64::from(P::Q);
            assert!(hat.iter().all(|&x| x < bound));
            let product = Prepared::<P>::new(b.iter().copied()).multiply(&hat);
            (hat, product)
        });
        for (hat, product) in &products {
            assert_eq!(**product, expected);
            assert_eq!(**hat, *products[0].0);
        }
    }

    #[test]
    fn products_equal_schoolbook() {
        against_schoolbook::<SetA>(false);
        against_schoolbook::<SetB>(false);
        against_schoolbook::<SetA>(true);
        against_schoolbook::<SetB>(true);
    }

    #[test]
    fn psi_has_order_2n() {
        fn check<P: ParameterSet>() {
            assert_eq!(pow_mod(P::PSI, P::N as u32, P::Q), P::Q - 1);
            assert!(u64::from(P::Q) * (P::N as u64) < 1 << 32);
        }
        check::<SetA>();
        check::<SetB>();
    }

    #[test]
    fn quotients_and_divisions() {
        for w in 0..SetA::Q {
            assert_eq!(
                u64::from(shoup_quotient::<SetA>(w)),
                (u64::from(w) << 32) / u64::from(SetA::Q)
            );
        }
        for w in 0..SetB::Q {
            assert_eq!(
                u64::from(shoup_quotient::<SetB>(w)),
                (u64::from(w) << 32) / u64::from(SetB::Q)
            );
        }
        let mut rng = TestRng::new(b"divide");
        let mut small = || -> Vec<i32> {
            (0..SetA::N)
                .map(|_| (rng.next_u32() % 101) as i32 - 50)
                .collect()
        };
        let (a, b) = (small(), small());
        let quotient = divide::<SetA>(&a, &b).unwrap();
        let hat = transformed::<SetA>(b.iter().map(|&c| u64::from(from_signed::<SetA>(c))));
        let back = Prepared::<SetA>::new(quotient.into_iter()).multiply(&hat);
        let expected: Vec<u64> = a
            .iter()
            .map(|&c| u64::from(from_signed::<SetA>(c)))
            .collect();
        assert_eq!(*back, expected);
        assert!(divide::<SetA>(&a, &vec![0; SetA::N]).is_none());
    }

    #[test]
    fn reductions_at_the_edges() {
        fn check<P: ParameterSet>() {
            let q = u64::from(P::Q);
            let edges = [0, 1, q - 1, q, q + 1, 2 * q - 1, 2 * q, u64::from(u32::MAX)];
            for x in edges {
                assert_eq!(reduce::<P>(x), x % q);
            }
            for v in [0, 1, P::Q / 2, P::Q / 2 + 1, P::Q - 1] {
                let c = centred::<P>(v);
                assert!(c.unsigned_abs() <= P::Q / 2);
                assert_eq!(from_signed::<P>(c), v);
            }
        }
        check::<SetA>();
        check::<SetB>();
    }
}
