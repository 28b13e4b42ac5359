//! Encapsulation of a fresh secret to a scope of an authority's public key (`docs/scheme.md`, 3).
//!
//! Knows no private key. Branch-free in message and coins.

use std::fmt;
use std::marker::PhantomData;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::chacha::ChaCha;
use crate::code;
use crate::encoding::{self, DecodeError, Kind};
use crate::hash;
use crate::id::{CapsuleId, ScopeId};
use crate::params::ParameterSet;
use crate::public::ScopeKey;
use crate::ring::lanes::wide;
use crate::ring::ntt::{forward, subtract_once};
use crate::ring::packing::{compress, decompress, pack, packed_len, unpack};
use crate::ring::samplers::ternary;
use crate::secret::{Buffer, Secret};

/// A capsule (y, c1): y = h·r + x in R_q, c1 = Compress(u·r + x' + ⌊q/2⌋·K32(m)).
///
/// Any y and c1 in range are a capsule; whether somebody encapsulated them is what
/// [`accept`](crate::DecapsulationKey::accept) tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Capsule<P: ParameterSet> {
    /// y packed ‖ c1 packed, every coefficient of y below q.
    body: Vec<u8>,
    set: PhantomData<P>,
}

/// The 32-byte secret that both sides of an encapsulation share. Keys are derived from it, it is
/// never used as one.
#[derive(Clone)]
pub struct SharedSecret<P: ParameterSet> {
    secret: Secret<[u8; 32]>,
    set: PhantomData<P>,
}

impl<P: ParameterSet> ScopeKey<P> {
    /// Encapsulates a fresh secret to this scope.
    pub fn encapsulate(&self, rng: &mut impl CryptoRng) -> (SharedSecret<P>, Capsule<P>) {
        let mut message = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *message);
        self.encapsulate_with(&message)
    }

    /// Encapsulates with a given message instead of a fresh one. For known-answer tests: who knows
    /// the message knows the secret, and one message must never be used twice.
    pub fn encapsulate_with(&self, message: &[u8; 32]) -> (SharedSecret<P>, Capsule<P>) {
        let pkh = self.public_params().pkh();
        let (k_bar, coins) = hash::coins::<P>(pkh, self.scope().as_bytes(), message);
        let (y, c1) = self.encrypt(message, &coins);
        let capsule = Capsule::pack(&y, &c1);
        let ctid = capsule.id(pkh, self.scope());
        let secret = SharedSecret::new(&hash::shared_secret::<P>(&k_bar, ctid.as_bytes()));
        (secret, capsule)
    }

    /// The deterministic encryption under given coins: (y, c1), y in \[0, q), c1 in 0..64.
    pub(crate) fn encrypt(&self, message: &[u8; 32], coins: &[u8; 32]) -> Noisy {
        let mut xof = ChaCha::new(coins);
        let r = forward::<P>(ternary::<P>(&mut xof));
        let x = ternary::<P>(&mut xof);
        let x_prime = ternary::<P>(&mut xof);
        let product = self.public_params().prepared().multiply(&r);
        let mut v = self.prepared_target().multiply(&r);
        let mut y = Buffer::zeros(P::N);
        let mut c1 = Buffer::zeros(P::N);
        wide(
            #[inline(always)]
            || {
                for ((y, &p), &x) in y.iter_mut().zip(product.iter()).zip(x.iter()) {
                    *y = subtract_once::<P>(p + x) as u32; // two values below q
                }
                for (v, &x) in v.iter_mut().zip(x_prime.iter()) {
                    *v = subtract_once::<P>(*v + x);
                }
                code::add_encoded::<P>(message, &mut v);
                for (c1, &v) in c1.iter_mut().zip(v.iter()) {
                    *c1 = compress::<P>(v);
                }
            },
        );
        (y, c1)
    }
}

/// (y, c1) unpacked. Wiped: a re-encryption that does not match is not public.
pub(crate) type Noisy = (Buffer<u32>, Buffer<u32>);

impl<P: ParameterSet> Capsule<P> {
    /// Bytes of an encoding: 3330 for set A, 6914 for set B.
    pub const ENCODED_LEN: usize = encoding::HEADER_LEN + Self::BODY_LEN;

    const Y_LEN: usize = packed_len(P::N, P::Q_BITS);
    const BODY_LEN: usize = Self::Y_LEN + packed_len(P::N, 6);

