//! Replay: the state again from genesis and blocks alone, in memory, with every
//! signature, rule, root and hash checked. Protocol page: state is a pure function of
//! the log.

use base::{codec, genesis::Genesis};
use thiserror::Error;

use crate::{
    assemble::{Builder, Built},
    block::{Block, HeadError, Header},
    leaf::{Leaf, Outcome, Refusal},
    log::CompactRange,
    state::{self, Fault, Memory, StateHash, write_genesis},
    validators::Validators,
    verify,
};

/// A ledger rebuilt block by block.
pub struct Replay {
    validators: Validators,
    header: Header,
    log: CompactRange,
    state: Memory,
    state_hash: StateHash,
}

impl Replay {
    /// At height 0.
    pub fn new(genesis: &Genesis) -> Self {
        let mut state = Memory::default();
        state.write(&write_genesis(genesis));
        Self {
            validators: Validators::of(genesis),
            header: Header::genesis(genesis),
            log: CompactRange::new(),
            state,
            state_hash: state::genesis_hash(genesis),
        }
    }

    /// Checks and applies the next block.
    ///
    /// # Errors
    /// [`ReplayFault`] names the first thing that does not hold; the replay then stands at
    /// the block before.
    pub fn push(&mut self, block: &Block) -> Result<(), ReplayFault> {
        self.push_and_tell(block).map(drop)
    }

    /// [`Self::push`]; what the block changed.
    pub(crate) fn push_and_tell(&mut self, block: &Block) -> Result<state::Changes, ReplayFault> {
        let head = block.head.clone().verify(&self.validators)?;
        let header = &head.header;
        self.follows(header)?;
        let leaves = block
            .leaves
            .iter()
            .map(|bytes| codec::decode::<Leaf>(bytes))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ReplayFault::Leaf(error.to_string()))?;
        let (built, log) = self.apply(header, &leaves, block)?;
        let changes = built.changes;
        let mut state_hash = self.state_hash.clone();
        changes.update(&mut state_hash);
        if log.size() != header.tree_size || log.root() != header.tree_root {
            return Err(ReplayFault::Root(header.height));
        }
        if state_hash.digest() != header.state_hash {
            return Err(ReplayFault::State(header.height));
        }
        if built.next != header.next_validators {
            return Err(ReplayFault::Validators(header.height));
        }
        if let Some(set) = built.transition {
            self.validators.push(header.height + 1, set);
        }
        self.state.write(&changes);
        self.state_hash = state_hash;
        self.log = log;
        self.header = header.clone();
        Ok(changes)
    }

    fn follows(&self, header: &Header) -> Result<(), ReplayFault> {
        let next = header.height == self.header.height + 1
            && header.previous == Some(self.header.cid())
            && header.first_leaf == self.header.tree_size
            && header.time > self.header.time;
        next.then_some(())
            .ok_or(ReplayFault::NotNext(header.height))
    }

    fn apply(
        &self,
        header: &Header,
        leaves: &[Leaf],
        block: &Block,
    ) -> Result<(Built, CompactRange), ReplayFault> {
        let operations = leaves
            .iter()
            .map(|leaf| leaf.operation.to_bytes().0)
            .collect();
        let checked = verify::check_batch(operations, self.header.chain, &self.state)?;
        let mut builder = Builder::new(
            (self.validators.since(), self.validators.newest()),
            &self.state,
            &self.header,
            (header.time, header.into()),
            leaves.len(),
        );
        let mut log = self.log.clone();
        for ((leaf, checked), bytes) in leaves.iter().zip(checked).zip(&block.leaves) {
            let index = log.size();
            let refused = |refusal| ReplayFault::Refused { index, refusal };
            let outcome = builder
                .take(&checked.map_err(refused)?, index)?
                .map_err(refused)?;
            if outcome != leaf.outcome {
                return Err(ReplayFault::Outcome {
                    index,
                    logged: leaf.outcome,
                    found: outcome,
                });
            }
            log.append(bytes);
        }
        Ok((builder.finish()?, log))
    }

    /// The last header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Everybody who decided, up to the height after the last.
    pub fn validators(&self) -> &Validators {
        &self.validators
    }

    /// The hash of the state.
    pub fn state_hash(&self) -> &StateHash {
        &self.state_hash
    }

    /// The state itself.
    pub fn state(&self) -> &Memory {
        &self.state
    }
}

/// Replays blocks from height 1 on.
///
/// # Errors
/// [`ReplayFault`].
pub fn replay<'a>(
    genesis: &Genesis,
    blocks: impl IntoIterator<Item = &'a Block>,
) -> Result<Replay, ReplayFault> {
    let mut replay = Replay::new(genesis);
    for block in blocks {
        replay.push(block)?;
    }
    Ok(replay)
}

/// Why a log does not replay.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplayFault {
    /// A block is not certified.
    #[error("certificate: {0}")]
    Head(#[from] HeadError),
    /// A block does not follow the one before.
    #[error("block {0} does not follow the one before it")]
    NotNext(u64),
    /// Bytes that are no leaf.
    #[error("leaf: {0}")]
    Leaf(String),
    /// An operation that may not be in the log.
    #[error("operation at index {index} may not be in the log: {refusal}")]
    Refused {
        /// Its index.
        index: u64,
        /// Why.
        refusal: Refusal,
    },
    /// An outcome that the rules do not give.
    #[error("operation at index {index} is logged as {logged:?}, the rules say {found:?}")]
    Outcome {
        /// Its index.
        index: u64,
        /// What the log says.
        logged: Outcome,
        /// What the rules say.
        found: Outcome,
    },
    /// The leaves do not give the root in the header.
    #[error("the leaves of block {0} do not give its tree root")]
    Root(u64),
    /// The state does not have the hash in the header.
    #[error("the state after block {0} does not have the hash in its header")]
    State(u64),
    /// The header names others for the next height than the rules give.
    #[error("block {0} hands over to other validators than the rules give")]
    Validators(u64),
    /// The state cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}
