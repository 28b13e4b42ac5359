//! Lattice identity-based proxy re-encryption over NTRU lattices.
#![forbid(unsafe_code)]

mod audit;
mod budget;
mod code;
mod decapsulate;
mod derive;
mod encapsulate;
mod encoding;
mod extract;
mod hash;
mod id;
mod keys;
mod open;
mod params;
mod public;
mod reencrypt;
mod rekey;
mod ring;
mod secret;
mod setup;
#[cfg(test)]
mod test_rng;
mod trapdoor;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod vectors;

pub use audit::{AuditError, AuditVerdict, Opening, Query, audit};
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
