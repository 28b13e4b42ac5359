//! The outbox: letters that are durable here until the mailbox has them.

use base::{AccountId, Digest, codec};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use crate::{
    desk::Desk,
    node::NodeError,
    vault::{self, Table, Vault, VaultError},
};

/// A letter on its way.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Posted {
    pub(crate) to: AccountId,
    pub(crate) letter: ByteBuf,
    /// Not before the operation that it belongs to took effect.
    pub(crate) held: bool,
}

impl Posted {
    pub(crate) fn entry(to: AccountId, letter: &[u8], held: bool) -> (Digest, Vec<u8>) {
        let posted = Self {
            to,
            letter: ByteBuf::from(letter.to_vec()),
            held,
        };
        (Digest::of(letter), codec::encode(&posted))
    }

    /// The same letter, free to go.
    pub(crate) fn released(self) -> Self {
        Self {
            held: false,
            ..self
        }
    }
}

/// Sends a letter on which no operation waits; if the mailbox cannot be reached, it stays
/// in the outbox for [`flush`] and that is no error.
pub(crate) fn post(desk: &Desk<'_>, to: AccountId, letter: &[u8]) -> Result<(), VaultError> {
    let (name, entry) = Posted::entry(to, letter, false);
    desk.vault.put(Table::Outbox, &name.0, &entry)?;
    try_flush(desk);
    Ok(())
}

/// Sends what can go now; the rest stays for the next [`flush`].
pub(crate) fn try_flush(desk: &Desk<'_>) {
    let _ = flush(desk);
}

/// Sends what is left in the outbox; returns how many letters went. A letter that its
/// receiver's mailbox does not take (full, gone) stays, and holds no other letter up.
///
/// # Errors
/// [`OutboxError`] when the node cannot be reached; what did not go stays.
pub fn flush(desk: &Desk<'_>) -> Result<usize, OutboxError> {
    let mut gone = 0;
    for (name, posted) in vault::load_all::<Posted>(desk.vault, Table::Outbox)? {
        if !posted.held {
            match desk.node.send(posted.to, &posted.letter) {
                Ok(()) => {
                    desk.vault.delete(Table::Outbox, &name)?;
                    gone += 1;
                }
                Err(error @ (NodeError::Unreachable(_) | NodeError::Busy(_))) => {
                    return Err(error.into());
                }
                Err(_) => {}
            }
        }
    }
    Ok(gone)
}

/// See [`crate::checkup::letters`].
pub(crate) fn waiting(vault: &dyn Vault) -> Result<(usize, usize), VaultError> {
    let posted = vault::load_all::<Posted>(vault, Table::Outbox)?;
    let held = posted.iter().filter(|(_, letter)| letter.held).count();
    Ok((posted.len() - held, held))
}

/// Why a letter is still in the outbox.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The mailbox did not take it.
    #[error("a letter could not be delivered and stays in the outbox: {0}")]
    Node(#[from] NodeError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
