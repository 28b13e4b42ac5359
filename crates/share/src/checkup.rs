//! What a party's vault says about itself: the head seen, unfinished operations, letters,
//! the key bag. Read only; whether the vault's seals hold is its implementation's to say.

use base::{Millis, OperationId};

use crate::{
    desk::Desk,
    follow::{self, Conflict},
    identity::PatientSecrets,
    journal, outbox,
    trust::Trust,
    vault::{Vault, VaultError},
};

pub use crate::bag::{AtNode, BagError, Standing};

/// What the vault says of the highest head it has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LastHead {
    /// None yet.
    Nothing,
    /// A head, and everything kept with it agrees.
    Head {
        /// Its height.
        height: u64,
        /// Leaves of its log.
        leaves: u64,
        /// Its time.
        time: Millis,
    },
    /// The ledger contradicted what was seen: nothing is released until a person decides.
    Stopped(Conflict),
    /// What is kept contradicts itself.
    Contradiction(&'static str),
}

/// Looks at the watermark and what is kept with it; no node is asked.
///
/// # Errors
/// [`VaultError`], also for an entry that is none.
pub fn last_head(vault: &dyn Vault, trust: &Trust) -> Result<LastHead, VaultError> {
    follow::last_head(vault, trust)
}

/// Operations that were begun and whose outcome the vault does not know: id and what each
/// does. The next command with the node settles those that have one by now.
///
/// # Errors
/// [`VaultError`].
pub fn unfinished(vault: &dyn Vault) -> Result<Vec<(OperationId, &'static str)>, VaultError> {
    journal::unfinished_operations(vault)
}

/// Letters that wait to be sent, and letters held back until their operation took effect.
///
/// # Errors
/// [`VaultError`].
pub fn letters(vault: &dyn Vault) -> Result<(usize, usize), VaultError> {
    outbox::waiting(vault)
}

/// The key bag as the vault has it.
///
/// # Errors
/// [`VaultError`].
pub fn bag(vault: &dyn Vault) -> Result<Standing, VaultError> {
    crate::bag::standing(vault)
}

/// The key bag at the node, against ledger and vault; nothing is written.
///
/// # Errors
/// [`BagError`].
pub fn bag_at_node(desk: &Desk<'_>, secrets: &PatientSecrets) -> Result<AtNode, BagError> {
    crate::bag::at_node(desk, secrets)
}
