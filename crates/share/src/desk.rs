//! A party at work: its keys, its node, its vault, and the ledger it believes.
//!
//! Every operation goes out here: signed with the next sequence number, its receipt
//! checked (certificate, inclusion, leaf) and its outcome looked at, since inclusion is
//! not permission.

use base::{
    AccountId, Action, Cid, Digest, Millis, Operation, OperationId, RecordId, Signed,
    SignedOperation,
    key::{HpkeKey, OperationKey},
};
use ibpre::PublicParams;
use ledger::{
    Account, Failure, Header, Outcome, Receipt, Record, Refusal, StateInfo, VerifiedHead,
};
use thiserror::Error;

use crate::{
    Suite,
    follow::{self, FollowError},
    identity::Party,
    node::{Node, NodeError},
    trust::{Trust, TrustError},
    vault::{Vault, VaultError},
};

/// What every verb needs.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// Who acts.
    pub party: &'a Party,
    /// The node it speaks to.
    pub node: &'a dyn Node,
    /// Its own store.
    pub vault: &'a dyn Vault,
    /// The validators that it believes.
    pub trust: &'a Trust,
}

/// An operation that took effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Its id.
    pub id: OperationId,
    /// Its leaf.
    pub index: u64,
    /// Its block, certified.
    pub head: VerifiedHead,
}

impl Sent {
    /// Time of its block.
    pub fn time(&self) -> Millis {
        self.head.header.time
    }
}

