//! Decapsulation by the delegator, who holds the scope's key (`docs/scheme.md`, 4).
//!
//! Branch-free: what a capsule decrypts to decides nothing but the value of the result.

use std::fmt;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::code;
use crate::encapsulate::{Capsule, SharedSecret, subtract_from_compressed};
use crate::hash;
use crate::id::CapsuleId;
use crate::keys::UserKey;
use crate::params::ParameterSet;
use crate::public::ScopeKey;
use crate::ring::lanes::wide;
use crate::ring::ntt::{Prepared, transformed};
use crate::secret::Secret;

/// The delegator's key for one scope, prepared. Secret.
pub struct DecapsulationKey<P: ParameterSet> {
    scope: ScopeKey<P>,
    s2: Prepared<P>,
    rejection: Secret<[u8; 32]>,
}

/// Nobody encapsulated this capsule to this scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAccepted;

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the capsule was not encapsulated to this scope")
    }
}

impl std::error::Error for NotAccepted {}

impl<P: ParameterSet> DecapsulationKey<P> {
    /// Prepares the key of a scope. `z` is the holder's 32 secret bytes for implicit rejection.
    ///
    /// A key of another scope opens nothing: every capsule is rejected.
    pub fn new(scope: &ScopeKey<P>, key: &UserKey<P>, z: [u8; 32]) -> Self {
        Self {
            scope: scope.clone(),
            s2: Prepared::new_signed(key.s2()),
            rejection: Secret::new(z),
        }
    }

    /// The scope this key opens.
    pub fn scope(&self) -> &ScopeKey<P> {
        &self.scope
    }

    /// The shared secret; for a capsule that nobody encapsulated to this scope a pseudo-random one
    /// that depends on z (implicit rejection).
    pub fn decapsulate(&self, capsule: &Capsule<P>) -> SharedSecret<P> {
        let (genuine, accepted, ctid) = self.open(capsule);
        let rejected = hash::rejection::<P>(self.rejection.as_secret(), ctid.as_bytes());
        let mut secret = Zeroizing::new([0; 32]);
        for (out, (a, b)) in secret
            .iter_mut()
            .zip(rejected.iter().zip(genuine.as_secret()))
        {
            *out = u8::conditional_select(a, b, accepted);
        }
        SharedSecret::new(&secret)
    }

    /// The shared secret, or that the capsule is not genuine: the comparison that decides whether
    /// a wallet accepts a record. Tell nobody else the outcome of a capsule before it is on a ledger.
    ///
    /// # Errors
    /// Nobody encapsulated this capsule to this scope.
    pub fn accept(&self, capsule: &Capsule<P>) -> Result<SharedSecret<P>, NotAccepted> {
        let (secret, accepted, _) = self.open(capsule);
        if bool::from(accepted) {
            Ok(secret)
        } else {
            Err(NotAccepted)
        }
    }

    fn open(&self, capsule: &Capsule<P>) -> (SharedSecret<P>, Choice, CapsuleId) {
        let (y, c1) = (capsule.y(), capsule.c1());
        let hat = transformed::<P>(y.iter().map(|&y| u64::from(y)));
        let noisy = subtract_from_compressed::<P>(&c1, &self.s2.multiply(&hat));
        let message = code::decode::<P>(&noisy);
        reencapsulate(&self.scope, &message, capsule, (&y, &c1))
    }
}

/// The Fujisaki-Okamoto check: the secret of `message`, whether its encapsulation is `capsule`
/// (whose parts are `y` and `c1`), and the capsule's name.
pub(crate) fn reencapsulate<P: ParameterSet>(
    scope: &ScopeKey<P>,
    message: &[u8; 32],
    capsule: &Capsule<P>,
    (y, c1): (&[u32], &[u32]),
) -> (SharedSecret<P>, Choice, CapsuleId) {
    let pkh = scope.public_params().pkh();
    let (k_bar, coins) = hash::coins::<P>(pkh, scope.scope().as_bytes(), message);
    let (y_again, c1_again) = scope.encrypt(message, &coins);
    let differences = wide(
        #[inline(always)]
        || differing_bits(y, &y_again) | differing_bits(c1, &c1_again),
    );
    let ctid = capsule.id(pkh, scope.scope());
    let secret = hash::shared_secret::<P>(&k_bar, ctid.as_bytes());
    (SharedSecret::new(&secret), differences.ct_eq(&0), ctid)
}

/// 0 exactly if the two are equal; looks at everything.
#[inline(always)]
fn differing_bits(a: &[u32], b: &[u32]) -> u32 {
    a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b))
}
