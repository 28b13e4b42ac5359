//! The trapdoor: a short basis of the NTRU lattice, and preimage sampling with it.
//!
//! The lattice of h is { (a, b) : a + h·b = 0 mod q }; its public basis is long, the secret one
//! [[g, −f], [G, −F]] with h = g/f and f·G − g·F = q is short, and who holds it can sample short
//! (s1, s2) with s1 + h·s2 = u for any u (Gentry, Peikert, Vaikuntanathan 2008; Ducas,
//! Lyubashevsky, Prest 2014; the Falcon specification). Nothing here knows identities, messages
//! or hashes.
//!
//! Not constant time, neither key generation nor sampling: both run on the key owner's device.

mod digits;
mod euclid;
mod gaussian;
mod integer;
mod keystream;
mod solve;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod tree;

pub(crate) use tree::Tree;

use crate::params::ParameterSet;
use crate::ring::{fft, ntt};
use core::marker::PhantomData;
use gaussian::Table;
use keystream::Keystream;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bits of a coefficient of f or g, two's complement: 9.5 widths are below 2^8.
pub(crate) const SHORT_BITS: u32 = 9;

/// Bits of a coefficient of F or G, two's complement: more than 10 times the standard deviation
/// 1.17·√(q/24) of a reduced pair.
pub(crate) const LONG_BITS: u32 = 13;

/// A secret basis: f, g, F, G with f·G − g·F = q, n coefficients each. Wiped on drop.
///
/// Always checked: it is made by [`generate`] or by [`Basis::check`].
#[derive(ZeroizeOnDrop)]
pub(crate) struct Basis<P: ParameterSet> {
    f: Vec<i16>,
    g: Vec<i16>,
    big_f: Vec<i16>,
    big_g: Vec<i16>,
    /// h = g/f mod q: public.
    #[zeroize(skip)]
    h: Vec<u32>,
    #[zeroize(skip)]
    set: PhantomData<P>,
}

impl<P: ParameterSet> Basis<P> {
    /// A basis from its parts, if they have n coefficients of [`SHORT_BITS`] and [`LONG_BITS`], f is
    /// a unit modulo q, f·G − g·F = q over the integers, and both Gram-Schmidt norms are at most
    /// 1.17·√q; otherwise none.
    pub(crate) fn check(
        f: Vec<i16>,
        g: Vec<i16>,
        big_f: Vec<i16>,
        big_g: Vec<i16>,
    ) -> Option<Self> {
        let mut basis = Self {
            h: Vec::new(),
            set: PhantomData,
            f,
            g,
            big_f,
            big_g,
        };
        let fits = |x: &[i16], bits: u32| {
            let limit = 1_i16 << (bits - 1);
            x.len() == P::N && x.iter().all(|c| (-limit..limit).contains(c))
        };
        let sound = fits(&basis.f, SHORT_BITS)
            && fits(&basis.g, SHORT_BITS)
            && fits(&basis.big_f, LONG_BITS)
            && fits(&basis.big_g, LONG_BITS)
            && is_short::<P>(&basis.f, &basis.g)
            && basis.determinant_is_q();
        if !sound {
            return None;
        }
        let [f, g] = [&basis.f, &basis.g]
            .map(|x| Zeroizing::new(x.iter().copied().map(i32::from).collect::<Vec<_>>()));
        basis.h = ntt::divide::<P>(&g, &f)?;
        Some(basis)
    }

    /// f, n coefficients.
    pub(crate) fn f(&self) -> &[i16] {
        &self.f
    }

    /// g, n coefficients.
    pub(crate) fn g(&self) -> &[i16] {
        &self.g
    }

    /// F, n coefficients.
    pub(crate) fn big_f(&self) -> &[i16] {
        &self.big_f
    }

    /// G, n coefficients.
    pub(crate) fn big_g(&self) -> &[i16] {
        &self.big_g
    }

    /// h = g/f modulo q, n coefficients below q: the public key.
    pub(crate) fn public(&self) -> &[u32] {
        &self.h
    }

    /// f·G − g·F = q, exactly.
    fn determinant_is_q(&self) -> bool {
        // ‖f‖ ≤ 1.17·√q < 2^11 and ‖G‖ < 2^18, so the transform's error is below 2^-17 (Percival
        // 2003, theorem 5.1) and rounding gives the integers themselves.
        let mut sum = Zeroizing::new(vec![0.0; P::N]);
        let [f, g, big_f, big_g] =
            [&self.f, &self.g, &self.big_f, &self.big_g].map(|x| Zeroizing::new(transform(x)));
        let minus_g = Zeroizing::new(g.iter().map(|x| -x).collect::<Vec<_>>());
        fft::multiply_add(&mut sum, &f, &big_g);
        fft::multiply_add(&mut sum, &minus_g, &big_f);
        fft::inverse(&mut sum);
        sum.iter()
            .enumerate()
            .all(|(i, x)| x.round_ties_even() == if i == 0 { f64::from(P::Q) } else { 0.0 })
    }
}

/// A fresh basis: Gaussian f and g of width `P::SIGMA_FG`, drawn until f is a unit, both
/// Gram-Schmidt norms are at most 1.17·√q and NTRUSolve succeeds (a handful of draws).
pub(crate) fn generate<P: ParameterSet>(rng: &mut impl CryptoRng) -> Basis<P> {
    let mut keystream = Keystream::new(rng);
    let table = Table::new(P::SIGMA_FG);
    loop {
        let mut f = Zeroizing::new(table.sample(P::N, &mut keystream));
        let mut g = Zeroizing::new(table.sample(P::N, &mut keystream));
        let odd = |x: &[i16]| x.iter().fold(0, |sum, c| sum ^ c) & 1 == 1;
        // The resultant of f has the parity of f(1): two even ones share the factor 2.
        if !(odd(&f) || odd(&g)) || !is_short::<P>(&f, &g) {
            continue;
        }
        if let Some((big_f, big_g)) = solve::ntru_solve(&f, &g, P::Q)
            && let Some(basis) = Basis::check(
                core::mem::take(&mut f),
                core::mem::take(&mut g),
                big_f,
                big_g,
            )
        {
            return basis;
        }
    }
}

/// Both Gram-Schmidt norms of the basis, ‖(g, −f)‖ and ‖(q·adj f, q·adj g)/(f·adj f + g·adj g)‖,
/// are at most 1.17·√q. The bound keeps every leaf width in [σ_min, 1.17²·σ_min], and keeps f and
/// g from being so short that the lattice has a dense sublattice.
fn is_short<P: ParameterSet>(f: &[i16], g: &[i16]) -> bool {
    let bound = 1.17 * 1.17 * f64::from(P::Q);
    let first: i64 = f
        .iter()
        .chain(g)
        .map(|&c| i64::from(c) * i64::from(c))
        .sum();
    if first as f64 > bound {
        return false;
    }
    let (f, g) = (Zeroizing::new(transform(f)), Zeroizing::new(transform(g)));
    let mut norms = fft::norm_squared(&f, &g);
    let q = f64::from(P::Q);
    let second = norms.iter().map(|d| q * q / d).sum::<f64>() / norms.len() as f64;
    norms.zeroize();
    second <= bound
}

/// The Fourier transform of integer coefficients.
fn transform(x: &[i16]) -> Vec<f64> {
    let mut values: Vec<f64> = x.iter().map(|&c| f64::from(c)).collect();
    fft::forward(&mut values);
    values
}
