//! Receipts: what a sender gets back once its operation is durable. Self-contained, so
//! that an agent can check it before it releases anything (protocol page, "Log before
//! release").

use base::{Digest, OperationId, SignedOperation};
use serde::{Deserialize, Serialize};
use std::ops::Deref;
use thiserror::Error;

use crate::{
    block::{Head, HeadError, VerifiedHead},
    leaf::{Leaf, Outcome},
    log::{self, InclusionProof, ProofError},
    validators::Validators,
};

/// Proof that an operation is in the log with this outcome, unchecked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The operation.
    pub id: OperationId,
    /// Its index in the log.
    pub index: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// RFC 9162 hash of the leaf.
    pub leaf: Digest,
    /// From the leaf to `head`'s root.
    pub inclusion: InclusionProof,
    /// The block that holds the operation, or a later one ([`VerifiedReceipt::is_of_its_block`]).
    pub head: Head,
}

impl Receipt {
    /// Checks certificate, proof and that it is about `operation`.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(
        self,
        validators: &Validators,
        operation: &SignedOperation,
    ) -> Result<VerifiedReceipt, ReceiptError> {
        let (bytes, id) = operation.to_bytes();
        let leaf = log::leaf_hash(&Leaf::splice(&bytes, self.outcome));
        if id != self.id || leaf != self.leaf || self.index != self.inclusion.index {
            return Err(ReceiptError::OtherOperation);
        }
        let head = self.head.clone().verify(validators)?;
        if self.inclusion.tree_size != head.header.tree_size {
            return Err(ReceiptError::Proof(ProofError::Shape));
        }
        self.inclusion.verify_hash(leaf, &head.header.tree_root)?;
        Ok(VerifiedReceipt {
            receipt: self,
            head,
        })
    }
}

/// A receipt whose proof and certificate were checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedReceipt {
    receipt: Receipt,
    head: VerifiedHead,
}

impl VerifiedReceipt {
    /// The head that the proof ends in.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }

    /// Whether the head is that of the very block that holds the operation, so that its
    /// height and time are the operation's own.
    pub fn is_of_its_block(&self) -> bool {
        let header = &self.head.header;
        (header.first_leaf..header.tree_size).contains(&self.index)
    }

    /// The receipt.
    pub fn into_receipt(self) -> Receipt {
        self.receipt
    }
}

impl Deref for VerifiedReceipt {
    type Target = Receipt;
    fn deref(&self) -> &Receipt {
        &self.receipt
    }
}

/// Why a receipt is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is about another operation, outcome or index.
    #[error("the receipt is about another operation or outcome")]
    OtherOperation,
    /// The block is not certified.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The inclusion proof does not hold.
    #[error("inclusion proof: {0}")]
    Proof(#[from] ProofError),
}
