//! The mailbox: which key opens a letter, and what is done with it.
//!
//! A letter leaves the mailbox once what it brought is durable here, or once it is known
//! that it brings nothing, or when what it waits for does not come. Its one-time key goes in the same step as what it brought is
//! written.

use base::{Digest, Millis, UnknownVersion, codec};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    desk::Desk,
    identity::{HpkeSecret, secret},
    letter::{Letter, LetterError, SealedLetter, key_hash},
    node::NodeError,
    vault::{self, Table, VaultError},
};

/// A letter from the party's own mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// SHA2-256 of the sealed letter: its name in the mailbox and in `Authorize`.
    pub name: Digest,
    /// [`key_hash`] of the key that opened it.
    pub key: Digest,
    /// What it says.
    pub letter: Letter,
}

/// How long a replaced HPKE key of the account still opens letters: its holder may have
/// been away, and so may the sender.
pub const FORMER_KEYS_FOR: u64 = 30 * Millis::DAY;

/// Longest that a letter waits for an operation that it names.
pub const WAIT_FOR: u64 = 7 * Millis::DAY;

/// Most letters that wait for one.
pub const MAX_WAITING: usize = 100;

/// What lies in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mail {
    /// The letters that open, oldest first.
    pub letters: Vec<Received>,
    /// Letters of a format of the future: a newer program may open them.
    pub newer: Vec<(Digest, UnknownVersion)>,
    /// Letters that never will open: damaged, or sealed to a key that is gone.
    pub dead: Vec<Digest>,
}

/// Reads the mailbox. The caller deletes a letter when it is done with it.
///
/// # Errors
/// [`PostError`].
pub fn collect(desk: &Desk<'_>, now: Millis) -> Result<Mail, PostError> {
    for (key, former) in vault::load_all::<Former>(desk.vault, Table::FormerKeys)? {
        if former.until <= now {
            desk.vault.delete(Table::FormerKeys, &key)?;
        }
    }
    let mut mail = Mail::default();
    for (_, bytes) in desk.node.inbox()? {
        let name = Digest::of(&bytes);
        match open(desk, &bytes)? {
            Opened::Yes(key, letter) => {
                let letter = *letter;
                mail.letters.push(Received { name, key, letter });
            }
            Opened::Newer(version) => mail.newer.push((name, version)),
            Opened::Never => mail.dead.push(name),
        }
    }
    Ok(mail)
}

/// Which letters wait no longer. `waiting` are all that now wait for an operation that
/// they name and the ledger does not have; what is given back is to be deleted, with a
/// notice: it has waited [`WAIT_FOR`], or has waited longest of more than [`MAX_WAITING`].
///
/// # Errors
/// [`VaultError`].
pub fn give_up(
    desk: &Desk<'_>,
    waiting: &[Digest],
    now: Millis,
) -> Result<Vec<Digest>, VaultError> {
    let before = vault::load_all::<Millis>(desk.vault, Table::Waiting)?;
    let mut since: Vec<(Millis, Digest)> = waiting
        .iter()
        .map(|name| {
            let noted = before.iter().find(|(key, _)| key[..] == name.0);
            (noted.map_or(now, |(_, since)| *since), *name)
        })
        .collect();
    since.sort_unstable();
    let overdue = since.partition_point(|(since, _)| since.plus(WAIT_FOR) <= now);
    let gone = overdue.max(since.len().saturating_sub(MAX_WAITING));
    let kept = since.split_off(gone);
    let notes: Vec<(Digest, Vec<u8>)> = kept
        .iter()
        .map(|(since, name)| (*name, codec::encode(since)))
        .collect();
    let mut changes: Vec<vault::Change<'_>> = before
        .iter()
        .map(|(key, _)| (Table::Waiting, key.as_slice(), None))
        .collect();
    for (name, since) in &notes {
        changes.push((Table::Waiting, &name.0, Some(since)));
    }
    if !changes.is_empty() {
        desk.vault.apply(&changes)?;
    }
    Ok(since.into_iter().map(|(_, name)| name).collect())
}

/// A replaced HPKE key of the account.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Former {
    secret: ByteBuf,
    until: Millis,
}

secret! { Former { secret } }

/// The entry of [`Table::FormerKeys`] for a key that is replaced now: key and value, to be
/// written in the step that puts the next one in its place.
pub fn former_key(secret: &HpkeSecret, now: Millis) -> (Digest, Zeroizing<Vec<u8>>) {
    let former = Former {
        secret: ByteBuf::from(secret.as_secret().to_vec()),
        until: now.plus(FORMER_KEYS_FOR),
    };
    let value = Zeroizing::new(codec::encode(&former));
    (key_hash(&secret.public()), value)
}

/// What opening a letter came to.
enum Opened {
    Yes(Digest, Box<Letter>),
    Newer(UnknownVersion),
    Never,
}

fn open(desk: &Desk<'_>, bytes: &[u8]) -> Result<Opened, PostError> {
    let sealed = match SealedLetter::parse(bytes) {
        Ok(sealed) => sealed,
        Err(LetterError::Newer(version)) => return Ok(Opened::Newer(version)),
        Err(_) => return Ok(Opened::Never),
    };
    let key = sealed.key();
    let Some((secret, kind)) = secret_of(desk, key)? else {
        return Ok(Opened::Never);
    };
    match sealed.open(desk.party.chain, &secret) {
        Ok(letter) if kind.may_carry(&letter) => Ok(Opened::Yes(key, Box::new(letter))),
        Err(LetterError::Newer(version)) => Ok(Opened::Newer(version)),
        Ok(_) | Err(LetterError::Malformed | LetterError::NotOurs) => Ok(Opened::Never),
        Err(error) => Err(error.into()),
    }
}

/// Whose key opened a letter.
enum Kind {
    Account,
    OneTime,
}

impl Kind {
    /// Packets and shares that come back are under one-time keys only, everything else under
    /// the account's key.
    fn may_carry(&self, letter: &Letter) -> bool {
        let one_time = matches!(
            letter,
            Letter::Grant(_) | Letter::Agent(_) | Letter::Release(_)
        );
        matches!(self, Self::OneTime) == one_time
    }
}

fn secret_of(desk: &Desk<'_>, key: Digest) -> Result<Option<(HpkeSecret, Kind)>, VaultError> {
    if key == key_hash(&desk.party.hpke.public()) {
        return Ok(Some((desk.party.hpke.clone(), Kind::Account)));
    }
    let (bytes, kind) = match desk.vault.get(Table::OneTime, &key.0)? {
        Some(seed) => (seed, Kind::OneTime),
        None => match vault::load::<Former>(desk.vault, Table::FormerKeys, &key.0)? {
            Some(former) => (Zeroizing::new(former.secret.to_vec()), Kind::Account),
            None => return Ok(None),
        },
    };
    let seed = <[u8; 32]>::try_from(bytes.as_slice());
    Ok(seed.ok().map(|seed| (HpkeSecret::new(seed), kind)))
}

/// Why the mailbox was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PostError {
    /// A letter.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
