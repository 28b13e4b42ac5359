//! A single operation record, submitted by itself, as the paper's model does.

mod proof;

pub use proof::{RecordProof, Recorded};

use base::{ChainId, Digest};
use ledger::{Fault, Leaf, View, log::leaf_hash};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Chain,
    subject::{Subject, Wish},
};

/// A leaf of the log, by its hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The ledger.
    pub ledger: ChainId,
    /// Index of the leaf.
    pub index: u64,
    /// RFC 9162 hash of the leaf: operation and outcome.
    pub leaf: Digest,
}

impl Record {
    /// What is submitted of the leaf with these canonical bytes.
    pub fn of(ledger: ChainId, index: u64, leaf: &[u8]) -> Self {
        Self {
            ledger,
            index,
            leaf: leaf_hash(leaf),
        }
    }

    fn at(view: &View, index: u64) -> Result<Option<Self>, Fault> {
        let leaf = view.leaf(index)?;
        let of = |leaf: Leaf| Self::of(leaf.operation.body.chain, index, &leaf.to_bytes());
        Ok(leaf.map(of))
    }
}

impl Subject for Record {
    type Mark = Self;
    const AT_ONCE: usize = 128;

    fn lane(_: Chain) -> &'static str {
        "ethereum-records"
    }

    fn covers(&self) -> u64 {
        self.index.saturating_add(1) // the chain may show any index
    }

    fn covered(mark: &Self) -> u64 {
        mark.covers()
    }

    fn mark(&self) -> Self {
        *self
    }

    fn digest(&self) -> Digest {
        self.leaf
    }

    fn due(view: &View, wish: &mut Wish<'_>) -> Result<Option<Self>, Fault> {
        Self::at(view, wish.from)
    }

    fn in_place_of(view: &View, mark: &Self) -> Result<Option<Self>, Fault> {
        Self::at(view, mark.index)
    }

    fn passes(&self, _: &Self) -> bool {
        false
    }
}
