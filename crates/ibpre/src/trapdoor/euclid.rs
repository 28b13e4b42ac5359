//! The extended Euclidean algorithm on the two resultants at the bottom of NTRUSolve.
//!
//! Variable time.

use super::digits::{DIGIT_BITS, Wide};
use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::One;

/// Integers (G, F) with a·G − b·F = q, or none if a and b share a factor.
pub(super) fn bezout(a: &Wide, b: &Wide, q: u32) -> Option<(Wide, Wide)> {
    let (a, b) = (to_integer(a), to_integer(b));
    let result = a.extended_gcd(&b);
    if !result.gcd.is_one() {
        return None;
    }
    Some((from_integer(result.x * q), from_integer(-result.y * q)))
}

fn to_integer(digits: &Wide) -> BigInt {
    let mut value = BigInt::from(0);
    for &digit in digits.digits().iter().rev() {
        value = (value << DIGIT_BITS) + digit;
    }
    value
}

fn from_integer(value: BigInt) -> Wide {
    let negative = value.sign() == Sign::Minus;
    let mut digits = Vec::new();
    let mut carry = 0;
    let limbs: Vec<u64> = value.magnitude().to_u64_digits();
    let bits = value.bits();
    let mut position = 0;
    while position <= bits || carry != 0 {
        let (limb, offset) = ((position / 64) as usize, position % 64);
        let low = limbs.get(limb).copied().unwrap_or(0) >> offset;
        let high = match offset {
            0 => 0,
            _ => limbs.get(limb + 1).copied().unwrap_or(0) << (64 - offset),
        };
        let digit = ((low | high) & ((1 << DIGIT_BITS) - 1)) as i64 + carry;
        carry = i64::from(digit >= 1 << (DIGIT_BITS - 1));
        let digit = digit - (carry << DIGIT_BITS);
        digits.push(if negative { -digit } else { digit });
        position += u64::from(DIGIT_BITS);
    }
    Wide::from_digits(digits)
}
