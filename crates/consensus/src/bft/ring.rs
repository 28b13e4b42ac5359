//! The keys that a node can sign with. Which one it signs with is the ledger's to say: the one
//! that its seat names at a height, for a key that was rotated signs from the next height on.

use base::{
    AccountId,
    key::{OperationKey, OperationSecret},
};
use ledger::Ledger;
use std::sync::{Arc, PoisonError, RwLock};

/// A node's account with its keys: the one in use, and others that come before or after it.
#[derive(Clone)]
pub(super) struct Ring {
    pub(super) account: AccountId,
    ledger: Arc<Ledger>,
    secrets: Arc<RwLock<Vec<OperationSecret>>>,
}

impl Ring {
    pub(super) fn new(
        account: AccountId,
        ledger: Arc<Ledger>,
        secrets: Vec<OperationSecret>,
    ) -> Self {
        Self {
            account,
            ledger,
            secrets: Arc::new(RwLock::new(secrets)),
        }
    }

    pub(super) fn add(&self, secret: OperationSecret) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        if secrets
            .iter()
            .all(|known| known.public() != secret.public())
        {
            secrets.push(secret);
        }
    }

    /// The secret half of a key, if it is here.
    pub(super) fn secret(&self, key: &OperationKey) -> Option<OperationSecret> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        secrets
            .iter()
            .find(|secret| secret.public() == *key)
            .cloned()
    }

    /// What the node signs with as a validator of `height`; none where it is none, or lacks
    /// the key.
    pub(super) fn at(&self, height: u64) -> Option<OperationSecret> {
        let key = self.ledger.validators().at(height).key(self.account)?;
        self.secret(&key)
    }

    /// Whether it is a validator after the newest block, and has the key for it.
    pub(super) fn is_missing(&self) -> bool {
        let key = self.ledger.validators().newest().key(self.account);
        key.is_some_and(|key| self.secret(&key).is_none())
    }
}
