//! Polynomials with long integer coefficients, for the lower levels of NTRUSolve.
//!
//! A coefficient is Σ d_l · 2^(42·l) with balanced digits, −2^41 ≤ d_l < 2^41. So a product of
//! polynomials is a convolution in two directions with signed 64-bit factors and 128-bit sums, no
//! carry inside and no case for signs; a digit of 42 bits is what one pass of the reduction in
//! `solve` removes. Variable time throughout. Wiped on drop.

use crate::ring::fft;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bits of a digit.
pub(super) const DIGIT_BITS: u32 = 42;
const HALF: i64 = 1 << (DIGIT_BITS - 1);
const MASK: i64 = (1 << DIGIT_BITS) - 1;

/// Products whose coefficients stay below this go through the floating-point transform. Its error
/// is at most 2^-46 of ‖a‖·‖b‖ for n ≤ 2048 (Percival 2003, theorem 5.1), so below 1/8 here.
const EXACT_PRODUCT: f64 = (1_u64 << 43) as f64;

/// A polynomial of degree below n, digit plane by digit plane: digit l of coefficient i at l·n + i.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Wide {
    n: usize,
    digits: Vec<i64>,
}

impl Wide {
    /// Coefficients of at most 41 bits and a sign.
    pub(super) fn from_small(coefficients: impl IntoIterator<Item = i64>) -> Self {
        let digits: Vec<i64> = coefficients.into_iter().collect();
        let n = digits.len();
        Self { n, digits }
    }

    /// The digits of one integer.
    #[cfg(test)]
    pub(super) fn from_digits(digits: Vec<i64>) -> Self {
        Self { n: 1, digits }
    }

    /// Number of coefficients.
    pub(super) fn degree(&self) -> usize {
        self.n
    }

    /// Digits per coefficient.
    pub(super) fn length(&self) -> usize {
        self.digits.len() / self.n
    }

    /// All digits; for one coefficient its digits from the lowest up.
    pub(super) fn digits(&self) -> &[i64] {
        &self.digits
    }

    /// The field norm N(f) with N(f)(X²) = f(X)·f(−X) = f0² − X²·f1², of degree n/2.
    pub(super) fn norm(&self) -> Self {
        let (even, odd) = self.halves();
        let mut product = Product::new(&even, &even);
        product.add(&even, &even, 1);
        product.add(&odd.shifted(), &odd, -1);
        product.finish()
    }

    /// F(X²)·f(−X) for F of half the degree of f.
    pub(super) fn lift(&self, f: &Self) -> Self {
        let (even, odd) = f.halves();
        let [low, high] = [(&even, 1), (&odd, -1)].map(|(half, sign)| {
            let mut product = Product::new(self, half);
            product.add(self, half, sign);
            product.finish()
        });
        let length = low.length().max(high.length());
        let mut digits = vec![0; length * f.n];
        for (half, offset) in [(&low, 0), (&high, 1)] {
            for (i, &d) in half.digits.iter().enumerate() {
                digits[2 * i + offset] = d;
            }
        }
        Self { n: f.n, digits }
    }

    /// f0 and f1 of f(X) = f0(X²) + X·f1(X²).
    fn halves(&self) -> (Self, Self) {
        let take = |offset| Self {
            n: self.n / 2,
            digits: self
                .digits
                .iter()
                .skip(offset)
                .step_by(2)
                .copied()
                .collect(),
        };
        (take(0), take(1))
    }

    /// X·f.
    fn shifted(&self) -> Self {
        let mut shifted = self.clone();
        for plane in shifted.digits.chunks_exact_mut(self.n) {
            plane.rotate_right(1);
            plane[0] = -plane[0];
        }
        shifted
    }

