//! The extended Euclidean algorithm on the two resultants at the bottom of NTRUSolve.
//!
//! Lehmer's method: quotients are found on the leading 62 bits and applied to the long numbers as
//! one matrix for every 31 bits or so. Any such matrix has determinant ±1, so what the leading bits
//! get wrong costs a pass, never the result. Variable time.

use super::digits::{DIGIT_BITS, Wide};

/// Integers (G, F) with a·G − b·F = q, or none if a and b share a factor.
pub(super) fn bezout(a: &Wide, b: &Wide, q: u32) -> Option<(Wide, Wide)> {
    let small = |x: i64| Wide::from_small([x]);
    // Rows (r, x, y) with r = x·a + y·b.
    let mut upper = [a.clone(), small(1), small(0)];
    let mut lower = [b.clone(), small(0), small(1)];
    // A pass takes 20 bits or more off the pair; beyond that there is something wrong with it.
    let passes = 16 + 8 * (a.length() + b.length());
    for _ in 0..passes {
        if lower[0].is_zero() {
            let gcd = upper[0].as_small()?;
            if gcd.abs() != 1 {
                return None;
            }
            let q = i64::from(q) * gcd;
            let [_, x, y] = &upper;
            return Some((x.combine(q, y, 0), y.combine(-q, x, 0)));
        }
        step(&mut upper, &mut lower);
    }
    None
}

/// One pass: both rows by one matrix of determinant ±1.
fn step(upper: &mut [Wide; 3], lower: &mut [Wide; 3]) {
    let (mut a, mut b, exact) = leading(&upper[0], &lower[0]);
    // While |b| > 2^31 the entries of the matrix stay below 2^62/2^31.
    let stop = if exact { 0 } else { 1 << 31 };
    let mut rows = [[1_i64, 0], [0, 1]];
    while b.abs() > stop {
        let quotient = a / b;
        let next = [0, 1].map(|j| rows[0][j] - quotient * rows[1][j]);
        rows = [rows[1], next];
        (a, b) = (b, a - quotient * b);
    }
    if rows == [[1, 0], [0, 1]] {
        return divide(upper, lower);
    }
    for (x, y) in upper.iter_mut().zip(lower) {
        let [[p, r], [s, t]] = rows;
        (*x, *y) = (x.combine(p, y, r), x.combine(s, y, t));
    }
}

/// The rare pass whose quotient is too long for the matrix: takes its leading part, and swaps.
fn divide(upper: &mut [Wide; 3], lower: &mut [Wide; 3]) {
    let ((a, p), (b, r)) = (upper[0].leading(), lower[0].leading());
    // a/b = quotient · 2^(42·shift), |b| < 2^31/2^62·|a|: a quotient of 24 to 66 bits.
    let mut quotient = a[0] / b[0];
    let mut shift = p as i64 - r as i64;
    let digit = (1_u64 << DIGIT_BITS) as f64;
    while shift < 0 {
        quotient /= digit;
        shift += 1;
    }
    while quotient.abs() > (1_u64 << 50) as f64 {
        quotient /= digit;
        shift += 1;
    }
    while quotient.abs() < 256.0 && shift > 0 {
        quotient *= digit;
        shift -= 1;
    }
    let quotient = [quotient as i64];
    for (x, y) in upper.iter_mut().zip(lower.iter()) {
        x.subtract_multiple(&quotient, &y.extend(), shift as usize);
    }
    core::mem::swap(upper, lower);
}

/// The leading 62 bits of both in one unit, and whether that is all of them.
fn leading(a: &Wide, b: &Wide) -> (i64, i64, bool) {
    let length = a.length().max(b.length());
    let bottom = length.saturating_sub(3);
    let value = |x: &Wide| {
        let digits = x.digits().get(bottom..).unwrap_or_default();
        digits
            .iter()
            .rev()
            .fold(0_i128, |v, &d| (v << DIGIT_BITS) + i128::from(d))
    };
    // Three balanced digits: below 2^126.
    let (a, b) = (value(a), value(b));
    let bits = 128 - (a.unsigned_abs() | b.unsigned_abs()).leading_zeros();
    let shift = bits.saturating_sub(62);
    (
        (a >> shift) as i64,
        (b >> shift) as i64,
        bottom == 0 && shift == 0,
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use num_integer::Integer;

    fn integer(x: &Wide) -> BigInt {
        x.digits()
            .iter()
            .rev()
            .fold(BigInt::ZERO, |v, &d| (v << DIGIT_BITS) + d)
    }

    /// A positive number of about `digits` digits.
    fn number(digits: usize, state: &mut u64) -> Wide {
        let mut next = || {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (*state >> 23) as i64 - (1 << 40)
        };
        let mut digits: Vec<i64> = (0..digits).map(|_| next()).collect();
        if let Some(top) = digits.last_mut() {
            *top = top.abs() | 1;
        }
        Wide::from_digits(digits)
    }

    #[test]
    fn solves_exactly_when_the_greatest_common_divisor_is_1() {
        let mut state = 7;
        let mut solved = 0;
        for (m, n) in [
            (1, 1),
            (1, 9),
            (9, 1),
            (3, 3),
            (30, 29),
            (236, 236),
            (40, 236),
            (470, 469),
        ] {
            for _ in 0..8 {
                let (a, b) = (number(m, &mut state), number(n, &mut state));
                let result = bezout(&a, &b, 1_032_193);
                let (a, b) = (integer(&a), integer(&b));
                assert_eq!(result.is_some(), a.gcd(&b) == BigInt::from(1), "{m} {n}");
                if let Some((g, f)) = result {
                    assert_eq!(&a * integer(&g) - &b * integer(&f), BigInt::from(1_032_193));
                    assert!(integer(&g).bits() <= b.bits() + 22, "{m} {n}");
                    solved += 1;
                }
            }
        }
        assert!(solved > 20);
    }
}
