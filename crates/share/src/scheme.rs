//! Between the ledger's names and those of `ibpre`: one place for every conversion.

use base::{
    AccountId, CapsuleId, ChainId, Digest, GrantId, Salt, Scope, ScopeId, operation::Terms,
};
use ibpre::{PublicParams, ScopeKey};

use crate::Suite;

/// sid = H_sid(D).
pub fn sid_of(scope: &Scope) -> ScopeId {
    ScopeId(ibpre::scope_id::<Suite>(&scope.bytes()).to_bytes())
}

/// gid of one scope under a grant.
pub fn gid_of(
    chain: ChainId,
    sid: ScopeId,
    requester: AccountId,
    one_time_key: Digest,
    gsalt: &Salt,
    terms: &Terms,
) -> GrantId {
    let terms = ibpre::terms_hash::<Suite>(&terms.bytes());
    let gid = ibpre::grant_id::<Suite>(
        &chain.0,
        scope(sid),
        &requester.0,
        &one_time_key.0,
        &gsalt.0,
        &terms,
    );
    GrantId(gid.to_bytes())
}

/// A prepared public scope key.
pub(crate) fn scope_key(public: &PublicParams<Suite>, sid: ScopeId) -> ScopeKey<Suite> {
    ScopeKey::new(public, scope(sid))
}

pub(crate) fn scope(sid: ScopeId) -> ibpre::ScopeId {
    ibpre::ScopeId::from_bytes(sid.0)
}

pub(crate) fn grant(gid: GrantId) -> ibpre::GrantId {
    ibpre::GrantId::from_bytes(gid.0)
}

pub(crate) fn capsule(ctid: CapsuleId) -> ibpre::CapsuleId {
    ibpre::CapsuleId::from_bytes(ctid.0)
}
