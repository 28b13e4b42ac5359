//! Scopes: the identity strings of the identity-based scheme.
//!
//! Source: protocol page, "A record", Scope; scheme page, step 2. A scope is what a
//! grant opens: one class in one month of one patient (or of one record of hers).

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{ChainId, Class, Digest, Epoch, RecordId, Salt, codec, domain};

/// D of the scheme. Its canonical bytes enter H_sid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The ledger.
    pub chain: ChainId,
    /// H_pk of the patient's public key.
    pub pkh: Digest,
    /// The class, period and record it covers.
    pub cover: Cover,
    /// Hides the cover from who does not hold κ.
    pub salt: Salt,
}

/// What a scope covers, without the parts that every scope of a patient shares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cover {
    /// The class of data.
    pub class: Class,
    /// The month; none for [`Class::Emergency`].
    pub epoch: Option<Epoch>,
    /// One record, always for [`Class::Sensitive`].
    pub record: Option<RecordId>,
    /// Rotations so far, from 0.
    pub counter: u32,
}

impl Scope {
    /// The scope of `cover` for the holder of `kappa`: salt = HMAC-SHA2-256(κ, cover).
    pub fn of(chain: ChainId, pkh: Digest, cover: Cover, kappa: &ScopeSecret) -> Self {
        Self {
            chain,
            pkh,
            cover,
            salt: kappa.salt(&cover),
        }
    }

    /// The bytes that H_sid takes.
    pub fn bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// κ: known to the patient and to the hospitals she lists.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ScopeSecret([u8; 32]);

impl ScopeSecret {
    /// κ from 32 secret random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes; every use is a place to review.
    pub fn as_secret(&self) -> &[u8; 32] {
        &self.0
    }

    fn salt(&self, cover: &Cover) -> Salt {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut message = domain::preamble(domain::SCOPE_SALT);
        message.extend(codec::encode(cover));
        let mut salt = [0; 32];
        salt.copy_from_slice(hmac::sign(&key, &message).as_ref());
        Salt(salt)
    }
}
