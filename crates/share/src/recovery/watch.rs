//! What the log says about recoveries that concern a party: of its own account, of those
//! whose shares it holds, of the one that it claims. Noted while the log is followed, so
//! that no node can hide a recovery or an objection.

use base::{AccountId, Action, OperationId, SignedOperation, codec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::{claim, letters::ShareLetter};
use crate::{
    desk::Desk,
    vault::{self, Table, VaultError},
};

/// The newest recovery of an account, as the log has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// The `Recover` operation.
    pub recover: OperationId,
    /// The `Object` operation that ended it.
    pub objected: Option<OperationId>,
    /// The `CompleteRecovery` operation that put its key into force.
    pub completed: Option<OperationId>,
}

impl Watched {
    /// Whether it has not ended yet.
    pub fn waits(&self) -> bool {
        self.objected.is_none() && self.completed.is_none()
    }
}

/// The newest recovery of `account` that this party has seen in the log.
///
/// # Errors
/// [`VaultError`].
pub fn watched(desk: &Desk<'_>, account: AccountId) -> Result<Option<Watched>, VaultError> {
    vault::load(desk.vault, Table::Recoveries, &account.0)
}

/// An operation about an account's guardians.
struct Guarded {
    /// Its number among the account's.
    number: u64,
    /// Whether the share that is kept is another one's: it is of no use any more.
    ends: bool,
}

/// What a stretch of the log brings.
pub(crate) struct Watch {
    accounts: BTreeSet<AccountId>,
    seen: BTreeMap<AccountId, Watched>,
    /// The newest `Guard` or `Unguard` of accounts that named this party a guardian.
    guarded: BTreeMap<AccountId, Guarded>,
}

impl Watch {
    pub(crate) fn new(desk: &Desk<'_>) -> Result<Self, VaultError> {
        let mut accounts = BTreeSet::from([desk.party.account]);
        accounts.extend(claim::account(desk)?);
        for table in [Table::Shares, Table::Guarded] {
            for (key, _) in desk.vault.list(table)? {
                accounts.extend(key.try_into().ok().map(AccountId));
            }
        }
        let mut seen = BTreeMap::new();
        for account in &accounts {
            seen.extend(watched(desk, *account)?.map(|watched| (*account, watched)));
        }
        Ok(Self {
            accounts,
            seen,
            guarded: BTreeMap::new(),
        })
    }

    /// Looks at an operation that took effect.
    pub(crate) fn note(
        &mut self,
        desk: &Desk<'_>,
        signed: &SignedOperation,
    ) -> Result<(), VaultError> {
        let operation = &signed.body;
        match &operation.action {
            Action::Recover(recover) if self.accounts.contains(&recover.account) => {
                let watched = Watched {
                    recover: signed.to_bytes().1,
                    objected: None,
                    completed: None,
                };
                self.seen.insert(recover.account, watched);
            }
            Action::Object(object) => {
                let named = self.seen.values_mut();
                for watched in named.filter(|watched| watched.recover == object.recovery) {
                    watched.objected = Some(signed.to_bytes().1);
                }
            }
            Action::CompleteRecovery(complete) => {
                let named = self.seen.get_mut(&complete.account);
                if let Some(watched) = named.filter(|watched| watched.recover == complete.recovery)
                {
                    watched.completed = Some(signed.to_bytes().1);
                }
            }
            Action::Guard(_) | Action::Unguard(_) if self.accounts.contains(&operation.account) => {
                let owner = operation.account;
                let held: Option<ShareLetter> = vault::load(desk.vault, Table::Shares, &owner.0)?;
                let guarded = Guarded {
                    number: operation.sequence,
                    ends: held.is_some_and(|held| held.guard != signed.to_bytes().1),
                };
                self.guarded.insert(owner, guarded);
            }
            _ => {}
        }
        Ok(())
    }

    /// What is to be changed in the vault: table, key, value.
    pub(crate) fn changes(self) -> Vec<(Table, Vec<u8>, Option<Vec<u8>>)> {
        let seen = self.seen.into_iter().map(|(account, watched)| {
            let value = codec::encode(&watched);
            (Table::Recoveries, account.0.to_vec(), Some(value))
        });
        let guarded = self.guarded.into_iter().flat_map(|(owner, guarded)| {
            let owner = owner.0.to_vec();
            let number = (
                Table::Guarded,
                owner.clone(),
                Some(codec::encode(&guarded.number)),
            );
            let ended = guarded.ends.then_some((Table::Shares, owner, None));
            std::iter::once(number).chain(ended)
        });
        seen.chain(guarded).collect()
    }
}
