//! What an anchor says of a ledger.

use base::{ChainId, Digest, codec};
use ledger::{Fault, Header, View};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Chain,
    subject::{Subject, Wish},
};

/// A head of the ledger, as an anchor commits to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The ledger.
    pub ledger: ChainId,
    /// RFC 9162 root of its log.
    pub root: Digest,
    /// Leaves under that root.
    pub size: u64,
    /// Height of the block that ends there.
    pub height: u64,
    /// SHA2-256 of that block's header in canonical bytes: binds its time and state, too.
    pub head: Digest,
}

impl Checkpoint {
    /// What an anchor of this head says.
    pub fn of(header: &Header) -> Self {
        Self {
            ledger: header.chain,
            root: header.tree_root,
            size: header.tree_size,
            height: header.height,
            head: Digest::of(&codec::encode(header)),
        }
    }

    /// As much of it as every chain has room for.
    pub fn mark(&self) -> Mark {
        let (ledger, _) = self.ledger.0.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let (head, _) = self.head.0.split_first_chunk().unwrap_or((&[0; 28], &[]));
        Mark {
            ledger: *ledger,
            root: self.root,
            size: self.size,
            height: self.height,
            head: *head,
        }
    }
}

impl Subject for Checkpoint {
    type Mark = Mark;
    const AT_ONCE: usize = 1;

    fn lane(chain: Chain) -> &'static str {
        chain.name()
    }

    fn covers(&self) -> u64 {
        self.size
    }

    fn covered(mark: &Mark) -> u64 {
        mark.size
    }

    fn mark(&self) -> Mark {
        Self::mark(self)
    }

    fn digest(&self) -> Digest {
        self.root
    }

    fn due(view: &View, wish: &mut Wish<'_>) -> Result<Option<Self>, Fault> {
        let head = view.head()?.header;
        let fresh = head.tree_size.saturating_sub(wish.from);
        let schedule = wish.schedule;
        let due = fresh >= schedule.count || wish.waited >= schedule.every;
        Ok((fresh > 0 && due).then(|| Self::of(&head)))
    }

    fn in_place_of(view: &View, mark: &Mark) -> Result<Option<Self>, Fault> {
        let head = view.head_at(mark.height)?;
        Ok(head.map(|head| Self::of(&head.header)))
    }

    /// A contract takes what is newer, whatever was said before.
    fn passes(&self, mark: &Mark) -> bool {
        self.size > mark.size && self.height > mark.height
    }
}

/// A checkpoint with its hashes shortened where they need not be whole: two heads with one
/// mark take about 2^112 hashes of their maker, and no ledger has both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// First bytes of the ledger's id: to be found by; `head` binds the id.
    pub ledger: [u8; 4],
    /// RFC 9162 root of its log.
    pub root: Digest,
    /// Leaves under that root.
    pub size: u64,
    /// Height of the block that ends there.
    pub height: u64,
    /// First bytes of the SHA2-256 of that block's header.
    pub head: [u8; 28],
}