    /// The leading parts as `f64`, in units of 2^(42·p), and p: the highest three digits, so that
    /// the largest coefficient has its 53 bits.
    pub(super) fn leading(&self) -> (Vec<f64>, usize) {
        let length = self.length();
        let bottom = length.saturating_sub(3);
        let mut values = vec![0.0; self.n];
        for plane in self.digits.chunks_exact(self.n).skip(bottom).rev() {
            for (value, &digit) in values.iter_mut().zip(plane) {
                *value = *value * (1_u64 << DIGIT_BITS) as f64 + digit as f64;
            }
        }
        (values, bottom)
    }

    /// Whether every coefficient is 0.
    pub(super) fn is_zero(&self) -> bool {
        self.digits.iter().all(|&d| d == 0)
    }

    /// The integer itself, if there is one coefficient of one digit.
    pub(super) fn as_small(&self) -> Option<i64> {
        match self.digits[..] {
            [digit] => Some(digit),
            _ => None,
        }
    }

    /// x·self + y·other for integers, |x| and |y| at most 2^31.
    pub(super) fn combine(&self, x: i64, other: &Self, y: i64) -> Self {
        let mut carry = 0;
        let length = self.digits.len().max(other.digits.len()) + 1;
        let digit = |number: &Self, l| number.digits.get(l).copied().unwrap_or(0);
        let digits = (0..length)
            .map(|l| {
                let [a, b] = [self, other].map(|number| i128::from(digit(number, l)));
                let (low, high) = balance(a * i128::from(x) + b * i128::from(y) + carry);
                carry = high;
                low
            })
            .collect();
        let mut result = Self { n: 1, digits };
        result.trim();
        result
    }

    /// The planes of f as [`Self::subtract_multiple`] takes them.
    pub(super) fn extend(&self) -> Extended {
        Extended::new(self)
    }

    /// self ← self − k·f·2^(42·shift), for |k_i| < 2^52.
    pub(super) fn subtract_multiple(&mut self, k: &[i64], f: &Extended, shift: usize) {
        let n = self.n;
        let needed = (shift + f.length() + 3) * n;
        if self.digits.len() < needed {
            // Not `resize`, which would leave the old digits in freed memory.
            let mut longer = Vec::with_capacity(needed);
            longer.extend_from_slice(&self.digits);
            longer.resize(needed, 0);
            self.digits.zeroize();
            self.digits = longer;
        }
        let mut reversed: Vec<i64> = k.iter().rev().copied().collect();
        let mut carries = vec![0_i128; n];
        let mut product = vec![0_i128; n];
        let mut planes = self.digits.chunks_exact_mut(n).skip(shift);
        for source in f.planes() {
            product.fill(0);
            convolve(&reversed, source, &mut product);
            if let Some(plane) = planes.next() {
                for ((digit, carry), dot) in plane.iter_mut().zip(&mut carries).zip(&product) {
                    (*digit, *carry) = balance(i128::from(*digit) + *carry - dot);
                }
            }
        }
        for plane in planes {
            if carries.iter().all(|&carry| carry == 0) {
                break;
            }
            for (digit, carry) in plane.iter_mut().zip(&mut carries) {
                (*digit, *carry) = balance(i128::from(*digit) + *carry);
            }
        }
        reversed.zeroize();
        carries.zeroize();
        product.zeroize();
        self.trim();
    }

    /// Drops leading digits that are zero in every coefficient.
    fn trim(&mut self) {
        while self.length() > 1
            && self.digits[self.digits.len() - self.n..]
                .iter()
                .all(|&d| d == 0)
        {
            self.digits.truncate(self.digits.len() - self.n);
        }
    }

    /// The coefficients, if each fits 16 bits.
    pub(super) fn to_small(&self) -> Option<Vec<i16>> {
        (self.length() == 1)
            .then(|| self.digits.iter().map(|&d| i16::try_from(d).ok()).collect())
            .flatten()
    }

    /// Largest digit in absolute value when there is one digit per coefficient.
    fn small_bound(&self) -> Option<f64> {
        (self.length() == 1).then(|| {
            self.digits
                .iter()
                .map(|d| d.unsigned_abs())
                .max()
                .unwrap_or(0) as f64
        })
    }
}

