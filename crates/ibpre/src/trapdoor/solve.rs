//! NTRUSolve: F, G with f·G − g·F = q, by the tower of norms.
//!
//! The Falcon specification, algorithms 6 (NTRUSolve) and 7 (Reduce): take norms of f and g down
//! to degree 1, solve there with Euclid, lift level by level, and reduce (F, G) against (f, g) at
//! each. Long coefficients are `Wide`; the quotients of the reduction are `f64` from leading
//! digits, some forty bits a pass. It knows no parameter set but q.

use super::digits::{DIGIT_BITS, Wide};
use super::euclid::bezout;
use crate::ring::fft;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// (F, G) with f·G − g·F = q modulo X^n + 1, reduced against (f, g); none if the resultants share
/// a factor or the reduction does not end. f and g have n coefficients below 2^15.
///
/// The caller checks the equation: the quotients are approximate, the integers are exact.
pub(super) fn ntru_solve(f: &[i16], g: &[i16], q: u32) -> Option<(Vec<i16>, Vec<i16>)> {
    let wide = |x: &[i16]| Wide::from_small(x.iter().copied().map(i64::from));
    let mut tower = vec![(wide(f), wide(g))];
    while let Some((f, g)) = tower.last()
        && f.degree() > 1
    {
        let above = (f.norm(), g.norm());
        tower.push(above);
    }
    let (f, g) = tower.pop()?;
    let (mut big_g, mut big_f) = bezout(&f, &g, q)?;
    while let Some((f, g)) = tower.pop() {
        (big_f, big_g) = (big_f.lift(&g), big_g.lift(&f));
        reduce(&f, &g, &mut big_f, &mut big_g)?;
    }
    Some((big_f.to_small()?, big_g.to_small()?))
}

/// (F, G) ← (F, G) − k·(f, g), k = ⌊(F·adj f + G·adj g)/(f·adj f + g·adj g)⌉, until k = 0.
fn reduce(f: &Wide, g: &Wide, big_f: &mut Wide, big_g: &mut Wide) -> Option<()> {
    let divisor = Divisor::new(f, g);
    let (f, g) = (f.extend(), g.extend());
    // Each pass takes at least some ten bits, or the pair is one to be given up.
    let passes = 16 + 4 * big_f.length().max(big_g.length());
    for _ in 0..passes {
        let (mut quotient, scale) = divisor.quotient(big_f, big_g);
        let largest = quotient.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        // The smallest shift by digits that leaves quotients below 2^50.
        let bits = i64::from(libm::ilogb(largest.max(f64::MIN_POSITIVE)));
        let digit = i64::from(DIGIT_BITS);
        let shift = ((bits + scale * digit - 49) + digit - 1)
            .div_euclid(digit)
            .max(0);
        let factor = libm::ldexp(1.0, i32::try_from((scale - shift) * digit).ok()?);
        let mut k: Vec<i64> = quotient
            .iter()
            .map(|x| (x * factor).round_ties_even() as i64)
            .collect();
        quotient.zeroize();
        if k.iter().all(|&x| x == 0) {
            return Some(());
        }
        let shift = usize::try_from(shift).ok()?;
        big_f.subtract_multiple(&k, &f, shift);
        big_g.subtract_multiple(&k, &g, shift);
        k.zeroize();
    }
    None
}

/// (f, g) prepared: transforms of the leading parts over f·adj f + g·adj g.
#[derive(ZeroizeOnDrop)]
struct Divisor {
    f: Vec<f64>,
    g: Vec<f64>,
    position: usize,
}

impl Divisor {
    fn new(f: &Wide, g: &Wide) -> Self {
        let ([mut f, mut g], position) = leading_pair(f, g);
        let mut norm = fft::norm_squared(&f, &g);
        let half = norm.len();
        for x in [&mut f, &mut g] {
            let (re, im) = x.split_at_mut(half);
            for ((re, im), norm) in re.iter_mut().zip(im).zip(&norm) {
                *re /= norm;
                *im /= norm;
            }
        }
        norm.zeroize();
        Self { f, g, position }
    }

    /// The real quotient's coefficients, in units of 2^(42·scale), and that scale.
    fn quotient(&self, big_f: &Wide, big_g: &Wide) -> (Vec<f64>, i64) {
        let ([mut x, mut y], position) = leading_pair(big_f, big_g);
        let mut quotient = vec![0.0; x.len()];
        fft::multiply_adjoint_add(&mut quotient, &x, &self.f);
        fft::multiply_adjoint_add(&mut quotient, &y, &self.g);
        fft::inverse(&mut quotient);
        x.zeroize();
        y.zeroize();
        (quotient, position as i64 - self.position as i64)
    }
}

/// The transforms of the leading parts of both, in one unit 2^(42·p), and p.
fn leading_pair(a: &Wide, b: &Wide) -> ([Vec<f64>; 2], usize) {
    let ((mut x, p), (mut y, r)) = (a.leading(), b.leading());
    let position = p.max(r);
    for (values, own) in [(&mut x, p), (&mut y, r)] {
        // Differences are small: both have about the size of the larger.
        for _ in own..position {
            values
                .iter_mut()
                .for_each(|v| *v /= (1_u64 << DIGIT_BITS) as f64);
        }
        fft::forward(values);
    }
    ([x, y], position)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn solves_small_degrees_and_refuses_a_common_factor() {
        let mut state = 17_u64;
        let mut solved = 0;
        for n in [2, 4, 8, 16, 32, 64, 128] {
            for _ in 0..10 {
                let mut small = || {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 40) as i16 % 26
                };
                let f: Vec<i16> = (0..n).map(|_| small()).collect();
                let g: Vec<i16> = (0..n).map(|_| small()).collect();
                let odd = |x: &[i16]| x.iter().sum::<i16>() % 2 != 0;
                let Some((big_f, big_g)) = ntru_solve(&f, &g, 257) else {
                    continue;
                };
                // Two even resultants have no solution for an odd q.
                assert!(odd(&f) || odd(&g));
                solved += 1;
                let mut sum = vec![0_i64; n];
                for i in 0..n {
                    for j in 0..n {
                        let sign = if i + j < n { 1 } else { -1 };
                        let [f, g] = [f[i], g[i]].map(i64::from);
                        let [big_f, big_g] = [big_f[j], big_g[j]].map(i64::from);
                        sum[(i + j) % n] += sign * (f * big_g - g * big_f);
                    }
                }
                assert!(sum[0] == 257 && sum[1..].iter().all(|&c| c == 0), "n={n}");
            }
        }
        assert!(solved >= 30, "{solved}");
    }

    #[test]
    fn zero_is_refused() {
        let zero = vec![0; 16];
        let mut one = zero.clone();
        one[0] = 1;
        assert!(ntru_solve(&zero, &zero, 257).is_none());
        assert!(ntru_solve(&zero, &one, 257).is_some_and(|(big_f, _)| big_f[0] == -257));
    }
}
