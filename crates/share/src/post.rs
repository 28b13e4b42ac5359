//! The mailbox: which key opens a letter, and what is done with it.
//!
//! A letter leaves the mailbox once what it brought is durable here, or once it is known
//! that it brings nothing. Its one-time key goes in the same step as what it brought is
//! written.

use base::Digest;
use thiserror::Error;

use crate::{
    desk::Desk,
    identity::HpkeSecret,
    letter::{Letter, LetterError, SealedLetter, key_hash},
    node::NodeError,
    vault::{Table, VaultError},
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

/// The letters that open, oldest first, and the names of those that never will: damaged,
/// or sealed to a key that is gone. The caller deletes a letter when it is done with it.
///
/// # Errors
/// [`PostError`].
pub fn collect(desk: &Desk<'_>) -> Result<(Vec<Received>, Vec<Digest>), PostError> {
    let mut received = Vec::new();
    let mut dead = Vec::new();
    for (_, bytes) in desk.node.inbox()? {
        let name = Digest::of(&bytes);
        match open(desk, &bytes)? {
            Some((key, letter)) => received.push(Received { name, key, letter }),
            None => dead.push(name),
        }
    }
    Ok((received, dead))
}

fn open(desk: &Desk<'_>, bytes: &[u8]) -> Result<Option<(Digest, Letter)>, PostError> {
    let sealed = match SealedLetter::parse(bytes) {
        Ok(sealed) => sealed,
        Err(_) => return Ok(None),
    };
    let key = sealed.key();
    let secret = if key == key_hash(&desk.party.hpke.public()) {
        desk.party.hpke.clone()
    } else {
        match desk.vault.get(Table::OneTime, &key.0)? {
            Some(bytes) => match <[u8; 32]>::try_from(bytes.as_slice()) {
                Ok(seed) => HpkeSecret::new(seed),
                Err(_) => return Ok(None),
            },
            None => return Ok(None),
        }
    };
    match sealed.open(desk.party.chain, &secret) {
        Ok(letter) if may_carry(desk, key, &letter) => Ok(Some((key, letter))),
        Ok(_) | Err(LetterError::Malformed | LetterError::NotOurs) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Packets come under one-time keys only, everything else under the account's key.
fn may_carry(desk: &Desk<'_>, key: Digest, letter: &Letter) -> bool {
    let one_time = key != key_hash(&desk.party.hpke.public());
    one_time == matches!(letter, Letter::Grant(_) | Letter::Agent(_))
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