impl Desk<'_> {
    /// Signs and sends an operation on which nothing hangs, and checks its receipt and
    /// outcome.
    ///
    /// # Errors
    /// [`SendError`]; only [`SendError::Failed`] has left a leaf.
    pub fn send(&self, action: impl Into<Action>) -> Result<Sent, SendError> {
        let action = action.into();
        let sequence = self.next_sequence()?;
        match self.submit(&self.sign(action.clone(), sequence)) {
            // another process of this party was faster
            Err(SendError::Node(NodeError::Refused(Refusal::WrongSequence {
                expected, ..
            }))) if expected != sequence => self.submit(&self.sign(action, expected)),
            other => other,
        }
    }

    pub(crate) fn next_sequence(&self) -> Result<u64, SendError> {
        Ok(self.node.sequence(self.party.account)? + 1)
    }

    pub(crate) fn sign(&self, action: Action, sequence: u64) -> SignedOperation {
        let operation = Operation {
            chain: self.party.chain,
            account: self.party.account,
            delegation: self.party.delegation,
            sequence,
            action,
        };
        Signed::new(operation, &self.party.operation)
    }

    pub(crate) fn submit(&self, signed: &SignedOperation) -> Result<Sent, SendError> {
        self.judge(self.node.submit(signed)?, signed)
    }

    /// What a receipt says about an operation of this party.
    pub(crate) fn judge(
        &self,
        receipt: Receipt,
        signed: &SignedOperation,
    ) -> Result<Sent, SendError> {
        let receipt = self
            .received(receipt, signed)
            .map_err(|error| match error {
                TrustError::Node(error) => error.into(),
                TrustError::Vault(error) => error.into(),
                other => SendError::BadReceipt(other.to_string()),
            })?;
        if !receipt.is_of_its_block() {
            return Err(SendError::BadReceipt("it is under a later block".into()));
        }
        match receipt.outcome {
            Outcome::Ok => Ok(Sent {
                id: receipt.id,
                index: receipt.index,
                head: receipt.head().clone(),
            }),
            Outcome::Failed(failure) => Err(SendError::Failed {
                action: signed.body.action.name(),
                failure,
            }),
        }
    }

    /// A logged operation that took effect, proven under `head`.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn proven(&self, head: &VerifiedHead, id: OperationId) -> Result<Operation, LookError> {
        Ok(self.proven_leaf(head, id)?.1.body)
    }

    fn proven_leaf(
        &self,
        head: &VerifiedHead,
        id: OperationId,
    ) -> Result<(u64, SignedOperation), LookError> {
        let missing = || LookError::Unknown("operation", id.to_string());
        let (index, leaf) = self.node.operation(id)?.ok_or_else(missing)?;
        let bytes = leaf.to_bytes();
        if leaf.operation.to_bytes().1 != id || !leaf.outcome.is_ok() {
            return Err(missing());
        }
        let proof = self.node.inclusion(index, head.header.tree_size)?;
        let placed = proof.index == index && proof.tree_size == head.header.tree_size;
        if !placed || proof.verify(&bytes, &head.header.tree_root).is_err() {
            return Err(LookError::NotProven);
        }
        Ok((index, leaf.operation))
    }

    /// The block of a logged operation that took effect: certified, and a part of the log
    /// under `head`. Height and time of an operation come from here alone.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn block_of(&self, head: &VerifiedHead, id: OperationId) -> Result<Header, LookError> {
        let (index, operation) = self.proven_leaf(head, id)?;
        let missing = || LookError::Unknown("operation", id.to_string());
        let receipt = self.node.receipt(id)?.ok_or_else(missing)?;
        let receipt = self
            .received(receipt, &operation)
            .map_err(|error| match error {
                TrustError::Node(error) => error.into(),
                TrustError::Vault(error) => LookError::Follow(Box::new(error.into())),
                _ => LookError::NotProven,
            })?;
        let (block, newest) = (&receipt.head().header, &head.header);
        let extended = block == newest || {
            let proof = self.node.consistency(block.tree_size, newest.tree_size)?;
            (proof.from, proof.to) == (block.tree_size, newest.tree_size)
                && block.height < newest.height
                && proof.verify(&block.tree_root, &newest.tree_root).is_ok()
        };
        if receipt.index != index || !receipt.is_of_its_block() || !extended {
            return Err(LookError::NotProven);
        }
        Ok(block.clone())
    }

    /// An account, which must exist, with the keys that its own operations in the log gave
    /// it: a node cannot slip in a key.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn account(&self, id: AccountId) -> Result<Account, LookError> {
        let unknown = || LookError::Unknown("account", id.to_string());
        let account = self.node.account(id)?.ok_or_else(unknown)?;
        let first = account
            .operation_keys
            .first()
            .map(|period| AccountId::of(&period.key));
        if account.id != id || first != Some(id) || !follow::keys_are_proven(self, &account)? {
            return Err(LookError::NotProven);
        }
        Ok(account)
    }

    /// The current operation key of an account.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn operation_key(&self, id: AccountId) -> Result<OperationKey, LookError> {
        self.account(id)?
            .operation_key()
            .ok_or(LookError::NotProven)
    }

    /// The current HPKE key of an account.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn hpke_key(&self, id: AccountId) -> Result<HpkeKey, LookError> {
        self.account(id).map(|account| account.hpke_key)
    }

    /// A record, which must exist.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn record(&self, id: RecordId) -> Result<Record, LookError> {
        let unknown = || LookError::Unknown("record", id.to_string());
        self.node.record(id)?.ok_or_else(unknown)
    }

    /// A patient's public key, checked against the pkh of her account.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn public_params(&self, patient: AccountId) -> Result<PublicParams<Suite>, LookError> {
        let not_a_patient = || LookError::Unknown("patient", patient.to_string());
        let keys = self.account(patient)?.patient.ok_or_else(not_a_patient)?;
        let bytes = self.node.read_block(&keys.h)?;
        let public = PublicParams::from_bytes(&bytes).map_err(|_| LookError::NotProven)?;
        if Digest(*public.pkh()) != keys.pkh {
            return Err(LookError::NotProven);
        }
        Ok(public)
    }

    /// A state of a record, which must exist.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn state(&self, record: RecordId, state: &Cid) -> Result<StateInfo, LookError> {
        let unknown = || LookError::Unknown("state", state.to_string());
        self.node.state(record, state)?.ok_or_else(unknown)
    }

    /// The state that its hospital published and that `state` re-wraps, or `state`
    /// itself if it is one: as the operations in the log say, height and time included.
    ///
    /// # Errors
    /// [`LookError`].
    pub fn published_state(&self, record: &Record, state: &Cid) -> Result<StateInfo, LookError> {
        let head = follow::advance(self).map_err(Box::new)?;
        let mut root = *state;
        for _ in 0..MAX_REWRAPS {
            let info = self.state(record.id, &root)?;
            let operation = self.proven(&head, info.by)?;
            let by_hospital = operation.account == record.hospital;
            let (about, after, before) = match operation.action {
                Action::Rewrap(rewrap) if (rewrap.record, rewrap.after) == (record.id, root) => {
                    root = rewrap.before;
                    continue;
                }
                Action::Publish(publish) if by_hospital && publish.patient == record.patient => {
                    (publish.record, publish.after, None)
                }
                Action::Modify(modify) if by_hospital => {
                    (modify.record, modify.after, Some(modify.before))
                }
                _ => return Err(LookError::NotProven),
            };
            if (about, after) != (record.id, root) {
                return Err(LookError::NotProven);
            }
            let block = self.block_of(&head, info.by)?;
            return Ok(StateInfo {
                record: record.id,
                state: root,
                before,
                height: block.height,
                time: block.time,
                ..info
            });
        }
        Err(LookError::NotProven)
    }
}

/// Why an operation did not take effect.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is in the log, and a rule did not hold.
    #[error("{action} failed: {failure}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// The rule.
        failure: Failure,
    },
    /// It was refused, or the node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node's receipt does not hold.
    #[error("the node's receipt does not hold: {0}")]
    BadReceipt(String),
    /// The ledger cannot be followed.
    #[error(transparent)]
    Follow(#[from] Box<FollowError>),
    /// The vault did not take what hangs on the operation.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl SendError {
    /// The rule that did not hold, if the operation is in the log.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed { failure, .. } => Some(*failure),
            _ => None,
        }
    }
}

/// Why something on the ledger is not taken as it is told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LookError {
    /// There is no such thing, or it is not this party's.
    #[error("unknown {0} {1}")]
    Unknown(&'static str, String),
    /// The ledger cannot be followed.
    #[error(transparent)]
    Follow(#[from] Box<FollowError>),
    /// The node's answer is not proven by the ledger.
    #[error("the node's answer does not match the ledger's certified head")]
    NotProven,
    /// The node did not answer.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// Re-wraps in a row that are followed back.
const MAX_REWRAPS: usize = 10_000;
