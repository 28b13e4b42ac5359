//! Keys that leave the authority: user key, grant key, re-encryption key, noise key.
//!
//! All are secret: wiped on drop, no `Debug`.

use std::marker::PhantomData;

use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::encoding::{self, DecodeError, HEADER_LEN, Kind};
use crate::params::ParameterSet;
use crate::public::ScopeKey;
use crate::ring::packing::{fits_signed, pack_signed, packed_len, unpack_signed};
use crate::secret::{Buffer, Secret};

/// The delegator's key of one scope: s2 of a short (s1, s2) with s1 + h·s2 = u_sid.
/// s1 = u − h·s2 is recomputed where it is needed.
#[derive(Clone)]
pub struct UserKey<P: ParameterSet>(ShortPoly<P>);

/// The delegatee's key of one grant as it arrives: not yet known to be short.
#[derive(Clone)]
pub struct GrantKey<P: ParameterSet>(ShortPoly<P>);

/// rk = s2 of the scope − s2 of the grant: what a proxy holds.
#[derive(Clone)]
pub struct ReencryptionKey<P: ParameterSet>(ShortPoly<P>);

/// k_E: the secret from which a grant's noise is drawn, the same for all its proxies.
#[derive(Clone)]
pub struct NoiseKey(Secret<[u8; 32]>);

/// n signed coefficients of a fixed number of bits.
#[derive(Clone)]
struct ShortPoly<P: ParameterSet> {
    coefficients: Buffer<i32>,
    set: PhantomData<P>,
}

impl<P: ParameterSet> ShortPoly<P> {
    fn new(coefficients: Vec<i32>) -> Self {
        Self {
            coefficients: coefficients.into(),
            set: PhantomData,
        }
    }

    fn encode(&self, kind: Kind, bits: u32) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(encoding::start::<P>(kind, packed_len(P::N, bits)));
        pack_signed(bits, &self.coefficients, &mut out[HEADER_LEN..]);
        out
    }

    fn decode(kind: Kind, bits: u32, bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = encoding::body::<P>(kind, packed_len(P::N, bits), bytes)?;
        Ok(Self {
            coefficients: unpack_signed(bits, body, P::N),
            set: PhantomData,
        })
    }
}

impl<P: ParameterSet> UserKey<P> {
    /// Bytes of an encoding: 1922 for set A, 3842 for set B.
    pub const ENCODED_LEN: usize = HEADER_LEN + packed_len(P::N, P::KEY_BITS);

    /// `s2` comes from the preimage sampler, which gives coefficients of `KEY_BITS` bits only.
    pub(crate) fn new(s2: Vec<i32>) -> Self {
        debug_assert!(fits_signed(P::KEY_BITS, &s2));
        Self(ShortPoly::new(s2))
    }

    pub(crate) fn s2(&self) -> &[i32] {
        &self.0.coefficients
    }

    /// Header, then s2 at 15 bits a coefficient, two's complement. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.encode(Kind::UserKey, P::KEY_BITS)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Whose key it is, and that it is short, is
    /// told by [`belongs_to`](Self::belongs_to).
    ///
    /// # Errors
    /// Wrong length, version, set or kind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        ShortPoly::decode(Kind::UserKey, P::KEY_BITS, bytes).map(Self)
    }

    /// Whether this is a key of that scope: (u − h·s2, s2) is short. For keys read from storage.
    pub fn belongs_to(&self, scope: &ScopeKey<P>) -> bool {
        scope
            .public_params()
            .is_short_preimage(scope.target(), self.s2())
    }
}

impl<P: ParameterSet> GrantKey<P> {
    /// Bytes of an encoding: 1922 for set A, 3842 for set B.
    pub const ENCODED_LEN: usize = HEADER_LEN + packed_len(P::N, P::KEY_BITS);

    /// `s2` comes from the preimage sampler, which gives coefficients of `KEY_BITS` bits only.
    pub(crate) fn new(s2: Vec<i32>) -> Self {
        debug_assert!(fits_signed(P::KEY_BITS, &s2));
        Self(ShortPoly::new(s2))
    }

    pub(crate) fn s2(&self) -> &[i32] {
        &self.0.coefficients
    }

    /// Header, then s2 at 15 bits a coefficient, two's complement. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.encode(Kind::GrantKey, P::KEY_BITS)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; [`verify`](Self::verify) comes next.
    ///
    /// # Errors
    /// Wrong length, version, set or kind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        ShortPoly::decode(Kind::GrantKey, P::KEY_BITS, bytes).map(Self)
    }
}

impl<P: ParameterSet> ReencryptionKey<P> {
    /// Bytes of an encoding: 1922 for set A, 4098 for set B.
    pub const ENCODED_LEN: usize = HEADER_LEN + packed_len(P::N, P::RK_BITS);

    /// rk = s2 of the scope − s2 of the grant, or `None` if a coefficient is out of range.
    pub(crate) fn difference(scope: &UserKey<P>, grant: &GrantKey<P>) -> Option<Self> {
        let rk = ShortPoly::new(
            scope
                .s2()
                .iter()
                .zip(grant.s2())
                .map(|(a, b)| a - b)
                .collect(),
        );
        fits_signed(P::RK_BITS, &rk.coefficients).then_some(Self(rk))
    }

    pub(crate) fn coefficients(&self) -> &[i32] {
        &self.0.coefficients
    }

    /// The body of the encoding, as it enters commitments.
    pub(crate) fn packed(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(vec![0; packed_len(P::N, P::RK_BITS)]);
        pack_signed(P::RK_BITS, self.coefficients(), &mut out);
        out
    }

    /// Header, then rk at `RK_BITS` bits a coefficient, two's complement. Secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.0.encode(Kind::ReencryptionKey, P::RK_BITS)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. That it is the right one is told by the
    /// [`commitment`](crate::commitment) on the ledger.
    ///
    /// # Errors
    /// Wrong length, version, set or kind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        ShortPoly::decode(Kind::ReencryptionKey, P::RK_BITS, bytes).map(Self)
    }
}

impl NoiseKey {
    /// A fresh key. One for each grant id, never shared between two.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        Self::from_bytes(*key)
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The 32 bytes.
    pub fn as_secret(&self) -> &[u8; 32] {
        self.0.as_secret()
    }
}

impl ZeroizeOnDrop for NoiseKey {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{SetA, SetB};

    /// rk at the ends of its range, and one past each.
    #[test]
    fn rk_out_of_range_is_refused() {
        fn check<P: ParameterSet>() {
            let limit = 1 << (P::RK_BITS - 1);
            let key = |c: i32| {
                let mut s2 = vec![0; P::N];
                s2[P::N - 1] = c;
                ShortPoly::new(s2)
            };
            for (a, fits) in [
                (limit - 1, true),
                (limit, false),
                (-limit, true),
                (-limit - 1, false),
            ] {
                let half = a / 2;
                let difference = ReencryptionKey::<P>::difference(
                    &UserKey(key(a - half)),
                    &GrantKey(key(-half)),
                );
                assert_eq!(difference.is_some(), fits, "{a}");
                if let Some(rk) = difference {
                    assert_eq!(rk.coefficients()[P::N - 1], a);
                }
            }
        }
        check::<SetA>();
        check::<SetB>();
    }
}
