//! How a block breaks a rule. Those of another time or round are refused as they are, the torn
//! because their leaves are not the header's, and all others once they are executed.

use base::{Digest, codec, key::Signature};
use ledger::{CompactRange, Failure, Header, Leaf, Outcome};
use serde_bytes::ByteBuf;
use std::num::NonZeroU32;

use super::Liar;
use crate::bft::proposed::Proposed;

/// A block on its way to be wrong.
pub(super) struct Draft<'a> {
    header: Header,
    leaves: Vec<ByteBuf>,
    /// The last decided block's.
    last: &'a Header,
    /// Of the leaves before.
    tree: &'a CompactRange,
}

/// Its name, and what it does; none where the block has nothing to do it to.
pub(super) type Flaw = (&'static str, fn(&mut Draft<'_>) -> Option<()>);

pub(super) const FLAWS: [Flaw; 12] = [
    ("another state", |draft| {
        draft.header.state_hash = NONE;
        Some(())
    }),
    ("another root (torn)", |draft| {
        draft.header.tree_root = NONE;
        Some(())
    }),
    ("ten minutes ahead", |draft| {
        draft.header.time = draft.header.time.plus(600_000);
        Some(())
    }),
    ("another first leaf", |draft| {
        draft.header.first_leaf += 1;
        Some(())
    }),
    ("after another block", |draft| {
        draft.header.previous = draft.last.previous;
        Some(())
    }),
    ("a leaf too many (torn)", |draft| {
        draft.leaves.push(ByteBuf::from(vec![0xff; 100]));
        Some(())
    }),
    ("a leaf that is none", |draft| {
        draft.leaves.push(ByteBuf::from(vec![0xff; 100]));
        draft.root()
    }),
    ("no later than the last", |draft| {
        draft.header.time = draft.last.time;
        Some(())
    }),
    ("of another round", |draft| {
        draft.header.round = NonZeroU32::new(draft.header.round() + 1);
        Some(())
    }),
    ("another outcome", |draft| {
        let mut leaf = draft.last_leaf()?;
        leaf.outcome = match leaf.outcome {
            Outcome::Ok => Outcome::Failed(Failure::NoGrant),
            Outcome::Failed(_) => Outcome::Ok,
        };
        draft.put(&leaf)
    }),
    ("a forged operation", |draft| {
        let mut leaf = draft.last_leaf()?;
        let Signature(bytes) = &mut leaf.operation.signature;
        bytes[5] ^= 1;
        draft.put(&leaf)
    }),
    ("an operation twice", |draft| {
        let again = draft.leaves.first()?.clone();
        draft.leaves.push(again);
        draft.root()
    }),
];

impl Draft<'_> {
    fn last_leaf(&self) -> Option<Leaf> {
        codec::decode(self.leaves.last()?).ok()
    }

    /// In the last one's place.
    fn put(&mut self, leaf: &Leaf) -> Option<()> {
        *self.leaves.last_mut()? = ByteBuf::from(leaf.to_bytes());
        self.root()
    }

    /// The root that these leaves have.
    fn root(&mut self) -> Option<()> {
        let mut tree = self.tree.clone();
        self.leaves.iter().for_each(|leaf| tree.append(leaf));
        self.header.tree_size = tree.size();
        self.header.tree_root = tree.root();
        Some(())
    }
}

impl Liar {
    /// The block as the flaw whose turn it is makes it.
    pub(super) fn spoil(&mut self, good: &Proposed) -> Option<(&'static str, Proposed)> {
        self.grow(good.header.first_leaf)?;
        let last = self.app.shared.ledger.view().ok()?.head().ok()?.header;
        let mut draft = Draft {
            header: good.header.clone(),
            leaves: good.leaves().to_vec(),
            last: &last,
            tree: &self.tree,
        };
        let (how, spoil) = FLAWS[self.count % FLAWS.len()];
        spoil(&mut draft)?;
        Some((how, Proposed::of(draft.header, draft.leaves)))
    }

    /// The tree of the ledger's first leaves.
    fn grow(&mut self, size: u64) -> Option<()> {
        let view = self.app.shared.ledger.view().ok()?;
        while self.tree.size() < size {
            let page = view.leaves(self.tree.size(), 1_000).ok()?;
            page.first()?;
            page.iter()
                .for_each(|leaf| self.tree.append(&leaf.to_bytes()));
        }
        Some(())
    }
}

const NONE: Digest = Digest([9; 32]);
