//! Request: a requester asks a patient; the ledger sees a commitment, she sees the wish.
//!
//! Source: protocol page, "Sharing", row "request". The one-time key is durable before
//! anybody can seal to it.

use base::{AccountId, Digest, Millis, Nonce, OperationId, Salt, codec, operation::Request};
use ledger::RequestState;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    desk::{Desk, LookError, SendError, Sent},
    identity::{HpkeSecret, random},
    journal::{self, Plan},
    letter::{Letter, LetterError, MAX_WORDS, RequestLetter, Wish, key_hash},
    node::NodeError,
    vault::{self, Table, VaultError},
};

/// A request as its sender keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentRequest {
    /// Who was asked.
    pub patient: AccountId,
    /// What.
    pub wish: Wish,
    /// [`key_hash`] of the one-time key.
    pub one_time_key: Digest,
}

/// Asks `patient`, until `expires`. A call that was cut short is finished by the next one
/// for the same wish.
///
/// # Errors
/// [`RequestError`].
pub fn request(
    desk: &Desk<'_>,
    patient: AccountId,
    wish: &Wish,
    expires: Millis,
    cohort: Option<Nonce>,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, RequestError> {
    check(wish)?;
    let to = desk.account(patient)?;
    if to.patient.is_none() {
        return Err(LookError::Unknown("patient", patient.to_string()).into());
    }
    // Times are those of the call that began; a repeated call has later ones.
    let timeless = Wish {
        until: Millis(0),
        ..wish.clone()
    };
    let wanted = journal::wanted("request", &(patient, timeless, cohort));
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent);
    }
    let secret = HpkeSecret::generate(rng);
    let one_time_key = secret.public();
    let hash = key_hash(&one_time_key);
    let salt = Salt(random(rng));
    let action = Request {
        patient,
        expires,
        one_time_key,
        commitment: commitment(wish, &salt),
        cohort,
    };
    let kept = SentRequest {
        patient,
        wish: wish.clone(),
        one_time_key: hash,
    };
    journal::send(desk, wanted, action, |request| {
        let letter = Letter::Request(RequestLetter {
            request,
            wish: wish.clone(),
            salt,
        });
        let key = request.0.to_bytes();
        let kept = (
            Table::Requests,
            key.into(),
            Some(codec::encode(&kept).into()),
        );
        Ok(Plan {
            before: vec![(
                Table::OneTime,
                hash.0.to_vec(),
                Zeroizing::new(secret.as_secret().to_vec()),
            )],
            letters: vec![(patient, letter.seal(desk.party.chain, &to.hpke_key, rng)?)],
            after: vec![kept],
        })
    })
}

/// A patient's side: checks a letter against the request that it belongs to, and keeps it.
///
/// # Errors
/// [`RequestError`].
pub fn receive(
    desk: &Desk<'_>,
    patient: AccountId,
    letter: &RequestLetter,
) -> Result<RequestState, RequestError> {
    check(&letter.wish)?;
    let unknown = || LookError::Unknown("request", letter.request.to_string());
    let request = desk.node.request(letter.request)?.ok_or_else(unknown)?;
    if request.patient != patient || request.commitment != commitment(&letter.wish, &letter.salt) {
        return Err(RequestError::NotWhatWasLogged);
    }
    vault::save(
        desk.vault,
        Table::Asked,
        &letter.request.0.to_bytes(),
        &letter.wish,
    )?;
    Ok(request)
}

/// What a request that the patient received asks for.
///
/// # Errors
/// [`VaultError`].
pub fn wish_of(desk: &Desk<'_>, request: OperationId) -> Result<Option<Wish>, VaultError> {
    vault::load(desk.vault, Table::Asked, &request.0.to_bytes())
}

/// A request that this party sent.
///
/// # Errors
/// [`VaultError`].
pub fn sent(desk: &Desk<'_>, request: OperationId) -> Result<Option<SentRequest>, VaultError> {
    vault::load(desk.vault, Table::Requests, &request.0.to_bytes())
}

fn commitment(wish: &Wish, salt: &Salt) -> Digest {
    Digest::commit(salt, &codec::encode(wish))
}

fn check(wish: &Wish) -> Result<(), RequestError> {
    let sorted = wish.classes.windows(2).all(|pair| pair[0] < pair[1]);
    if wish.classes.is_empty() || !sorted || wish.from > wish.to || wish.words.len() > MAX_WORDS {
        return Err(RequestError::BadWish);
    }
    Ok(())
}

/// Why a request was not made, or not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No class, classes out of order, a period that runs backwards, too many words.
    #[error(
        "a request names at least one class, in order, a period from earlier to later, and at most {MAX_WORDS} bytes of words"
    )]
    BadWish,
    /// The letter is not what the request commits to.
    #[error("the letter is not what its sender committed to on the ledger")]
    NotWhatWasLogged,
    /// The letter could not be sealed.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// Logging.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The ledger's side.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