/// A sum of products a·b modulo X^n + 1, before carries.
struct Product {
    n: usize,
    sums: Vec<i128>,
}

impl Product {
    /// Room for products of the size of a·b.
    fn new(a: &Wide, b: &Wide) -> Self {
        // Two more planes take the carries: a sum is below 2^(82+12).
        let planes = a.length() + b.length() + 2;
        Self {
            n: a.n,
            sums: vec![0; planes * a.n],
        }
    }

    /// Adds ± a·b (sign = 1 or −1).
    fn add(&mut self, a: &Wide, b: &Wide, sign: i64) {
        let n = self.n;
        if let (Some(bound_a), Some(bound_b)) = (a.small_bound(), b.small_bound())
            && n >= 64
            && bound_a * bound_b * (n as f64) < EXACT_PRODUCT
        {
            let mut product = small_product(&a.digits, &b.digits);
            for (sum, &value) in self.sums.iter_mut().zip(&product) {
                *sum += (value as i128) * i128::from(sign);
            }
            product.zeroize();
            return;
        }
        let factor = b.extend();
        for (p, plane) in a.digits.chunks_exact(n).enumerate() {
            let mut reversed: Vec<i64> = plane.iter().rev().map(|&d| sign * d).collect();
            for (r, other) in factor.planes().enumerate() {
                convolve(
                    &reversed,
                    other,
                    &mut self.sums[(p + r) * n..(p + r + 1) * n],
                );
            }
            reversed.zeroize();
        }
    }

    /// Carries, and drops leading zeros.
    fn finish(mut self) -> Wide {
        let mut carries = vec![0_i128; self.n];
        let mut digits = Vec::with_capacity(self.sums.len());
        for plane in self.sums.chunks_exact(self.n) {
            for (&sum, carry) in plane.iter().zip(&mut carries) {
                let (digit, next) = balance(sum + *carry);
                digits.push(digit);
                *carry = next;
            }
        }
        carries.zeroize();
        self.sums.zeroize();
        let mut result = Wide { n: self.n, digits };
        result.trim();
        result
    }
}

/// t = digit + 2^42 · carry with a balanced digit.
fn balance(t: i128) -> (i64, i128) {
    let digit = ((t as i64).wrapping_add(HALF) & MASK) - HALF;
    (digit, (t - i128::from(digit)) >> DIGIT_BITS)
}

/// A polynomial for use as a factor: −f ‖ f for each digit plane, so that the factors of one
/// coefficient of a negacyclic product are a window.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Extended {
    n: usize,
    digits: Vec<i64>,
}

impl Extended {
    fn new(f: &Wide) -> Self {
        let mut digits = Vec::with_capacity(2 * f.digits.len());
        for plane in f.digits.chunks_exact(f.n) {
            digits.extend(plane.iter().map(|&d| -d));
            digits.extend_from_slice(plane);
        }
        Self { n: f.n, digits }
    }

    fn length(&self) -> usize {
        self.digits.len() / (2 * self.n)
    }

    fn planes(&self) -> impl Iterator<Item = &[i64]> {
        self.digits.chunks_exact(2 * self.n)
    }
}

/// sums[c] += Σ_j k_j · f_(c−j) modulo X^n + 1, k given in reverse, f extended.
fn convolve(reversed_k: &[i64], extended: &[i64], sums: &mut [i128]) {
    let windows = extended[1..].windows(reversed_k.len());
    for (sum, window) in sums.iter_mut().zip(windows) {
        *sum += reversed_k
            .iter()
            .zip(window)
            .map(|(&a, &b)| i128::from(a) * i128::from(b))
            .sum::<i128>();
    }
}

