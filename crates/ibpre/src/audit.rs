//! Audit of a proxy by an arbiter to whom its commitment was opened (`docs/scheme.md`, 10).

use std::fmt;

use subtle::ConstantTimeEq;

use crate::encapsulate::Capsule;
use crate::id::{GrantId, ScopeId};
use crate::keys::{NoiseKey, ReencryptionKey};
use crate::params::ParameterSet;
use crate::reencrypt::{AcceptedCapsule, ReencryptedCapsule};
use crate::rekey::commitment;

/// What an audit found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditVerdict {
    /// c2 is, bit for bit, what the committed keys give.
    Honest,
    /// It is not.
    Lied,
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditError {
    /// rk, noise key and salt do not open the commitment for this agent and grant: the accuser's
    /// evidence is false or incomplete, and says nothing about the agent.
    Commitment,
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commitment => write!(f, "the keys shown are not the ones committed to"),
        }
    }
}

impl std::error::Error for AuditError {}

/// The opening of an agent's commitment: all that the arbiter is shown in secret.
#[derive(Clone, Copy)]
pub struct Opening<'a, P: ParameterSet> {
    /// The re-encryption key.
    pub rk: &'a ReencryptionKey<P>,
    /// The noise key.
    pub noise_key: &'a NoiseKey,
    /// The commitment's salt.
    pub commitment_salt: &'a [u8; 32],
}

/// What the ledger and the store show of the query in question.
#[derive(Clone, Copy)]
pub struct Query<'a, P: ParameterSet> {
    /// The grant.
    pub grant: GrantId,
    /// The agent's account, as committed.
    pub agent: &'a [u8],
    /// com in the grant's `Authorize`.
    pub commitment: &'a [u8; 32],
    /// The authority.
    pub pkh: &'a [u8; 32],
    /// The scope.
    pub scope: ScopeId,
    /// The capsule the agent was asked for.
    pub capsule: &'a Capsule<P>,
    /// What the agent signed as its re-encryption.
    pub reencrypted: &'a ReencryptedCapsule<P>,
}

/// Recomputes a re-encryption from the opened commitment and compares.
///
/// Rotate the scope first: the opening lets the arbiter do what the agent could.
///
/// # Errors
/// The opening is not the commitment's.
pub fn audit<P: ParameterSet>(
    query: &Query<'_, P>,
    opening: &Opening<'_, P>,
) -> Result<AuditVerdict, AuditError> {
    let com = commitment(
        query.grant,
        query.agent,
        opening.rk,
        opening.noise_key,
        opening.commitment_salt,
    );
    if !bool::from(com.ct_eq(query.commitment)) {
        return Err(AuditError::Commitment);
    }
    let id = query.capsule.id(query.pkh, query.scope);
    let capsule = AcceptedCapsule::trust_ledger(query.capsule.clone());
    let honest = opening
        .rk
        .prepare()
        .reencrypt(&capsule, opening.noise_key, query.grant, id);
    Ok(if honest == *query.reencrypted {
        AuditVerdict::Honest
    } else {
        AuditVerdict::Lied
    })
}
