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
    journal::{self, Plan},
    letter::{Evidence, EvidenceLetter},
    vault::Table,
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
    let wanted = journal::wanted("review", &query);
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent);
    }
    let letter = words.map(|words| EvidenceLetter {
        subject: Subject::Query(query),
        salt: Salt(random(rng)),
        evidence: Evidence::Words(words.to_owned()),
    });
    let action = Review {
        query,
        verdict,
        evidence: letter.as_ref().map(commitment),
    };
    journal::send(desk, wanted, action, |_| {
        let mut plan = Plan::default();
        if let Some(letter) = &letter {
            plan.before(Table::Evidence, &commitment(letter).0, letter);
        }
        let answered = query.0.to_bytes().into();
        plan.after.push((Table::Answers, answered, None));
        Ok(plan)
    })
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
}
