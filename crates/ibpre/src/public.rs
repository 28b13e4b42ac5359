//! Public parameters of one authority, and the prepared form of one scope under them.

use std::fmt;
use std::sync::Arc;

use crate::encoding::{self, DecodeError, Kind};
use crate::hash;
use crate::id::{GrantId, ScopeId};
use crate::params::ParameterSet;
use crate::ring::ntt::{Prepared, centred, from_signed, transformed};
use crate::ring::packing::{pack, packed_len, unpack};
use crate::ring::samplers::hash_to_rq;

/// The public key h = g/f of an authority (in the product: of one patient), with its hash pkh and
/// its transform. Cloning is cheap.
#[derive(Clone)]
pub struct PublicParams<P: ParameterSet>(Arc<Inner<P>>);

struct Inner<P: ParameterSet> {
    /// n coefficients in \[0, q).
    h: Vec<u32>,
    prepared: Prepared<P>,
    hash: [u8; 32],
}

impl<P: ParameterSet> PublicParams<P> {
    /// Bytes of an encoding: 2562 for set A, 5378 for set B.
    pub const ENCODED_LEN: usize = encoding::HEADER_LEN + packed_len(P::N, P::Q_BITS);

    pub(crate) fn from_coefficients(h: Vec<u32>) -> Self {
        let mut packed = vec![0; packed_len(P::N, P::Q_BITS)];
        pack(P::Q_BITS, &h, &mut packed);
        Self(Arc::new(Inner {
            prepared: Prepared::new(h.iter().copied()),
            hash: hash::public_key::<P>(&packed),
            h,
        }))
    }

    /// Header, then h packed at `Q_BITS` bits a coefficient.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = encoding::start::<P>(Kind::PublicParams, packed_len(P::N, P::Q_BITS));
        pack(P::Q_BITS, &self.0.h, &mut out[encoding::HEADER_LEN..]);
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// Wrong length, version, set or kind; a coefficient of q or more.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let body = encoding::body::<P>(Kind::PublicParams, packed_len(P::N, P::Q_BITS), bytes)?;
        let mut h = vec![0; P::N];
        unpack(P::Q_BITS, body, &mut h);
        if h.iter().any(|&c| c >= P::Q) {
            return Err(DecodeError::Coefficient);
        }
        Ok(Self(Arc::new(Inner {
            prepared: Prepared::new(h.iter().copied()),
            hash: hash::public_key::<P>(body),
            h,
        })))
    }

    /// pkh: the hash of h, which names this authority.
    pub fn pkh(&self) -> &[u8; 32] {
        &self.0.hash
    }

    pub(crate) fn prepared(&self) -> &Prepared<P> {
        &self.0.prepared
    }

    /// s1 = u − h·s2, centred. |s2| < q.
    pub(crate) fn first_half(&self, target: &[u32], s2: &[i32]) -> Vec<i32> {
        let hat = transformed::<P>(s2.iter().map(|&c| u64::from(from_signed::<P>(c))));
        let product = self.0.prepared.multiply(&hat);
        target
            .iter()
            .zip(product.iter())
            .map(|(&u, &v)| {
                let d = u as i32 - v as i32; // (−q, q)
                centred::<P>(from_signed::<P>(d))
            })
            .collect()
    }

    /// Whether (u − h·s2, s2) is as short as a key must be: ‖(s1, s2)‖² ≤ `KEY_NORM_SQ`.
    pub(crate) fn is_short_preimage(&self, target: &[u32], s2: &[i32]) -> bool {
        let s1 = zeroize::Zeroizing::new(self.first_half(target, s2));
        // Each square is below 2^40, 2^12 of them fit.
        let norm: u64 = s1
            .iter()
            .chain(s2)
            .map(|&c| u64::from(c.unsigned_abs()) * u64::from(c.unsigned_abs()))
            .sum();
        norm <= P::KEY_NORM_SQ
    }

    /// The seed of a scope's target, which also names it in the list of issued targets.
    pub(crate) fn scope_seed(&self, scope: ScopeId) -> [u8; 32] {
        hash::target::<P>(self.pkh(), scope.as_bytes())
    }

    /// The seed of a grant's target.
    pub(crate) fn grant_seed(&self, grant: GrantId) -> [u8; 32] {
        hash::target::<P>(self.pkh(), grant.as_bytes())
    }
}

impl<P: ParameterSet> PartialEq for PublicParams<P> {
    fn eq(&self, other: &Self) -> bool {
        self.0.h == other.0.h
    }
}

impl<P: ParameterSet> Eq for PublicParams<P> {}

impl<P: ParameterSet> fmt::Debug for PublicParams<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicParams<{}>(", P::NAME)?;
        self.pkh().iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        write!(f, ")")
    }
}

/// One scope of one authority, prepared: public, what an encryptor needs. Cloning is cheap.
#[derive(Clone)]
pub struct ScopeKey<P: ParameterSet> {
    public: PublicParams<P>,
    scope: ScopeId,
    target: Arc<Target<P>>,
}

struct Target<P: ParameterSet> {
    /// u, n coefficients in \[0, q).
    u: Vec<u32>,
    prepared: Prepared<P>,
}

impl<P: ParameterSet> ScopeKey<P> {
    /// Hashes the scope's name to its target u = HashToRq(H_u(pkh, sid)) and prepares it.
    pub fn new(public: &PublicParams<P>, scope: ScopeId) -> Self {
        let u = hash_to_rq::<P>(&public.scope_seed(scope));
        Self {
            public: public.clone(),
            scope,
            target: Arc::new(Target {
                prepared: Prepared::new(u.iter().copied()),
                u,
            }),
        }
    }

    /// The authority.
    pub fn public_params(&self) -> &PublicParams<P> {
        &self.public
    }

    /// The scope's name.
    pub fn scope(&self) -> ScopeId {
        self.scope
    }

    pub(crate) fn target(&self) -> &[u32] {
        &self.target.u
    }

    pub(crate) fn prepared_target(&self) -> &Prepared<P> {
        &self.target.prepared
    }
}

impl<P: ParameterSet> fmt::Debug for ScopeKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeKey")
            .field("public", &self.public)
            .field("scope", &self.scope)
            .finish()
    }
}
