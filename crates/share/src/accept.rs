//! Accept and reject: a patient's wallet checks everything about a state before it is
//! hers.
//!
//! Source: protocol page, "A record", step 6. FO equality is a boolean here, never the
//! implicit-reject key.

use base::{
    Cid, Class, RecordId, Scope,
    operation::{Accept, PartKey, Reject, RejectCode},
};
use ledger::Record;
use rand_core::CryptoRng;
use std::io;
use thiserror::Error;

use crate::{
    body::OpenBodyError,
    desk::{LookError, SendError, Sent},
    node::NodeError,
    part::{OpenedPart, PartError, State},
    seal::is_retired,
    sealed::CheckedCapsule,
    vault::{self, Table, VaultError},
    wallet::{ExtractError, KnownPart, KnownRecord, Wallet},
};

/// Checks the pending state of `record` and accepts it.
///
/// # Errors
/// [`AcceptError`]; [`AcceptError::code`] says how to reject it.
pub fn accept(
    wallet: &Wallet<'_>,
    record: RecordId,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, AcceptError> {
    let desk = &wallet.desk;
    let on_ledger = desk.record(record).map_err(PartError::from)?;
    let state = on_ledger.pending.ok_or(AcceptError::NothingPending)?;
    if on_ledger.patient != wallet.patient {
        return Err(AcceptError::NotMine);
    }
    if desk
        .vault
        .get(Table::Hospitals, &on_ledger.hospital.0)?
        .is_none()
    {
        return Err(AcceptError::UnknownHospital(on_ledger.hospital));
    }
    let known = inspect(wallet, record, state, rng)?;
    desk.node.pin(&state)?;
    let parts = known.parts.iter().map(|part| part.key).collect();
    let sent = desk.send(Accept {
        record,
        state,
        parts,
    });
    settle(wallet, &on_ledger, known, sent)
}

fn settle(
    wallet: &Wallet<'_>,
    before: &Record,
    known: KnownRecord,
    sent: Result<Sent, SendError>,
) -> Result<Sent, AcceptError> {
    let desk = &wallet.desk;
    match sent {
        Ok(sent) => {
            vault::save(desk.vault, Table::Parts, &before.id.0, &known)?;
            Ok(sent)
        }
        Err(error) => {
            if error.failure().is_some() {
                desk.node.unpin(&known.state)?;
            }
            Err(error.into())
        }
    }
}

/// Rejects the pending state of `record`.
///
/// # Errors
/// [`AcceptError`].
pub fn reject(
    wallet: &Wallet<'_>,
    record: RecordId,
    code: RejectCode,
) -> Result<Sent, AcceptError> {
    let desk = &wallet.desk;
    let on_ledger = desk.record(record).map_err(PartError::from)?;
    let state = on_ledger.pending.ok_or(AcceptError::NothingPending)?;
    Ok(desk.send(Reject {
        record,
        state,
        code,
    })?)
}

/// What became of one record in [`catch_up`].
pub type CaughtUp = (RecordId, Result<(), AcceptError>);

/// Learns again what the ledger has as accepted and the wallet does not know: after a
/// restore, or when the wallet died between an operation and its own note of it. Every
/// record is checked in full again; one that does not hold stops no other.
///
/// # Errors
/// [`AcceptError`] when ledger or vault cannot be read at all.
pub fn catch_up(
    wallet: &Wallet<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<CaughtUp>, AcceptError> {
    catch_up_among(wallet, &wallet.desk.node.records_of(wallet.patient)?, rng)
}

/// [`catch_up`] for some of her records, as the node tells of them.
///
/// # Errors
/// As [`catch_up`].
pub fn catch_up_among(
    wallet: &Wallet<'_>,
    records: &[Record],
    rng: &mut dyn CryptoRng,
) -> Result<Vec<CaughtUp>, AcceptError> {
    let desk = &wallet.desk;
    let mut done = Vec::new();
    for record in records {
        let known: Option<KnownRecord> = vault::load(desk.vault, Table::Parts, &record.id.0)?;
        let erased = record.is_erased() || desk.vault.get(Table::Erased, &record.id.0)?.is_some();
        let Some(state) = record.accepted.filter(|_| !erased) else {
            continue;
        };
        if known.as_ref().is_none_or(|known| known.state != state) {
            let learnt = learn(wallet, record.id, state, known.as_ref(), rng);
            done.push((record.id, learnt.map(drop)));
        }
    }
    Ok(done)
}

/// Notes what an accepted state holds, in place of what was known before.
pub(crate) fn learn(
    wallet: &Wallet<'_>,
    record: RecordId,
    state: Cid,
    before: Option<&KnownRecord>,
    rng: &mut dyn CryptoRng,
) -> Result<KnownRecord, AcceptError> {
    let desk = &wallet.desk;
    let known = look_into(wallet, record, state, Retired::Allowed, rng)?;
    desk.node.pin(&state)?;
    vault::save(desk.vault, Table::Parts, &record.0, &known)?;
    if let Some(before) = before {
        desk.node.unpin(&before.state)?;
    }
    Ok(known)
}

/// Whether parts may lie under scopes that she retired since: only in what she accepted
/// before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Retired {
    Refused,
    Allowed,
}

/// Checks one state of a record of hers, whoever published it: every part's scope,
/// capsule, commitments, signature, segments and hashes. Extracts the keys that it needs.
///
/// # Errors
/// [`AcceptError`].
pub fn inspect(
    wallet: &Wallet<'_>,
    record: RecordId,
    state: Cid,
    rng: &mut dyn CryptoRng,
) -> Result<KnownRecord, AcceptError> {
    look_into(wallet, record, state, Retired::Refused, rng)
}

fn look_into(
    wallet: &Wallet<'_>,
    record: RecordId,
    state: Cid,
    retired: Retired,
    rng: &mut dyn CryptoRng,
) -> Result<KnownRecord, AcceptError> {
    let desk = &wallet.desk;
    let state = State::load(desk, record, state)?;
    let mut found = Vec::new();
    for index in 0..state.sealed.parts.len() {
        let capsule = state.capsule(desk, index)?;
        let scope = scope_of(wallet, &state, &capsule, retired)?;
        found.push((capsule, scope));
    }
    let scopes: Vec<Scope> = found.iter().map(|(_, scope)| *scope).collect();
    wallet.extract(&scopes, rng)?;
    let mut parts = Vec::new();
    for (capsule, scope) in found {
        let opened = open_own(wallet, &state, &capsule, scope.cover.class, &mut io::sink())?;
        parts.push(KnownPart {
            key: PartKey {
                part: capsule.header.part,
                sid: capsule.header.sid,
                ctid: capsule.header.ctid,
            },
            cover: scope.cover,
            media_type: opened.media_type,
            length: opened.length,
        });
    }
    Ok(KnownRecord {
        state: state.root,
        hospital: state.record.hospital,
        time: state.published.time,
        parts,
    })
}

/// The scope of a part, if it may be sealed to it.
fn scope_of(
    wallet: &Wallet<'_>,
    state: &State,
    capsule: &CheckedCapsule,
    retired: Retired,
) -> Result<Scope, AcceptError> {
    let header = &capsule.header;
    if header.pkh != wallet.pkh() {
        return Err(AcceptError::NotToMe { part: header.part });
    }
    let record = state.record.id;
    let scope = wallet
        .find_scope(header.sid, record, state.published.time)?
        .ok_or(AcceptError::NoScope { part: header.part })?;
    let cover = scope.cover;
    if cover.record.is_some_and(|other| other != record) {
        return Err(AcceptError::NoScope { part: header.part });
    }
    let epochs = crate::wallet::epochs_at(state.published.time);
    if !crate::wallet::class_epochs(cover.class, &epochs).contains(&cover.epoch) {
        return Err(AcceptError::NoScope { part: header.part });
    }
    if cover.class == Class::Sensitive && cover.record.is_none() {
        return Err(AcceptError::SensitiveTooWide { part: header.part });
    }
    if retired == Retired::Refused && is_retired(&wallet.desk, wallet.patient, header.sid)? {
        return Err(AcceptError::Retired { part: header.part });
    }
    Ok(scope)
}

/// Opens a part with the wallet's own key.
pub(crate) fn open_own(
    wallet: &Wallet<'_>,
    state: &State,
    capsule: &CheckedCapsule,
    class: Class,
    sink: &mut dyn io::Write,
) -> Result<OpenedPart, AcceptError> {
    let key = wallet.decapsulation_key(capsule.header.sid)?;
    let secret = key
        .accept(&capsule.capsule)
        .map_err(|_| AcceptError::Forged {
            part: capsule.header.part,
        })?;
    Ok(state.open(&wallet.desk, capsule, &secret, class, sink)?)
}

/// Why a state is not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// No state waits.
    #[error("no state of this record waits for you")]
    NothingPending,
    /// Another patient's record.
    #[error("the record is not yours")]
    NotMine,
    /// Not on her list.
    #[error("hospital {0} is not on your list; add it first if you know it")]
    UnknownHospital(base::AccountId),
    /// Sealed to another public key.
    #[error("part {part} is sealed to another patient's key")]
    NotToMe {
        /// The part.
        part: u32,
    },
    /// No scope of hers has this sid.
    #[error("part {part} is sealed to no scope of yours for this month and record")]
    NoScope {
        /// The part.
        part: u32,
    },
    /// Sensitive data under a class-wide scope.
    #[error("part {part} is sensitive but sealed to more than its record")]
    SensitiveTooWide {
        /// The part.
        part: u32,
    },
    /// The scope was rotated.
    #[error("part {part} is sealed to a scope that you retired")]
    Retired {
        /// The part.
        part: u32,
    },
    /// Nobody encapsulated this capsule.
    #[error("the capsule of part {part} was not made as the scheme says")]
    Forged {
        /// The part.
        part: u32,
    },
    /// A check of the part.
    #[error(transparent)]
    Part(#[from] PartError),
    /// No key.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// Logging.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl AcceptError {
    /// How to reject a state for this; none where nothing is wrong with the state.
    pub fn code(&self) -> Option<RejectCode> {
        match self {
            Self::NotMine
            | Self::NothingPending
            | Self::Extract(_)
            | Self::Send(_)
            | Self::Node(_)
            | Self::Vault(_) => None,
            // The ledger could not be followed, or the disk is full: no fault of the state.
            Self::Part(PartError::Look(error)) if !matches!(error, LookError::Node(_)) => None,
            Self::Part(PartError::Body(OpenBodyError::Sink(_))) => None,
            // A newer program may well accept it.
            Self::Part(error) if error.is_newer() => None,
            Self::UnknownHospital(_) => Some(RejectCode::UnknownHospital),
            Self::SensitiveTooWide { .. } => Some(RejectCode::WrongScope),
            Self::Part(error) if error.is_unavailable() => Some(RejectCode::Unavailable),
            _ => Some(RejectCode::Invalid),
        }
    }
}
