//! The parameter sets: one trait, two zero-sized types, nothing else depends on the size.
//!
//! Figures and their derivation: `docs/scheme.md`, section "Parameters". This module knows numbers
//! only, no arithmetic.

use crate::ring::twiddle::{Tables, Twiddle};

pub(crate) mod sealed {
    use super::Twiddle;

    /// What a set provides inside this crate only.
    pub trait Sealed {
        /// Constants of the transform and of its inverse, n each.
        fn tables() -> (&'static [Twiddle], &'static [Twiddle]);
    }
}

/// A parameter set of the scheme, over R_q = Z_q\[X\]/(X^n + 1).
///
/// The trait is sealed: the figures of a set are an analysed whole, and a new set is a new version
/// of this crate.
pub trait ParameterSet:
    sealed::Sealed + Copy + Clone + Default + PartialEq + Eq + Send + Sync + 'static
{
    /// Letter of the set in every hash input, `"A"` or `"B"`.
    const NAME: &'static str;
    /// Number of the set in the second byte of every encoding (1 = A, 2 = B).
    const CODE: u8;
    /// log2 of the ring degree n.
    const LOG_N: usize;
    /// Ring degree n, a power of two.
    const N: usize = 1 << Self::LOG_N;
    /// Modulus q, a prime with q = 1 mod 2n.
    const Q: u32;
    /// Bits of one coefficient in 0..q, for packing and for the mask of HashToRq.
    const Q_BITS: u32;
    /// A primitive 2n-th root of unity modulo q.
    const PSI: u32;
    /// Width of f and g: 1.17·√(q/2n).
    const SIGMA_FG: f64;
    /// Smallest leaf width of the sampler, the smoothing bound √(ln(4n(1+2^36))/2)/π.
    const SIGMA_MIN: f64;
    /// Width of a preimage (user key): 1.17·√q·`SIGMA_MIN`.
    const SIGMA_E: f64;
    /// Largest squared norm of (s1, s2): ⌊(1.1·`SIGMA_E`)²·2n⌋.
    const KEY_NORM_SQ: u64;
    /// Bits of one coefficient of s2 in a user or grant key, two's complement.
    const KEY_BITS: u32 = 15;
    /// Bits of one coefficient of rk, two's complement.
    const RK_BITS: u32;
    /// Standard deviation of the re-encryption noise E, an integer.
    const SIGMA_NOISE: u32;
    /// Compress(v) = (v + 2^(`C_SHIFT`-1)) >> `C_SHIFT`, six bits.
    const C_SHIFT: u32;
    /// Copies of the K32 codeword: n = 1024 · copies.
    const CODE_COPIES: usize = Self::N / 1024;
    /// Largest Σ centred(w − Enc(m'))² of a re-encrypted capsule that opens: 2²·n·σ² with σ the
    /// standard deviation of its noise.
    const OPEN_NOISE_SQ: u64;
}

/// The default set: n = 1024, q = 1032193, 134.6 / 122.2 bits (core-SVP, classical / quantum).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetA;

/// The conservative set: n = 2048, q = 2056193, 302.8 / 274.8 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetB;

static TABLES_A: Tables<1024> = Tables::new(SetA::Q, SetA::PSI);
static TABLES_B: Tables<2048> = Tables::new(SetB::Q, SetB::PSI);

impl sealed::Sealed for SetA {
    fn tables() -> (&'static [Twiddle], &'static [Twiddle]) {
        (&TABLES_A.forward, &TABLES_A.inverse)
    }
}

impl sealed::Sealed for SetB {
    fn tables() -> (&'static [Twiddle], &'static [Twiddle]) {
        (&TABLES_B.forward, &TABLES_B.inverse)
    }
}

impl ParameterSet for SetA {
    const NAME: &'static str = "A";
    const CODE: u8 = 1;
    const LOG_N: usize = 10;
    const Q: u32 = 1_032_193;
    const Q_BITS: u32 = 20;
    const PSI: u32 = 92_312;
    const SIGMA_FG: f64 = 26.266_447_578_768_68;
    const SIGMA_MIN: f64 = 1.298_280_334_344_292;
    const SIGMA_E: f64 = 1_543.244_703_715_168_2;
    const KEY_NORM_SQ: u64 = 5_901_805_774;
    const RK_BITS: u32 = 15;
    const SIGMA_NOISE: u32 = 16_384;
    const C_SHIFT: u32 = 14;
    const OPEN_NOISE_SQ: u64 = 14_365_191_540_736;
}

impl ParameterSet for SetB {
    const NAME: &'static str = "B";
    const CODE: u8 = 2;
    const LOG_N: usize = 11;
    const Q: u32 = 2_056_193;
    const Q_BITS: u32 = 21;
    const PSI: u32 = 1_197_488;
    const SIGMA_FG: f64 = 26.214_273_482_286_355;
    const SIGMA_MIN: f64 = 1.311_734_375_905_224;
    const SIGMA_E: f64 = 2_200.714_474_630_128_4;
    const KEY_NORM_SQ: u64 = 24_003_397_552;
    const RK_BITS: u32 = 16;
    const SIGMA_NOISE: u32 = 65_536;
    const C_SHIFT: u32 = 15;
    const OPEN_NOISE_SQ: u64 = 144_564_199_129_088;
}
