//! Erase: keys, salts, blocks and pins go; then the receipt.
//!
//! Source: protocol page, "Canonical bytes" (erasure) and "A record". Scopes that cover
//! other records too stay; what was read stays read.

use base::{RecordId, ScopeId, operation::Erase};
use rand_core::CryptoRng;
use thiserror::Error;

use crate::{
    bag::{self, BagError},
    desk::{Desk, SendError, Sent},
    journal::{self, Plan},
    node::NodeError,
    scheme::sid_of,
    vault::{self, Table, VaultError},
    wallet::{KnownScope, Wallet},
};

/// A hospital's side: unpins every state of `record` and logs the receipt. May be repeated
/// after a crash.
///
/// # Errors
/// [`EraseError`].
pub fn erase(desk: &Desk<'_>, record: RecordId) -> Result<Sent, EraseError> {
    let wanted = journal::wanted("erase", &record);
    if let Some(sent) = journal::resume(desk, wanted)? {
        return Ok(sent);
    }
    for state in desk.node.states_of(record)? {
        desk.node.unpin(&state.state)?;
    }
    journal::send(desk, wanted, Erase { record }, |_| Ok(Plan::default()))
}

/// A patient's side: destroys the keys that open this record alone, what the wallet knows
/// of it, and her pins; then logs the receipt. May be repeated after a crash; from the
/// first moment on the wallet does not learn the record again.
///
/// # Errors
/// [`EraseError`].
pub fn erase_own(
    wallet: &Wallet<'_>,
    record: RecordId,
    rng: &mut dyn CryptoRng,
) -> Result<Sent, EraseError> {
    let desk = &wallet.desk;
    let known = desk.node.record(record)?;
    known
        .filter(|known| known.patient == wallet.patient)
        .ok_or(NodeError::NotFound)?;
    desk.vault.put(Table::Erased, &record.0, &[])?;
    let scopes: Vec<(Vec<u8>, KnownScope)> = vault::load_all(desk.vault, Table::Scopes)?;
    let own: Vec<ScopeId> = scopes
        .iter()
        .filter(|(_, known)| known.scope.cover.record == Some(record))
        .map(|(_, known)| sid_of(&known.scope))
        .collect();
    if own.is_empty() {
        bag::sync(wallet, rng)?;
    } else {
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
