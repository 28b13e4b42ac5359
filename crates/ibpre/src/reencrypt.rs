//! Re-encryption by a proxy (`docs/scheme.md`, 8).
//!
//! The proxy adds noise that is a function of the grant and the capsule: without it one capsule
//! gives rk away, fresh noise would average out on replay, and noise shared between grants would
//! leak their difference. The product with rk is branch-free integer code; the noise is `f64`.

use std::fmt;
use std::marker::PhantomData;

use crate::encapsulate::{Capsule, subtract_from_compressed};
use crate::encoding::{self, DecodeError, HEADER_LEN, Kind};
use crate::hash;
use crate::id::{CapsuleId, GrantId};
use crate::keys::{NoiseKey, ReencryptionKey};
use crate::params::ParameterSet;
use crate::ring::lanes::wide;
use crate::ring::ntt::{Prepared, from_signed, subtract_once, transformed};
use crate::ring::packing::{compress, pack, packed_len, unpack};
use crate::ring::samplers::noise;

/// A re-encryption key prepared for use. Secret, wiped on drop.
pub struct Proxy<P: ParameterSet>(Prepared<P>);

/// A capsule whose acceptance by the delegator stands on the ledger.
///
/// ```compile_fail
/// # use ibpre::*;
/// fn unchecked(proxy: &Proxy<SetA>, capsule: &Capsule<SetA>, k: &NoiseKey, g: GrantId, c: CapsuleId) {
///     proxy.reencrypt(capsule, k, g, c); // a capsule alone is not enough
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedCapsule<P: ParameterSet>(Capsule<P>);

/// c2: a capsule's second half turned to the delegatee. There is no way to re-encrypt it again.
#[derive(Clone, PartialEq, Eq)]
pub struct ReencryptedCapsule<P: ParameterSet> {
    /// c2 packed: every string of this length is one.
    body: Vec<u8>,
    set: PhantomData<P>,
}

impl<P: ParameterSet> AcceptedCapsule<P> {
    /// The caller has checked on the ledger that this capsule's id is in the last accepted state.
    ///
    /// Without that check a sender of capsules of his own making (y = 2^k) learns rk from seven
    /// answers in spite of the noise.
    pub fn trust_ledger(capsule: Capsule<P>) -> Self {
        Self(capsule)
    }

    /// The capsule.
    pub fn capsule(&self) -> &Capsule<P> {
        &self.0
    }
}

impl<P: ParameterSet> ReencryptionKey<P> {
    /// Transforms the key for use.
    pub fn prepare(&self) -> Proxy<P> {
        Proxy(Prepared::new_signed(self.coefficients()))
    }
}

impl<P: ParameterSet> Proxy<P> {
    /// c2 = Compress(Decompress(c1) − rk·y + E), with E from (noise key, grant, capsule id): the
    /// same inputs give the same bytes on every machine and from every proxy of the grant.
    ///
    /// `id` is [`Capsule::id`] under the scope's authority and name, recomputed by the caller.
    pub fn reencrypt(
        &self,
        capsule: &AcceptedCapsule<P>,
        noise_key: &NoiseKey,
        grant: GrantId,
        id: CapsuleId,
    ) -> ReencryptedCapsule<P> {
        let capsule = &capsule.0;
        let seed = hash::noise::<P>(noise_key.as_secret(), grant.as_bytes(), id.as_bytes());
        let e = noise::<P>(&seed);
        let y = capsule.y();
        let hat = transformed::<P>(y.iter().map(|&y| u64::from(y)));
        let v = subtract_from_compressed::<P>(&capsule.c1(), &self.0.multiply(&hat));
        let mut c2 = vec![0; P::N];
        wide(
            #[inline(always)]
            || {
                for ((c2, &v), &e) in c2.iter_mut().zip(v.iter()).zip(e.iter()) {
                    // |E| < 13.4·σ_E < q
                    let v = subtract_once::<P>(v + u64::from(from_signed::<P>(e)));
                    *c2 = compress::<P>(v);
                }
            },
        );
        ReencryptedCapsule::pack(&c2)
    }
}

impl<P: ParameterSet> ReencryptedCapsule<P> {
    /// Bytes of an encoding: 770 for set A, 1538 for set B.
    pub const ENCODED_LEN: usize = HEADER_LEN + Self::BODY_LEN;

    const BODY_LEN: usize = packed_len(P::N, 6);

    fn pack(c2: &[u32]) -> Self {
        let mut body = vec![0; Self::BODY_LEN];
        pack(6, c2, &mut body);
        Self {
            body,
            set: PhantomData,
        }
    }

    /// c2, n coefficients in 0..64.
    pub(crate) fn c2(&self) -> Vec<u32> {
        let mut c2 = vec![0; P::N];
        unpack(6, &self.body, &mut c2);
        c2
    }

    /// Header, then c2 at 6 bits a coefficient.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = encoding::start::<P>(Kind::ReencryptedCapsule, Self::BODY_LEN);
        out[HEADER_LEN..].copy_from_slice(&self.body);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// Wrong length, version, set or kind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            body: encoding::body::<P>(Kind::ReencryptedCapsule, Self::BODY_LEN, bytes)?.to_vec(),
            set: PhantomData,
        })
    }

    /// H(c2): what the agent signs together with gid and ctid, and what the ledger keeps.
    pub fn hash(&self) -> [u8; 32] {
        hash::reencrypted::<P>(&self.body)
    }
}

impl<P: ParameterSet> fmt::Debug for ReencryptedCapsule<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ReencryptedCapsule<{}>({} bytes)",
            P::NAME,
            Self::ENCODED_LEN
        )
    }
}