/// a·b modulo X^n + 1 by the floating-point transform, for results below `EXACT_PRODUCT`.
fn small_product(a: &[i64], b: &[i64]) -> Vec<f64> {
    let mut x: Vec<f64> = a.iter().map(|&d| d as f64).collect();
    let mut y: Vec<f64> = b.iter().map(|&d| d as f64).collect();
    fft::forward(&mut x);
    fft::forward(&mut y);
    fft::multiply(&mut x, &y);
    y.zeroize();
    fft::inverse(&mut x);
    x.iter_mut().for_each(|v| *v = v.round_ties_even());
    x
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use num_bigint::BigInt;

    /// n coefficients of `length` digits.
    fn wide(n: usize, length: usize, state: &mut u64) -> Wide {
        let digits = core::iter::repeat_with(|| {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // The extreme digits too.
            match *state >> 60 {
                0 => -HALF,
                1 => HALF - 1,
                _ => ((*state >> 20) as i64 & MASK) - HALF,
            }
        });
        let digits = digits.take(n * length).collect();
        Wide { n, digits }
    }

    fn integers(x: &Wide) -> Vec<BigInt> {
        let value = |i| {
            let planes = x.digits.chunks_exact(x.n).rev();
            planes.fold(BigInt::ZERO, |v, plane| (v << DIGIT_BITS) + plane[i])
        };
        (0..x.n).map(value).collect()
    }

    fn product(a: &[BigInt], b: &[BigInt]) -> Vec<BigInt> {
        let n = a.len();
        let mut product = vec![BigInt::ZERO; n];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                if i + j < n {
                    product[i + j] += x * y;
                } else {
                    product[i + j - n] -= x * y;
                }
            }
        }
        product
    }

    /// f(−X).
    fn conjugate(f: &[BigInt]) -> Vec<BigInt> {
        let sign = |(i, c): (usize, &BigInt)| if i % 2 == 0 { c.clone() } else { -c };
        f.iter().enumerate().map(sign).collect()
    }

    /// f(X²).
    fn spread(f: &[BigInt]) -> Vec<BigInt> {
        f.iter().flat_map(|c| [c.clone(), BigInt::ZERO]).collect()
    }

    #[test]
    fn norms_lifts_and_multiples_equal_long_integers() {
        let mut state = 11;
        for (n, length) in [(2, 1), (2, 30), (4, 7), (16, 5), (64, 2), (128, 1)] {
            let f = wide(n, length, &mut state);
            let long = integers(&f);
            assert_eq!(
                spread(&integers(&f.norm())),
                product(&long, &conjugate(&long))
            );

            let half = wide(n / 2, 2 * length, &mut state);
            let lifted = half.lift(&f);
            let expected = product(&spread(&integers(&half)), &conjugate(&long));
            assert_eq!(integers(&lifted), expected);

            let k: Vec<i64> = wide(n, 1, &mut state)
                .digits
                .iter()
                .map(|d| d << 10)
                .collect();
            let quotient: Vec<BigInt> = k.iter().map(|&k| k.into()).collect();
            for shift in [0, 1, 2 * length + 3] {
                let mut rest = lifted.clone();
                rest.subtract_multiple(&k, &f.extend(), shift);
                for ((old, new), kf) in integers(&lifted)
                    .iter()
                    .zip(integers(&rest))
                    .zip(product(&quotient, &long))
                {
                    assert_eq!(new, old - (kf << (DIGIT_BITS as usize * shift)));
                }
            }
        }
    }

    #[test]
    fn short_products_by_the_transform_are_exact() {
        let mut state = 13;
        for n in [64, 1024, 2048] {
            // The largest sum that takes this way: n·|a|·|b| just below the limit, no cancelling.
            let size = (EXACT_PRODUCT / n as f64).sqrt() as i64 - 1;
            let alternate = |i: usize| if i.is_multiple_of(3) { -size } else { size };
            let a = Wide::from_small((0..n).map(alternate));
            let b = Wide::from_small(wide(n, 1, &mut state).digits.iter().map(|d| d % size));
            let fast = small_product(&a.digits, &b.digits);
            let exact = product(&integers(&a), &integers(&b));
            for (x, y) in fast.iter().zip(exact) {
                assert_eq!(BigInt::from(*x as i64), y);
            }
        }
    }
}
