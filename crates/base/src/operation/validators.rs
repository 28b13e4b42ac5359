//! Who validates: applications, departures, and proofs against validators.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Digest, key::Signature};

/// By an account of role node that joined an admitted institution: asks to be a validator.
/// A proposal without a vote of its own; votes are [`super::Vote`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {}

/// By a validator: it is none from the next block on. The last one stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {}

/// By a validator: proposes that another be none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expel {
    /// Which one.
    pub validator: AccountId,
}

/// By anybody: proof that a validator said two things of which it may say one. Punished once
/// for a validator and height.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoubleSign {
    /// Who.
    pub validator: AccountId,
    /// For which height, from 1.
    pub height: u64,
    /// And round.
    pub round: u32,
    /// Both words: of one kind, about different blocks, the smaller first.
    pub words: [SignedWord; 2],
}

/// A word with the signature of the validator's key of that height.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedWord {
    /// What was said.
    pub word: Word,
    /// Over the statement that the ledger makes of word, chain, height and round.
    pub signature: Signature,
}

/// What a validator says in a round. A block is named by the SHA2-256 of its header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Would accept the block, or none.
    Prevote(Option<Digest>),
    /// Decides for the block, or for none.
    Precommit(Option<Digest>),
    /// Chooses a block, as its turn allows.
    Proposal {
        /// The block.
        block: Digest,
        /// The round in which more than two thirds would accept it.
        valid_round: Option<u32>,
    },
}

impl Word {
    /// The block.
    pub const fn block(&self) -> Option<Digest> {
        match self {
            Self::Prevote(block) | Self::Precommit(block) => *block,
            Self::Proposal { block, .. } => Some(*block),
        }
    }

    /// Whether a validator may say only one of both in a round: words of one kind about
    /// different blocks.
    pub fn contradicts(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && self.block() != other.block()
    }
}
