//! Deny and revoke, by the patient; and what agents and requesters destroy afterwards.
//!
//! Source: protocol page, "Sharing", row "deny / revoke". What was read stays read.

use base::{
    Action, Millis, OperationId,
    operation::{Deny, Revoke},
};
use ledger::VerifiedHead;
use thiserror::Error;

use crate::{
    desk::{Desk, SendError, Sent},
    follow::{self, FollowError},
    vault::{self, Table, VaultError},
};

/// Denies a request.
///
/// # Errors
/// [`SendError`].
pub fn deny(desk: &Desk<'_>, request: OperationId) -> Result<Sent, SendError> {
    desk.send(Deny { request })
}

/// Ends a grant now.
///
/// # Errors
/// [`SendError`].
pub fn revoke(desk: &Desk<'_>, grant: OperationId) -> Result<Sent, SendError> {
    desk.send(Revoke { grant })
}

/// Destroys every key that this agent or requester holds under grants that are revoked in
/// the log, or expired at `now` by their proven terms. Returns how many grants went. Keys do
/// not come back, so a node's word is not enough: what cannot be proven now stays. Where the
/// ledger cannot be followed, what was seen revoked before goes all the same.
///
/// # Errors
/// [`TidyError`].
pub fn tidy(desk: &Desk<'_>, now: Millis) -> Result<usize, TidyError> {
    let head = follow::advance(desk);
    let mut gone = 0;
    for grant in held_grants(desk)? {
        let ended = head
            .as_ref()
            .is_ok_and(|head| has_expired(desk, head, grant, now));
        if ended || follow::is_revoked(desk, grant)? {
            destroy(desk, grant)?;
            gone += 1;
        }
    }
    head?;
    Ok(gone)
}

/// Whether the patient's own operation proves that `grant` is over at `now`.
fn has_expired(desk: &Desk<'_>, head: &VerifiedHead, grant: OperationId, now: Millis) -> bool {
    let proven = desk.proven(head, grant).map(|operation| operation.action);
    matches!(proven, Ok(Action::Authorize(authorize)) if authorize.terms.expires <= now)
}

/// Destroys what this party holds under one grant.
pub(crate) fn destroy(desk: &Desk<'_>, grant: OperationId) -> Result<(), VaultError> {
    let prefix = grant.0.to_bytes();
    for table in [Table::Reencryption, Table::Grants, Table::Released] {
        let entries = desk.vault.list(table)?;
        let changes: Vec<vault::Change<'_>> = entries
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, _)| (table, key.as_slice(), None))
            .collect();
        desk.vault.apply(&changes)?;
    }
    Ok(())
}

fn held_grants(desk: &Desk<'_>) -> Result<Vec<OperationId>, VaultError> {
    let mut grants = Vec::new();
    for table in [Table::Reencryption, Table::Grants] {
        for (key, _) in desk.vault.list(table)? {
            let name = key.len().checked_sub(32).and_then(|at| key.get(..at));
            let grant = name.and_then(|bytes| base::Cid::try_from(bytes).ok());
            grants.extend(grant.map(OperationId));
        }
    }
    grants.sort_unstable();
    grants.dedup();
    Ok(grants)
}

/// Why ended grants may still have keys here.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TidyError {
    /// The ledger cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The vault did not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
