//! The constants of the transform: powers of ψ and of its inverse, made at compile time.
//!
//! Numbers and their order only. The parameter sets own the tables, `ntt` reads them; this module
//! knows neither.

/// A constant factor w in 0..q, with ⌊w·2^32/q⌋ in the high half: one load brings both.
#[derive(Clone, Copy, Debug)]
pub struct Twiddle(pub(super) u64);

impl Twiddle {
    pub(super) const fn new(w: u32, q: u32) -> Self {
        // w < q, so the quotient is below 2^32.
        Self(w as u64 | ((((w as u64) << 32) / q as u64) << 32))
    }
}

/// Columns of the second half of the transform: see [`forward`](super::ntt::forward).
pub(super) const COLUMNS: usize = 16;

/// The constants of one set: powers of ψ and of its inverse, in the order the layers read them.
#[derive(Debug)]
pub(crate) struct Tables<const N: usize> {
    pub(crate) forward: [Twiddle; N],
    pub(crate) inverse: [Twiddle; N],
}

impl<const N: usize> Tables<N> {
    pub(crate) const fn new(q: u32, psi: u32) -> Self {
        let mut tables = Self {
            forward: [Twiddle(0); N],
            inverse: [Twiddle(0); N],
        };
        let psi_inverse = pow_mod(psi, q - 2, q);
        let (mut i, mut w, mut v) = (0, 1, 1);
        while i < N {
            let at = Self::place(i.reverse_bits() >> (usize::BITS - N.ilog2()));
            tables.forward[at] = Twiddle::new(w, q);
            tables.inverse[at] = Twiddle::new(v, q);
            w = mul_mod(w, psi, q);
            v = mul_mod(v, psi_inverse, q);
            i += 1;
        }
        tables
    }

    /// Where the factor of bit-reversed index `at` is read. Those of the transposed layers, with
    /// g·rows blocks, go from the order (row, block in row) to (block in row, row).
    const fn place(at: usize) -> usize {
        let rows = N / COLUMNS;
        if at < rows {
            return at;
        }
        let groups = 1 << (at / rows).ilog2();
        let offset = at - groups * rows;
        groups * rows + offset % groups * rows + offset / groups
    }
}

/// base^exponent mod q. The exponent is public; `%` by a constant q is a multiplication where it is
/// optimised, and only key generation takes powers of secrets.
pub(super) const fn pow_mod(base: u32, exponent: u32, q: u32) -> u32 {
    let (mut result, mut base, mut exponent) = (1, base, exponent);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = mul_mod(result, base, q);
        }
        base = mul_mod(base, base, q);
        exponent >>= 1;
    }
    result
}

const fn mul_mod(a: u32, b: u32, q: u32) -> u32 {
    (a as u64 * b as u64 % q as u64) as u32
}
