//! Names of scopes, grants and capsules: 32-byte hashes that must not be mixed up.

use std::fmt;

use crate::hash;
use crate::params::ParameterSet;

/// sid: the name of a scope, `H_sid(D)`. It is the identity string of the scheme.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId([u8; 32]);

/// gid: the name of one grant for one scope, `H_gid(..)`. It is the delegatee's identity string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId([u8; 32]);

/// ctid: the name of one capsule under one public key and scope, `H_ct(pkh, sid, capsule)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapsuleId([u8; 32]);

macro_rules! id {
    ($name:ident) => {
        impl $name {
            /// Takes the 32 bytes of a name as they stand in a record.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 32 bytes, by value.
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }
    };
}

id!(ScopeId);
id!(GrantId);
id!(CapsuleId);

/// sid of a scope, from the canonical bytes of its description D.
pub fn scope_id<P: ParameterSet>(description: &[u8]) -> ScopeId {
    ScopeId(hash::scope::<P>(description))
}

/// gid of a grant for one scope.
///
/// `requester` is the requester's account, `one_time_key_hash` the hash of the one-time key of her
/// request, `grant_salt` fresh, `terms_hash` from [`terms_hash`].
pub fn grant_id<P: ParameterSet>(
    chain_id: &[u8],
    scope: ScopeId,
    requester: &[u8],
    one_time_key_hash: &[u8; 32],
    grant_salt: &[u8; 32],
    terms_hash: &[u8; 32],
) -> GrantId {
    GrantId(hash::grant::<P>(
        chain_id,
        &scope.0,
        requester,
        one_time_key_hash,
        grant_salt,
        terms_hash,
    ))
}

/// H(terms), from the canonical bytes of a grant's terms.
pub fn terms_hash<P: ParameterSet>(terms: &[u8]) -> [u8; 32] {
    hash::terms::<P>(terms)
}
