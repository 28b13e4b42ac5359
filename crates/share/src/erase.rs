//! Erase: keys, salts, blocks and pins go; then the receipt.
//!
//! Source: protocol page, "Canonical bytes" (erasure) and "A record". Scopes that cover
//! other records too stay; what was read stays read.

use base::{RecordId, operation::Erase};
use rand_core::CryptoRng;
use thiserror::Error;

use crate::{
    bag::{self, BagError},
    desk::{Desk, SendError, Sent},
    node::NodeError,
    vault::{Table, VaultError},
    wallet::Wallet,
};

/// A hospital's side: unpins every state of `record` and logs the receipt.
///
/// # Errors
/// [`EraseError`].
pub fn erase(desk: &Desk<'_>, record: RecordId) -> Result<Sent, EraseError> {
    for state in desk.node.states_of(record)? {
        desk.node.unpin(&state.state)?;
    }
    Ok(desk.send(Erase { record })?)
}

/// A patient's side: destroys the keys that open this record alone, what the wallet knows
/// of it, and her pins; then logs the receipt.
///
/// # Errors
/// [`EraseError`].
pub fn erase_own(
    wallet: &Wallet<'_>,
    record: RecordId,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, EraseError> {
    let desk = &wallet.desk;
    let mut own = Vec::new();
    for (_, bytes) in desk.vault.list(Table::Scopes)? {
        if let Ok(known) = base::codec::decode::<crate::wallet::KnownScope>(&bytes)
            && known.scope.cover.record == Some(record)
        {
            own.push(crate::scheme::sid_of(&known.scope));
        }
    }
    if !own.is_empty() {
        bag::forget(wallet, &own, rng)?;
    }
    desk.vault.delete(Table::Parts, &record.0)?;
    erase(desk, record)
}

/// Why a record was not erased, or not wholly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EraseError {
    /// The bag.
    #[error(transparent)]
    Bag(#[from] BagError),
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
