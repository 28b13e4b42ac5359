//! R_q of set A as an attacker would write it down: plain products, encodings, coins. It shares no
//! code with the crate, and sees of the crate's objects only their bytes.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use ibpre::*;
use shake::{ExtendableOutput, Shake256, Update, XofReader};

use crate::lattice::power;

/// n coefficients.
pub(crate) type Poly = Vec<i64>;

pub(crate) const N: usize = SetA::N;
pub(crate) const Q: i64 = SetA::Q as i64;
/// σ² of c2's rounding: uniform over 2^14 values.
pub(crate) const ROUNDING_SQ: f64 = (1u64 << 28) as f64 / 12.0;

/// Representatives in (−q/2, q/2).
pub(crate) fn centred(a: impl IntoIterator<Item = i64>) -> Poly {
    a.into_iter()
        .map(|c| {
            let c = c.rem_euclid(Q);
            if c > Q / 2 { c - Q } else { c }
        })
        .collect()
}

/// The product in Z\[X\]/(X^n + 1), for coefficients whose products sum up below 2^63.
pub(crate) fn multiply(a: &[i64], b: &[i64]) -> Poly {
    let mut long = vec![0; 2 * N];
    for (at, &a) in a.iter().enumerate() {
        for (sum, &b) in long[at..at + N].iter_mut().zip(b) {
            *sum += a * b;
        }
    }
    (0..N).map(|i| long[i] - long[i + N]).collect()
}

pub(crate) fn subtract(a: &[i64], b: &[i64]) -> Poly {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Values at the n odd powers of ψ.
fn values(a: &[i64]) -> Vec<u64> {
    let q = Q as u64;
    (0..N as u64)
        .map(|i| {
            let point = power(SetA::PSI.into(), 2 * i + 1, q);
            a.iter()
                .rev()
                .fold(0, |value, &c| (value * point + c.rem_euclid(Q) as u64) % q)
        })
        .collect()
}

/// a/b in R_q, centred: one division in each of n fields. `None` if b has no inverse.
pub(crate) fn divide(a: &[i64], b: &[i64]) -> Option<Poly> {
    let q = Q as u64;
    let (a, b) = (values(a), values(b));
    if b.contains(&0) {
        return None;
    }
    let quotient: Vec<u64> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| a * power(*b, q - 2, q) % q)
        .collect();
    // Interpolation: coefficient j is 1/n·Σ value_i·ψ^(−(2i+1)j).
    let inverse = power(SetA::PSI.into(), q - 2, q);
    let scale = power(N as u64, q - 2, q);
    Some(centred((0..N as u64).map(|j| {
        let step = power(inverse, 2 * j, q);
        let sum = quotient.iter().rev().fold(0, |sum, v| (sum * step + v) % q);
        (sum * power(inverse, j, q) % q * scale % q) as i64
    })))
}

/// Standard deviation about zero.
pub(crate) fn deviation(a: &[i64]) -> f64 {
    let sum: f64 = a.iter().map(|&c| (c as f64).powi(2)).sum();
    (sum / a.len() as f64).sqrt()
}

/// The coefficients in an encoding of a user key, grant key or rk: 15 bits each, two's complement.
pub(crate) fn short(bytes: &[u8]) -> Poly {
    unpack(&bytes[2..], 15)
        .iter()
        .map(|&c| if c < 1 << 14 { c } else { c - (1 << 15) })
        .collect()
}

/// The user key with these coefficients.
pub(crate) fn user_key(s2: &[i64]) -> UserKey<SetA> {
    let mut bytes = vec![1, 0x13];
    let (mut window, mut held) = (0u64, 0);
    for &c in s2 {
        window |= (c.rem_euclid(1 << 15) as u64) << held;
        held += 15;
        while held >= 8 {
            bytes.push(window as u8);
            window >>= 8;
            held -= 8;
        }
    }
    UserKey::from_bytes(&bytes).unwrap()
}

/// (y, Decompress(c1)) of a capsule.
pub(crate) fn halves(capsule: &Capsule<SetA>) -> (Poly, Poly) {
    let bytes = capsule.to_bytes();
    let (y, c1) = bytes[2..].split_at(N * 20 / 8);
    (unpack(y, 20), decompressed(c1))
}

/// Decompress(c2).
pub(crate) fn turned(c2: &ReencryptedCapsule<SetA>) -> Poly {
    decompressed(&c2.to_bytes()[2..])
}

fn decompressed(packed: &[u8]) -> Poly {
    unpack(packed, 6).iter().map(|c| c << 14).collect()
}

/// What Compress loses: the nearest multiple of 2^14.
pub(crate) fn rounded(v: &[i64]) -> Poly {
    v.iter()
        .map(|v| (v.rem_euclid(Q) + (1 << 13)) >> 14 << 14)
        .collect()
}

fn unpack(bytes: &[u8], bits: usize) -> Poly {
    let bit = |at: usize| i64::from(bytes[at / 8] >> (at % 8) & 1);
    (0..N)
        .map(|i| (0..bits).map(|b| bit(i * bits + b) << b).sum())
        .collect()
}