    fn pack(y: &[u32], c1: &[u32]) -> Self {
        let mut body = vec![0; Self::BODY_LEN];
        let (y_out, c1_out) = body.split_at_mut(Self::Y_LEN);
        pack(P::Q_BITS, y, y_out);
        pack(6, c1, c1_out);
        Self {
            body,
            set: PhantomData,
        }
    }

    /// Header, then y packed at `Q_BITS` bits and c1 at 6 bits a coefficient.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = encoding::start::<P>(Kind::Capsule, Self::BODY_LEN);
        out[encoding::HEADER_LEN..].copy_from_slice(&self.body);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// Wrong length, version, set or kind; a coefficient of y of q or more.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = encoding::body::<P>(Kind::Capsule, Self::BODY_LEN, bytes)?;
        let capsule = Self {
            body: body.to_vec(),
            set: PhantomData,
        };
        if capsule.y().iter().any(|&c| c >= P::Q) {
            return Err(DecodeError::Coefficient);
        }
        Ok(capsule)
    }

    /// ctid: the name of this capsule under a public key and scope.
    pub fn id(&self, pkh: &[u8; 32], scope: ScopeId) -> CapsuleId {
        CapsuleId::from_bytes(hash::capsule::<P>(pkh, scope.as_bytes(), &self.body))
    }

    /// y, n coefficients in \[0, q).
    pub(crate) fn y(&self) -> Vec<u32> {
        let mut y = vec![0; P::N];
        unpack(P::Q_BITS, &self.body[..Self::Y_LEN], &mut y);
        y
    }

    /// c1, n coefficients in 0..64.
    pub(crate) fn c1(&self) -> Vec<u32> {
        let mut c1 = vec![0; P::N];
        unpack(6, &self.body[Self::Y_LEN..], &mut c1);
        c1
    }
}

/// Decompress(c) − product, in \[0, q), for c in 0..64 and product in \[0, q).
pub(crate) fn subtract_from_compressed<P: ParameterSet>(c: &[u32], product: &[u64]) -> Buffer<u64> {
    let mut out = Buffer::zeros(P::N);
    wide(
        #[inline(always)]
        || {
            for ((out, &c), &p) in out.iter_mut().zip(c).zip(product) {
                *out = subtract_once::<P>(decompress::<P>(c) + (u64::from(P::Q) - p));
            }
        },
    );
    out
}

impl<P: ParameterSet> fmt::Debug for Capsule<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capsule<{}>({} bytes)", P::NAME, Self::ENCODED_LEN)
    }
}

impl<P: ParameterSet> SharedSecret<P> {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            secret: Secret::new(*secret),
            set: PhantomData,
        }
    }

    /// The 32 bytes. Compare in constant time only.
    pub fn as_secret(&self) -> &[u8; 32] {
        self.secret.as_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{SetA, SetB};
    use crate::public::PublicParams;
    use crate::ring::lanes::on_each_unit;
    use crate::test_rng::TestRng;
    use rand_core::Rng;

    /// Encryption, decoding and subtraction with every vector unit, on random and extreme values.
    #[test]
    fn every_unit_gives_the_same() {
        fn check<P: ParameterSet>() {
            let rng = &mut TestRng::new(b"units");
            for round in 0..50 {
                let mut draw = |below: u32| match round {
                    0 => 0,
                    1 => below - 1,
                    _ => rng.next_u32() % below,
                };
                let h = (0..P::N).map(|_| draw(P::Q)).collect();
                let c: Vec<u32> = (0..P::N).map(|_| draw(64)).collect();
                let v: Vec<u64> = (0..P::N).map(|_| draw(P::Q).into()).collect();
                let mut message = [0; 32];
                message.fill_with(|| draw(256) as u8);
                let public = PublicParams::<P>::from_coefficients(h);
                let scope = ScopeKey::new(&public, ScopeId::from_bytes([round; 32]));
                let results = on_each_unit(|| {
                    let (y, c1) = scope.encrypt(&message, &[round; 32]);
                    let difference = subtract_from_compressed::<P>(&c, &v);
                    let decoded = code::decode::<P>(&v);
                    (y.to_vec(), c1.to_vec(), difference.to_vec(), *decoded)
                });
                assert_eq!(results[0], results[1]);
                assert_eq!(results[0], results[2]);
            }
        }
        check::<SetA>();
        check::<SetB>();
    }
}
