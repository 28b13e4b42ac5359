//! Keys derived from a shared secret and from a content key (`docs/scheme.md`, 5).

use crate::encapsulate::SharedSecret;
use crate::hash;
use crate::id::{CapsuleId, ScopeId};
use crate::params::ParameterSet;
use crate::secret::Secret;

/// What wraps a content key under a capsule.
pub struct DemKeys {
    /// Key of the AES-256-GCM box around the content key (nonce zero: it is used once).
    pub k_wrap: Secret<[u8; 32]>,
    /// Commitment to the shared secret, public once it stands in the capsule's header; compared in
    /// constant time before the box is opened.
    pub k_commit: [u8; 32],
}

/// What a content key (CEK) is spread to.
pub struct BodyKeys {
    /// Key of the body's segments.
    pub k_body: Secret<[u8; 32]>,
    /// Key of the box that holds opening, salt and signed manifest.
    pub k_open: Secret<[u8; 32]>,
    /// Commitment to the content key: public once it is in the capsule's header.
    pub body_commit: [u8; 32],
}

impl<P: ParameterSet> SharedSecret<P> {
    /// (k_wrap, k_commit) = H_dem(K, pkh, sid, ctid).
    pub fn dem_keys(&self, pkh: &[u8; 32], scope: ScopeId, capsule: CapsuleId) -> DemKeys {
        let (k_wrap, k_commit) =
            hash::dem::<P>(self.as_secret(), pkh, scope.as_bytes(), capsule.as_bytes());
        DemKeys {
            k_wrap: Secret::new(*k_wrap),
            k_commit: *k_commit,
        }
    }
}

/// (k_body, k_open, body_commit) = H_body(CEK).
pub fn body_keys<P: ParameterSet>(cek: &[u8; 32]) -> BodyKeys {
    let all = hash::body::<P>(cek);
    let part = |at: usize| {
        let mut key = [0; 32];
        key.copy_from_slice(&all[32 * at..32 * (at + 1)]);
        key
    };
    BodyKeys {
        k_body: Secret::new(part(0)),
        k_open: Secret::new(part(1)),
        body_commit: part(2),
    }
}
