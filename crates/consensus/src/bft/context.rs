//! The engine's vocabulary in terms of ours: a height is a block's, an address an account,
//! and what is voted on is the hash of a block's header. The block itself travels beside, in
//! parts ([`super::stream`]).

use base::{AccountId, ChainId, Cid, Statement, cid};
use ledger::{Head, Header};
use malachite::app::types::core as engine;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::fmt;

use super::{
    signing::Scheme,
    validators::{Validator, Validators},
};
use engine::{NilOrVal, Round, SignedExtension, VoteType};

/// One ledger, as the engine sees it.
#[derive(Clone, Debug)]
pub(super) struct Chain;

impl engine::Context for Chain {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Timeouts = engine::LinearTimeouts;
    type Value = BlockId;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Scheme;

    fn select_proposer<'a>(
        &self,
        validators: &'a Validators,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validators.proposer(height.0, round.as_u32().unwrap_or_default())
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: BlockId,
        pol_round: Round,
        address: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            pol_round,
            address,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        address: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height,
            round,
            value,
            address,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        address: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height,
            round,
            value,
            address,
        }
    }
}

/// Blocks before a block.
#[derive(
    Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize,
)]
pub(super) struct Height(pub(super) u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl engine::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A validator's account.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(super) struct Address(pub(super) AccountId);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl engine::Address for Address {}

/// What is voted on: SHA2-256 of a header's canonical bytes, the inside of its CID.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(super) struct BlockId(pub(super) base::Digest);

impl BlockId {
    pub(super) fn of(header: &Header) -> Self {
        // A header's CID is always made with SHA2-256.
        Self(base::Digest(
            cid::sha256_digest(&header.cid()).unwrap_or_default(),
        ))
    }

    pub(super) fn cid(self) -> Cid {
        cid::of_digest(cid::DAG_CBOR, self.0.0)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl engine::Value for BlockId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// A proposer's choice of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Proposal {
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) value: BlockId,
    pub(super) pol_round: Round,
    pub(super) address: Address,
}

impl Proposal {
    /// Who, for which height and round.
    pub(super) fn place(&self) -> (AccountId, u64, Option<u32>) {
        (self.address.0, self.height.0, self.round.as_u32())
    }
}

impl engine::Proposal<Chain> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockId {
        &self.value
    }

    fn take_value(self) -> BlockId {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

/// A vote. Votes carry no extension.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Vote {
    pub(super) kind: VoteType,
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) value: NilOrVal<BlockId>,
    pub(super) address: Address,
}

impl Vote {
    /// Who, for which height and round.
    pub(super) fn place(&self) -> (AccountId, u64, Option<u32>) {
        (self.address.0, self.height.0, self.round.as_u32())
    }
}

impl engine::Vote<Chain> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<Chain>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Chain>> {
        None
    }

    fn extend(self, _: SignedExtension<Chain>) -> Self {
        self
    }
}

/// What travels between nodes besides votes: parts of blocks, and, in streams of one part,
/// operations and words on how far a ledger is. Nothing in it is trusted: the first part of a
/// block, operations and tips carry signatures, and a block is compared with its hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Part {
    /// The first part of a block.
    Block(base::Signed<Start>),
    /// A piece of the block's bytes, in order.
    Piece(ByteBuf),
    /// Signed operations that wait to be ordered.
    Operations(Vec<ByteBuf>),
    /// A validator's newest head.
    Tip(Box<Tip>),
}

/// Which block the pieces that follow give, for which round it is sent, and by whom.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    pub(super) chain: ChainId,
    /// The validator that sends it.
    pub(super) account: AccountId,
    pub(super) block: base::Digest,
    pub(super) height: u64,
    pub(super) round: u32,
    /// The round in which it was shown to be acceptable before.
    pub(super) valid_round: Option<u32>,
    /// Bytes of all pieces.
    pub(super) length: u64,
}

impl Statement for Start {
    const DOMAIN: &'static str = base::domain::STREAM;
}

/// A head and who shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tip {
    pub(super) head: Head,
    pub(super) word: base::Signed<TipWord>,
}

/// "My ledger is this high now."
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TipWord {
    pub(super) chain: ChainId,
    pub(super) account: AccountId,
    pub(super) height: u64,
    pub(super) header: Cid,
}

impl Statement for TipWord {
    const DOMAIN: &'static str = base::domain::TIP;
}

impl engine::ProposalPart<Chain> for Part {
    fn is_first(&self) -> bool {
        !matches!(self, Self::Piece(_))
    }

    fn is_last(&self) -> bool {
        matches!(self, Self::Operations(_) | Self::Tip(_))
    }
}
