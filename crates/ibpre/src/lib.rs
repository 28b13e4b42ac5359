//! Lattice identity-based proxy re-encryption over NTRU lattices.
//!
//! A **delegator** receives capsules under a public key of hers and a *scope*, an identity string
//! such as "laboratory results of one month". She can let a **delegatee** open the capsules of one
//! scope through a **proxy** that turns them to him and learns nothing. She is her own key
//! authority: she draws the short lattice basis from which every key of hers comes.
//!
//! ```
//! use std::collections::BTreeSet;
//! use ibpre::*;
//! use rand_core::UnwrapErr;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // This crate takes randomness as an argument and has no source of its own.
//! let rng = &mut UnwrapErr(getrandom::SysRng);
//!
//! // Set-up. The delegator publishes h; the basis stays with her.
//! let master = setup::<SetA>(rng);
//! let public = PublicParams::<SetA>::from_bytes(&master.public_params().to_bytes())?;
//!
//! // Anyone who knows h and the name of a scope encapsulates to it: no key was made for it yet.
//! let sid = scope_id::<SetA>(b"canonical bytes of the scope's description");
//! let scope = ScopeKey::new(&public, sid);
//! let (secret, capsule) = scope.encapsulate(rng);
//! let ctid = capsule.id(public.pkh(), sid);
//! let keys = secret.dem_keys(public.pkh(), sid, ctid); // wraps a content key
//!
//! // The delegator extracts the scope's key, once ever, and accepts the capsule: it is one that was
//! // encapsulated, not one that was made to measure. `issued` is durable in real use.
//! let extractor = Extractor::new(&master);
//! let mut issued = BTreeSet::new();
//! let scope_key = extractor.extract(sid, &mut issued, rng)?;
//! assert!(extractor.extract(sid, &mut issued, rng).is_err());
//! let delegator = DecapsulationKey::new(&scope, &scope_key, [7; 32]);
//! let own = delegator.accept(&capsule)?;
//! assert_eq!(own.as_secret(), secret.as_secret());
//!
//! // A grant: one key for the delegatee, one for the proxy, whose commitment is published.
//! let terms = terms_hash::<SetA>(b"who, what, until when");
//! let gid = grant_id::<SetA>(b"chain", sid, b"delegatee", &[1; 32], &[2; 32], &terms);
//! let (grant_key, rk) = rekey(&extractor, &scope_key, gid, &mut issued, rng)?;
//! let (noise_key, salt) = (NoiseKey::generate(rng), [3; 32]);
//! let com = commitment(gid, b"proxy", &rk, &noise_key, &salt);
//!
//! // The proxy turns an accepted capsule. The same inputs give the same bytes.
//! let accepted = AcceptedCapsule::trust_ledger(capsule.clone());
//! let turned = rk.prepare().reencrypt(&accepted, &noise_key, gid, ctid);
//!
//! // The delegatee checks his key once and opens, with every check, or gets one opaque error.
//! let opener = grant_key.verify(&public, gid)?.prepare(&scope)?;
//! let opened = opener.decapsulate(&capsule, &turned)?;
//! assert_eq!(opened.as_secret(), secret.as_secret());
//! let same = opened.dem_keys(public.pkh(), sid, ctid);
//! assert_eq!(same.k_wrap.as_secret(), keys.k_wrap.as_secret());
//!
//! // A capsule of another scope does not open under this grant, whatever the proxy does.
//! let elsewhere = ScopeKey::new(&public, scope_id::<SetA>(b"another scope"));
//! let (_, other) = elsewhere.encapsulate(rng);
//! let other_id = other.id(public.pkh(), elsewhere.scope());
//! let misused = AcceptedCapsule::trust_ledger(other.clone());
//! let misused = rk.prepare().reencrypt(&misused, &noise_key, gid, other_id);
//! assert!(opener.decapsulate(&other, &misused).is_err());
//!
//! // A proxy that answers with other bytes than its keys give is caught by anyone whom the
//! // delegator shows the opening of its commitment.
//! let query = Query {
//!     grant: gid, agent: b"proxy", commitment: &com, pkh: public.pkh(), scope: sid,
//!     capsule: &capsule, reencrypted: &turned,
//! };
//! let opening = Opening { rk: &rk, noise_key: &noise_key, commitment_salt: &salt };
//! assert_eq!(audit(&query, &opening)?, AuditVerdict::Honest);
//!
//! // What re-encryption shows of a scope's key is budgeted, in integers.
//! assert!(94 * hint_cost_hundredths(100) <= HINT_LIMIT);
//! # Ok(())
//! # }
//! ```
//!
//! The scheme, its parameters, what is claimed and what is not: `docs/scheme.md` of the repository.
//!
//! **Not constant time:** [`setup`], [`Extractor::new`], [`Extractor::extract`] and [`rekey`] (floating point and
//! rejection on the delegator's own device), the noise of [`Proxy::reencrypt`] (division and root in
//! floating point at the proxy). Everything else that touches a secret is branch-free integer code. Nobody has audited
//! this crate.
#![forbid(unsafe_code)]

mod audit;
mod batch;
mod budget;
mod chacha;
mod code;
mod decapsulate;
mod derive;
mod encapsulate;
mod encoding;
mod extract;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod failure_tests;
mod hash;
mod id;
mod keys;
#[cfg(feature = "literal")]
pub mod literal;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod noise_tests;
mod open;
mod params;
mod public;
mod reencrypt;
mod rekey;
mod ring;
mod secret;
mod setup;
#[cfg(test)]
mod statistics;
#[cfg(test)]
mod test_rng;
mod trapdoor;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod vectors;

pub use audit::{AuditError, AuditVerdict, Opening, Query, audit};
pub use batch::{all_cores, in_parallel};
pub use budget::{HINT_LIMIT, MAX_GRANTS_PER_SCOPE, hint_cost_hundredths};
pub use decapsulate::{DecapsulationKey, NotAccepted};
pub use derive::{BodyKeys, DemKeys, body_keys};
pub use encapsulate::{Capsule, SharedSecret};
pub use encoding::DecodeError;
pub use extract::{AlreadyExtracted, Extractor, Issued};
pub use id::{CapsuleId, GrantId, ScopeId, grant_id, scope_id, terms_hash};
pub use keys::{GrantKey, NoiseKey, ReencryptionKey, UserKey};
pub use open::{BadGrantKey, OpenFailed, Opener, VerifiedGrantKey};
pub use params::{ParameterSet, SetA, SetB};
pub use public::{PublicParams, ScopeKey};
pub use reencrypt::{AcceptedCapsule, Proxy, ReencryptedCapsule};
pub use rekey::{RekeyError, commitment, rekey};
pub use secret::Secret;
pub use setup::{MasterKey, setup};
