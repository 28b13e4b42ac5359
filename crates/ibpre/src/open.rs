//! Decapsulation of a re-encrypted capsule by the delegatee, with every check
//! (`docs/scheme.md`, 7 and 9).

use std::fmt;

use subtle::ConstantTimeEq;

use crate::code;
use crate::decapsulate::reencapsulate;
use crate::encapsulate::{Capsule, SharedSecret, subtract_from_compressed};
use crate::id::GrantId;
use crate::keys::GrantKey;
use crate::params::ParameterSet;
use crate::public::{PublicParams, ScopeKey};
use crate::reencrypt::ReencryptedCapsule;
use crate::ring::lanes::wide;
use crate::ring::ntt::{Prepared, centred, subtract_once, transformed};
use crate::ring::samplers::hash_to_rq;
use crate::secret::Buffer;

/// A grant key that is short: its norm was checked against the grant's target.
pub struct VerifiedGrantKey<P: ParameterSet> {
    key: GrantKey<P>,
    public: PublicParams<P>,
}

/// A delegatee's key prepared for one scope. Secret.
pub struct Opener<P: ParameterSet> {
    scope: ScopeKey<P>,
    s2: Prepared<P>,
}

/// The key is no short preimage of the grant's target: wrong grant, wrong authority, or forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadGrantKey;

/// The re-encrypted capsule does not open. One opaque error whatever the reason; do not tell the
/// proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFailed;

impl fmt::Display for BadGrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key does not belong to this grant and authority")
    }
}

impl fmt::Display for OpenFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the re-encrypted capsule does not open")
    }
}

impl std::error::Error for BadGrantKey {}
impl std::error::Error for OpenFailed {}

impl<P: ParameterSet> GrantKey<P> {
    /// Checks that (u_g − h·s2, s2) is short: ‖·‖² ≤ (1.1·σ_e)²·2n.
    ///
    /// # Errors
    /// It is not.
    pub fn verify(
        self,
        public: &PublicParams<P>,
        grant: GrantId,
    ) -> Result<VerifiedGrantKey<P>, BadGrantKey> {
        let target = hash_to_rq::<P>(&public.grant_seed(grant));
        if public.is_short_preimage(&target, self.s2()) {
            Ok(VerifiedGrantKey {
                key: self,
                public: public.clone(),
            })
        } else {
            Err(BadGrantKey)
        }
    }
}

impl<P: ParameterSet> VerifiedGrantKey<P> {
    /// The key as it was before the check, for storage.
    pub fn into_key(self) -> GrantKey<P> {
        self.key
    }

    /// Prepares the key for capsules of the granted scope.
    ///
    /// # Errors
    /// The scope is another authority's.
    pub fn prepare(&self, scope: &ScopeKey<P>) -> Result<Opener<P>, BadGrantKey> {
        if *scope.public_params() != self.public {
            return Err(BadGrantKey);
        }
        Ok(Opener {
            scope: scope.clone(),
            s2: Prepared::new_signed(self.key.s2()),
        })
    }
}

impl<P: ParameterSet> Opener<P> {
    /// The secret of `capsule` (the accepted one, fetched by its content id) through `reencrypted`.
    ///
    /// Both checks run in full whatever the other says: the message found encapsulates to exactly
    /// this capsule, and the noise of c2 is no larger than an honest proxy's.
    ///
    /// # Errors
    /// One of them fails.
    pub fn decapsulate(
        &self,
        capsule: &Capsule<P>,
        reencrypted: &ReencryptedCapsule<P>,
    ) -> Result<SharedSecret<P>, OpenFailed> {
        let (y, c1) = (capsule.y(), capsule.c1());
        let hat = transformed::<P>(y.iter().map(|&y| u64::from(y)));
        let w = subtract_from_compressed::<P>(&reencrypted.c2(), &self.s2.multiply(&hat));
        let message = code::decode::<P>(&w);
        let small = noise_energy::<P>(&w, &message).wrapping_sub(P::OPEN_NOISE_SQ + 1) >> 63;
        let (secret, same, _) = reencapsulate(&self.scope, &message, capsule, (&y, &c1));
        if bool::from(same & small.ct_eq(&1)) {
            Ok(secret)
        } else {
            Err(OpenFailed)
        }
    }
}

/// Σ centred(w − ⌊q/2⌋·K32(m))²: below 2^40·2^11.
fn noise_energy<P: ParameterSet>(w: &[u64], message: &[u8; 32]) -> u64 {
    let mut encoded = Buffer::zeros(P::N);
    wide(
        #[inline(always)]
        || {
            code::add_encoded::<P>(message, &mut encoded);
            w.iter()
                .zip(encoded.iter())
                .map(
                    #[inline(always)]
                    |(w, e)| {
                        let d = subtract_once::<P>(w + (u64::from(P::Q) - e));
                        let d = u64::from(centred::<P>(d as u32).unsigned_abs());
                        d * d
                    },
                )
                .sum()
        },
    )
}
