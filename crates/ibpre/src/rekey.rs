//! Delegation: a grant key for the delegatee and a re-encryption key for the proxies
//! (`docs/scheme.md`, 7).

use std::fmt;

use rand_core::CryptoRng;

use crate::extract::{AlreadyExtracted, Extractor, Issued};
use crate::hash;
use crate::id::GrantId;
use crate::keys::{GrantKey, NoiseKey, ReencryptionKey, UserKey};
use crate::params::ParameterSet;

/// Why no re-encryption key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RekeyError {
    /// A key for this grant id was extracted before.
    AlreadyExtracted,
    /// A coefficient of rk is out of range (once in about 2^34 grants at set A): take a new grant
    /// salt, which gives a new grant id. The key that was drawn is gone.
    OutOfRange,
}

impl fmt::Display for RekeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyExtracted => AlreadyExtracted.fmt(f),
            Self::OutOfRange => {
                write!(f, "re-encryption key out of range: take a new grant salt")
            }
        }
    }
}

impl std::error::Error for RekeyError {}

impl From<AlreadyExtracted> for RekeyError {
    fn from(_: AlreadyExtracted) -> Self {
        Self::AlreadyExtracted
    }
}

/// Draws the key of a grant and its difference to the scope's key `delegator`.
///
/// The grant key goes to the delegatee, the re-encryption key (with a [`NoiseKey`]) to the proxies.
/// Together the two open the scope that is granted, and nothing else.
///
/// # Errors
/// The grant id was used before, or a coefficient of rk is out of range.
pub fn rekey<P: ParameterSet>(
    extractor: &Extractor<P>,
    delegator: &UserKey<P>,
    grant: GrantId,
    issued: &mut impl Issued,
    rng: &mut impl CryptoRng,
) -> Result<(GrantKey<P>, ReencryptionKey<P>), RekeyError> {
    let seed = extractor.public_params().grant_seed(grant);
    let grant_key = GrantKey::new(extractor.preimage(&seed, issued, rng)?);
    let rk = ReencryptionKey::difference(delegator, &grant_key).ok_or(RekeyError::OutOfRange)?;
    Ok((grant_key, rk))
}

/// com: binds an agent to the rk and noise key of a grant. It stands on the ledger; an agent refuses a
/// packet that does not match, and opened to an arbiter it makes the agent's work checkable.
pub fn commitment<P: ParameterSet>(
    grant: GrantId,
    agent: &[u8],
    rk: &ReencryptionKey<P>,
    noise_key: &NoiseKey,
    commitment_salt: &[u8; 32],
) -> [u8; 32] {
    hash::commitment::<P>(
        grant.as_bytes(),
        agent,
        &rk.packed(),
        noise_key.as_secret(),
        commitment_salt,
    )
}
