//! Review: a requester's verdict on a query that she opened.
//!
//! Source: protocol page, "Sharing", row "review". A failed decapsulation is no verdict:
//! it goes to the patient alone ([`crate::open::report`]).

use base::{
    Digest, OperationId, Salt, codec,
    operation::{Review, Subject, Verdict},
};
use rand_core::CryptoRng;
use thiserror::Error;

use crate::{
    desk::{Desk, SendError, Sent},
    identity::random,
    letter::{Evidence, EvidenceLetter},
    vault::{self, Table, VaultError},
};

/// Logs `verdict` on `query`; `words`, if any, stay in the vault and are committed to.
///
/// # Errors
/// [`ReviewError`].
pub fn review(
    desk: &Desk<'_>,
    query: OperationId,
    verdict: Verdict,
    words: Option<&str>,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, ReviewError> {
    let mut evidence = None;
    if let Some(words) = words {
        let letter = EvidenceLetter {
            subject: Subject::Query(query),
            salt: Salt(random(rng)),
            evidence: Evidence::Words(words.to_owned()),
        };
        let commitment = commitment(&letter);
        vault::save(desk.vault, Table::Evidence, &commitment.0, &letter)?;
        evidence = Some(commitment);
    }
    let sent = desk.send(Review {
        query,
        verdict,
        evidence,
    })?;
    desk.vault.delete(Table::Answers, &query.0.to_bytes())?;
    Ok(sent)
}

/// What a `Review` or `Dispute` commits to.
pub(crate) fn commitment(letter: &EvidenceLetter) -> Digest {
    Digest::commit(&letter.salt, &codec::encode(&letter.evidence))
}

/// Why a review was not logged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// Logging.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
