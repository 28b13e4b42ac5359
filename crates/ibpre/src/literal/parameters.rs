//! Parameter sets of the published scheme, and the formula by which the largest was chosen.
//!
//! The sizes are our choice, as kind to the scheme as can be. They follow MP12, section 5.2 (the
//! smaller of its trapdoors, which rests on LWE: Ā = \[I | Â\], m̄ = 2n), with one width σ for R, x
//! and x'. From n, k and σ follow the width of keys, by the norm of R; the noise of decryption, by the
//! width of keys; hence the least q; hence the n that LWE needs.

use std::f64::consts::{E, PI};

use super::gaussian::smoothing;

/// Sizes and widths of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Rows of A: the dimension of the LWE secret s, at most 4096.
    pub n: usize,
    /// Bits of q, 2..=26.
    pub k: usize,
    /// The modulus: the largest prime below 2^k.
    pub q: u32,
    /// Bits of an identity, ℓ.
    pub identity_bits: usize,
}

/// For reading and for attacks that finish at once: no security whatever.
pub const TOY: Parameters = Parameters {
    n: 8,
    k: 20,
    q: (1 << 20) - 3,
    identity_bits: 16,
};

/// For attacks that take a second: no security either.
pub const SMALL: Parameters = Parameters {
    n: 32,
    k: 22,
    q: (1 << 22) - 3,
    identity_bits: 64,
};

/// 128 bits against the best known lattice attack on LWE ([`Parameters::core_svp_bits`]). The
/// attacks of `docs/attacks.md` are linear algebra and take no notice of it.
pub const BITS_128: Parameters = Parameters {
    n: 1088,
    k: 26,
    q: (1 << 26) - 5,
    identity_bits: 256,
};

impl Parameters {
    /// σ of x, x' and of the entries of R.
    pub const SIGMA: f64 = 3.2;

    /// Columns of Ā, m̄ = 2n.
    pub(super) fn m_bar(&self) -> usize {
        2 * self.n
    }

    /// Columns of the gadget G, w = n·k.
    pub(super) fn w(&self) -> usize {
        self.n * self.k
    }

    /// Columns of A: the length of a key e and of y.
    pub fn m(&self) -> usize {
        self.m_bar() + self.w()
    }

    /// Smoothing parameter of Z^m: below it a rounded Gaussian shows what it was rounded from.
    pub(super) fn eta(&self) -> f64 {
        smoothing(self.m())
    }

    /// Width of gadget preimages: the gadget basis has Gram-Schmidt norm √5 (MP12, section 4.2).
    pub(super) fn sigma_gadget(&self) -> f64 {
        5f64.sqrt() * self.eta()
    }

    /// Width of keys, σ_e: σ_gadget·√(s1(R)² + 1), and a little for rounding (MP12, section 5.4).
    /// s1(R) ≤ σ·(√m̄ + √w + 6) but for a chance of e^-18.
    pub fn sigma_key(&self) -> f64 {
        let norm = Self::SIGMA * ((self.m_bar() as f64).sqrt() + (self.w() as f64).sqrt() + 6.0);
        let square = self.sigma_gadget().powi(2) * (norm * norm + 1.0) + 2.0 * self.eta().powi(2);
        square.sqrt()
    }

    /// Standard deviation of x' − e^T x, the noise of decryption. A bit is lost beyond q/4.
    pub fn sigma_decryption(&self) -> f64 {
        (self.m() as f64).sqrt() * self.sigma_key() * Self::SIGMA
    }

    /// Bits of security of LWE(n, q, σ): 0.292·b for the least block size b of BKZ that finds (x, s, 1).
    pub fn core_svp_bits(&self) -> f64 {
        0.292 * f64::from(primal_block_size(self.n, f64::from(self.q), Self::SIGMA))
    }
}

/// The least b for which some number m of samples has σ√b ≤ δ^(2b−d−1)·q^(m/d), d = n + m + 1: the
/// primal attack of Alkim, Ducas, Pöppelmann, Schwabe, "Post-quantum key exchange - a new hope"
/// (USENIX Security 2016), section 6.3, from which the public lattice estimator's `ADPS16` model
/// descends. Secret and error have width σ (a uniform secret can be brought to that form).
pub(super) fn primal_block_size(n: usize, q: f64, sigma: f64) -> u32 {
    let finds = |b: &u32| {
        let b = f64::from(*b);
        let delta = ((PI * b).powf(1.0 / b) * b / (2.0 * PI * E)).powf(1.0 / (2.0 * (b - 1.0)));
        (n / 2..4 * n).any(|m| {
            let d = (n + m + 1) as f64;
            let projected = sigma.ln() + b.ln() / 2.0;
            projected <= (2.0 * b - d - 1.0) * delta.ln() + m as f64 / d * q.ln()
        })
    };
    (60..4096).find(finds).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two sets of Table 1 of "a new hope": b = 449 (JarJar) and 967 (NewHope). There δ was
    /// rounded, so a block size may differ by a little.
    #[test]
    fn formula_gives_the_figures_of_its_paper() {
        assert!(primal_block_size(512, 12289.0, 12f64.sqrt()).abs_diff(449) <= 3);
        assert!(primal_block_size(1024, 12289.0, 8f64.sqrt()).abs_diff(967) <= 3);
    }

    /// What the public lattice estimator gives for a capsule of set A: 134.6 bits.
    #[test]
    fn formula_gives_the_estimators_figure_for_set_a() {
        let ternary = (170.0f64 / 256.0).sqrt();
        let bits = 0.292 * f64::from(primal_block_size(1024, 1_032_193.0, ternary));
        assert!((bits - 134.6).abs() < 0.3, "{bits}");
    }

    #[test]
    fn the_large_set_has_128_bits_and_decrypts() {
        let bits = BITS_128.core_svp_bits();
        assert!((128.0..131.0).contains(&bits), "{bits}");
        for set in [TOY, SMALL, BITS_128] {
            let room = f64::from(set.q) / 4.0 / set.sigma_decryption();
            assert!(room > 13.0, "{set:?}: {room}"); // a failure below 2^-124
        }
    }

    #[test]
    fn moduli_are_the_largest_primes() {
        let prime = |c: &u32| {
            (2..)
                .take_while(|d| d * d <= *c)
                .all(|d| !c.is_multiple_of(d))
        };
        for set in [TOY, SMALL, BITS_128] {
            assert_eq!((2..1 << set.k).rev().find(prime), Some(set.q));
        }
    }
}
