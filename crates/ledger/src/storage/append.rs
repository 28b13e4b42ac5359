//! Blocks of other nodes: checked, executed again, committed.
//!
//! Protocol page, "The log": state is a pure function of the log. A follower takes nothing
//! from a block but its operations, its time and its proposer; the rest it works out
//! itself, and what it finds must be what the validators signed, to the last bit.

use base::codec;
use serde_bytes::ByteBuf;

use super::{
    error::{AppendError, BlockFault, ProposeError},
    ledger::Ledger,
    view::View,
};
use crate::{
    block::{Block, Header},
    leaf::Leaf,
    log::{self, Appender},
    receipt::Receipt,
    state::Fault,
    verify::{Checked, check_batch},
};

impl Ledger {
    /// Appends the next block as another node hands it over: its certificate is verified,
    /// its operations are executed again on the state before it, and roots, outcomes and
    /// state hash must be equal. Durable when this returns; receipts are in log order.
    ///
    /// # Errors
    /// [`AppendError`]. Only [`AppendError::Certified`] is the validators' fault; the leaves
    /// are compared with the signed root before anything is held against them.
    pub fn append(&self, block: &Block) -> Result<Vec<Receipt>, AppendError> {
        let head = block.head.clone().verify(&self.validators())?;
        let header = &head.header;
        let view = self.view()?;
        let before = view.head()?.header;
        if header.height != before.height + 1 {
            return Err(AppendError::NotNext {
                expected: before.height + 1,
                found: header.height,
            });
        }
        let certified = |fault| AppendError::Certified {
            height: header.height,
            fault,
        };
        follows(&before, header).map_err(certified)?;
        if !view.are_leaves_of(header, &block.leaves)? {
            return Err(AppendError::Root(header.height));
        }
        let leaves = leaves(block).map_err(certified)?;
        let operations = check(&view, &leaves, header)?.map_err(certified)?;
        drop(view);
        let pending =
            self.propose(operations, header.time, header)
                .map_err(|error| match error {
                    ProposeError::Time { .. } => certified(BlockFault::Sequence),
                    ProposeError::Fault(fault) => fault.into(),
                })?;
        for ((index, leaf), fate) in (header.first_leaf..).zip(&leaves).zip(pending.fates()) {
            let found = fate
                .clone()
                .map_err(|refusal| certified(BlockFault::Refused { index, refusal }))?;
            if found != leaf.outcome {
                let logged = leaf.outcome;
                return Err(certified(BlockFault::Outcome {
                    index,
                    logged,
                    found,
                }));
            }
        }
        if pending.header().next_validators != header.next_validators {
            return Err(certified(BlockFault::Validators));
        }
        // Of equal operations, outcomes and place only the state can still differ.
        if pending.header() != header {
            return Err(certified(BlockFault::State));
        }
        Ok(self.commit(pending, block.head.certificate.clone())?)
    }
}

fn follows(before: &Header, header: &Header) -> Result<(), BlockFault> {
    if header.previous != Some(before.cid()) {
        return Err(BlockFault::Fork(before.height));
    }
    if header.first_leaf != before.tree_size || header.time <= before.time {
        return Err(BlockFault::Sequence);
    }
    Ok(())
}

impl View {
    /// Whether these leaves, put after those of this snapshot, are the very ones that a
    /// header's root is of. Anybody can put other leaves under a header; what they break is
    /// not to be held against who made it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn are_leaves_of(&self, header: &Header, leaves: &[ByteBuf]) -> Result<bool, Fault> {
        let before = self.head()?.header.tree_size;
        let mut tree = Appender::resume(self.snapshot(), before)?;
        for bytes in leaves {
            tree.append(log::leaf_hash(bytes));
        }
        Ok(tree.size() == header.tree_size && tree.root() == header.tree_root)
    }
}

fn leaves(block: &Block) -> Result<Vec<Leaf>, BlockFault> {
    (block.head.header.first_leaf..)
        .zip(&block.leaves)
        .map(|(index, bytes)| {
            codec::decode(bytes).map_err(|error| BlockFault::Leaf {
                index,
                reason: error.to_string(),
            })
        })
        .collect()
}

/// The operations with their signatures checked; inside, the first that may not be there.
fn check(
    view: &View,
    leaves: &[Leaf],
    header: &Header,
) -> Result<Result<Vec<Checked>, BlockFault>, AppendError> {
    let bytes = leaves
        .iter()
        .map(|leaf| leaf.operation.to_bytes().0)
        .collect();
    let checked = check_batch(bytes, header.chain, view)?;
    Ok((header.first_leaf..)
        .zip(checked)
        .map(|(index, checked)| checked.map_err(|refusal| BlockFault::Refused { index, refusal }))
        .collect())
}