/// h.
pub(crate) fn public_key(public: &PublicParams<SetA>) -> Poly {
    unpack(&public.to_bytes()[2..], 20)
}

/// u of a scope or grant.
pub(crate) fn target(public: &PublicParams<SetA>, id: &[u8; 32]) -> Poly {
    let mut stream = Stream::new(hash("u", &[public.pkh(), id]));
    let mut out = Vec::with_capacity(N);
    while out.len() < N {
        let [a, b, c] = stream.next();
        let v = i64::from(u32::from_le_bytes([a, b, c & 0xf, 0]));
        out.extend((v < Q).then_some(v));
    }
    out
}

/// A capsule whose message is known, as it is to every delegatee who opened it: then its coins are.
pub(crate) struct Opened {
    pub(crate) capsule: Capsule<SetA>,
    pub(crate) r: Poly,
    pub(crate) x: Poly,
    pub(crate) y: Poly,
    /// Decompress(c1).
    pub(crate) c1: Poly,
    /// u·r, and u·r + x' + rounding of c1 taken from c1, that is ⌊q/2⌋·K32(m).
    pub(crate) ur: Poly,
    pub(crate) message: Poly,
}

impl Opened {
    pub(crate) fn new(scope: &ScopeKey<SetA>, message: &[u8; 32], capsule: &Capsule<SetA>) -> Self {
        let public = scope.public_params();
        let u = target(public, scope.scope().as_bytes());
        Self::with_target(scope, &u, message, capsule)
    }

    /// The same with u at hand.
    pub(crate) fn with_target(
        scope: &ScopeKey<SetA>,
        u: &[i64],
        message: &[u8; 32],
        capsule: &Capsule<SetA>,
    ) -> Self {
        let (pkh, sid) = (scope.public_params().pkh(), scope.scope());
        let coins: [u8; 64] = hash("G", &[pkh, sid.as_bytes(), message]);
        let mut stream = Stream::new(coins[32..].try_into().unwrap());
        let mut ternary = || -> Poly {
            (0..N)
                .map(|_| match (3 * u32::from(stream.next::<1>()[0])) >> 8 {
                    2 => -1,
                    third => i64::from(third),
                })
                .collect()
        };
        let (r, x) = (ternary(), ternary());
        let (y, c1) = halves(capsule);
        Self {
            ur: multiply(u, &r),
            message: encoded(message),
            capsule: capsule.clone(),
            r,
            x,
            y,
            c1,
        }
    }

    /// Decompress(c2) − s2·y − (c1 − u·r), centred: of a c2 that an honest proxy made, with s2 the
    /// delegatee's, this is s1·r − s2·x of the *delegator's* key, plus the proxy's noise.
    pub(crate) fn hint(&self, c2: &[i64], s2: &[i64]) -> Poly {
        let product = multiply(s2, &self.y);
        centred((0..N).map(|i| c2[i] - product[i] - (self.c1[i] - self.ur[i])))
    }

    /// Standard deviation of c1 − s2·y − ⌊q/2⌋·K32(m), which must stay well below q/4.
    pub(crate) fn noise_under(&self, s2: &[i64]) -> f64 {
        let product = multiply(s2, &self.y);
        let noise = (0..N).map(|i| self.c1[i] - product[i] - self.message[i]);
        deviation(&centred(noise))
    }
}

/// ⌊q/2⌋·K32(m).
fn encoded(message: &[u8; 32]) -> Poly {
    let mut out = vec![0; N];
    for (block, &byte) in message.iter().enumerate() {
        for at in 0..32usize {
            let x = |i: usize| at >> i & 1;
            let terms = [
                1,
                x(0),
                x(1),
                x(2),
                x(3),
                x(4),
                x(0) & x(1) ^ x(2) & x(3),
                x(1) & x(2) ^ x(3) & x(4),
            ];
            let bit = terms
                .iter()
                .enumerate()
                .fold(0, |sum, (i, t)| sum ^ usize::from(byte) >> i & t);
            out[32 * at + block] = (bit & 1) as i64 * (Q / 2);
        }
    }
    out
}

fn hash<const LEN: usize>(label: &str, inputs: &[&[u8; 32]]) -> [u8; LEN] {
    let mut hash = Shake256::default();
    hash.update(format!("medshare/ibpre/v1/A/{label}\0").as_bytes());
    for input in inputs {
        hash.update(&32u64.to_le_bytes());
        hash.update(*input);
    }
    let mut out = [0; LEN];
    hash.finalize_xof().read(&mut out);
    out
}

/// XOF(seed).
struct Stream(ChaCha20);

impl Stream {
    fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20::new(&seed.into(), &[0; 12].into()))
    }

    fn next<const LEN: usize>(&mut self) -> [u8; LEN] {
        let mut out = [0; LEN];
        self.0.apply_keystream(&mut out);
        out
    }
}
