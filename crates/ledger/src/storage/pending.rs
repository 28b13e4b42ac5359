//! A block that is built but not committed.

use base::{Digest, OperationId};
use serde_bytes::ByteBuf;

use crate::{
    block::{Block, Certificate, Head, Header},
    leaf::{Leaf, Outcome, Refusal},
    log,
    state::{Changes, StateHash},
    validators::ValidatorSet,
    verify::Checked,
};

/// What [`crate::Ledger::propose`] built: a header, its leaves, and everything that a
/// commit writes. It fits one head only; committing after another block is refused.
#[derive(Clone, Debug)]
pub struct Pending {
    pub(super) header: Header,
    /// Who decides the next height, if others than this one.
    pub(super) transition: Option<ValidatorSet>,
    pub(super) leaves: Vec<PendingLeaf>,
    pub(super) changes: Changes,
    pub(super) nodes: Vec<(u8, u64, Digest)>,
    pub(super) state_hash: StateHash,
    pub(super) fates: Vec<Result<Outcome, Refusal>>,
}

#[derive(Clone, Debug)]
pub(super) struct PendingLeaf {
    pub(super) id: OperationId,
    pub(super) outcome: Outcome,
    pub(super) bytes: Vec<u8>,
    pub(super) hash: Digest,
}

impl PendingLeaf {
    pub(super) fn new(operation: &Checked, outcome: Outcome) -> Self {
        let bytes = Leaf::splice(operation.bytes(), outcome);
        Self {
            id: operation.id(),
            outcome,
            hash: log::leaf_hash(&bytes),
            bytes,
        }
    }
}

impl Pending {
    /// The header that validators sign.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Operations in the block.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether nothing was taken in: such a block is not worth committing.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// What became of each operation that was given, in that order: its outcome, or why it
    /// leaves no leaf.
    pub fn fates(&self) -> &[Result<Outcome, Refusal>] {
        &self.fates
    }

    /// The block as another node receives it.
    pub fn to_block(&self, certificate: Certificate) -> Block {
        Block {
            head: Head {
                header: self.header.clone(),
                certificate,
            },
            leaves: self
                .leaves
                .iter()
                .map(|leaf| ByteBuf::from(leaf.bytes.clone()))
                .collect(),
        }
    }
}
