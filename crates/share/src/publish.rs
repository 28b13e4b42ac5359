//! Publish and update: a hospital logs a record's state once its blocks are durable.
//!
//! Source: protocol page, "A record", steps 4 and 5.

use base::{
    AccountId, Cid, Millis, Nonce, RecordId,
    operation::{Modify, Publish},
};
use rand_core::CryptoRng;
use thiserror::Error;

use crate::{
    card,
    desk::{Desk, LookError, SendError, Sent},
    identity::random,
    node::NodeError,
    record::RecordSource,
    seal::{Job, SealError, seal},
    vault::VaultError,
};

/// A state that was logged and waits for its patient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// The record.
    pub record: RecordId,
    /// Root of its new state.
    pub state: Cid,
    /// The `Publish` or `Modify`.
    pub sent: Sent,
}

/// Seals, stores and publishes a new record of `patient`, whose card the hospital holds.
///
/// # Errors
/// [`PublishError`]; nothing stays pinned then.
pub fn publish(
    desk: &Desk<'_>,
    patient: AccountId,
    source: &RecordSource,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Published, PublishError> {
    let card = card::card_of(desk.vault, patient)?.ok_or(PublishError::NoCard(patient))?;
    check_record_key(desk)?;
    let nonce = Nonce(random(rng));
    let record = RecordId::of(desk.party.account, &nonce);
    let job = Job {
        card: &card,
        source,
        record,
        previous: None,
    };
    let state = seal(desk, &job, now, rng)?;
    let sent = desk.send(Publish {
        record,
        nonce,
        patient,
        after: state,
    });
    finish(desk, record, state, sent)
}

/// Seals, stores and logs the next state of a record of this hospital.
///
/// # Errors
/// [`PublishError`]; nothing stays pinned then.
pub fn update(
    desk: &Desk<'_>,
    record: RecordId,
    source: &RecordSource,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Published, PublishError> {
    let known = desk.record(record)?;
    if known.hospital != desk.party.account {
        return Err(LookError::Unknown("record", record.to_string()).into());
    }
    if known.pending.is_some() {
        return Err(PublishError::Pending);
    }
    let before = known.accepted.ok_or(PublishError::NeverAccepted)?;
    let card =
        card::card_of(desk.vault, known.patient)?.ok_or(PublishError::NoCard(known.patient))?;
    check_record_key(desk)?;
    let job = Job {
        card: &card,
        source,
        record,
        previous: Some(before),
    };
    let state = seal(desk, &job, now, rng)?;
    let sent = desk.send(Modify {
        record,
        before,
        after: state,
    });
    finish(desk, record, state, sent)
}

/// A state signed with a key that the account gave up would be refused by its patient,
/// and stay in the log for good.
fn check_record_key(desk: &Desk<'_>) -> Result<(), PublishError> {
    let Some(own) = &desk.party.record else {
        return Err(SealError::NoRecordKey.into());
    };
    let account = desk.account(desk.party.account)?;
    match account.record_keys.last() {
        Some(current) if current.key == own.public() => Ok(()),
        _ => Err(PublishError::OldRecordKey),
    }
}

fn finish(
    desk: &Desk<'_>,
    record: RecordId,
    state: Cid,
    sent: Result<Sent, SendError>,
) -> Result<Published, PublishError> {
    match sent {
        Ok(sent) => Ok(Published {
            record,
            state,
            sent,
        }),
        Err(error) => {
            // Only what surely took no effect is let go: an answer may have been lost.
            if matches!(
                error,
                SendError::Failed { .. } | SendError::Node(NodeError::Refused(_))
            ) {
                desk.node.unpin(&state)?;
            }
            Err(error.into())
        }
    }
}

/// Why a record was not published.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No card of this patient.
    #[error("no card of patient {0}; read her QR text first, face to face")]
    NoCard(AccountId),
    /// The record key that signs is not the account's.
    #[error(
        "this home's record key is not the account's current one; replace it with `account rotate-key --kind record`"
    )]
    OldRecordKey,
    /// One state at a time waits.
    #[error("a state of this record still waits for its patient")]
    Pending,
    /// There is no accepted state to change.
    #[error("the record's patient has not accepted any state of it yet")]
    NeverAccepted,
    /// Sealing.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Logging.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The ledger's side.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The store's side.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
