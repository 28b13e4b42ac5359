//! What every public chain does for the service: one small trait.
//!
//! A transaction is signed first and sent later, so that who sends it can make it durable in
//! between. All transactions of one anchor use one *slot* of the sending key (a nonce, an
//! output), or each is made when those before it are over: the chain takes at most one of them,
//! however often and in whichever order they are sent.

use base::{Digest, Millis};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

use crate::{
    bytes::Bytes,
    checkpoint::{Checkpoint, Mark},
    proof::Evidence,
    subject::Subject,
};

/// The public chains that anchors can stand in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// Ethereum, and every network that speaks as it does.
    Ethereum,
    /// Bitcoin, and its networks for tests.
    Bitcoin,
    /// EOS, and every network that speaks as it does (Antelope).
    Eos,
}

impl Chain {
    /// Every chain there is.
    pub const ALL: [Self; 3] = [Self::Ethereum, Self::Bitcoin, Self::Eos];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethereum => "ethereum",
            Self::Bitcoin => "bitcoin",
            Self::Eos => "eos",
        }
    }

    /// What costs and budgets are counted in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Ethereum => "gwei",
            Self::Bitcoin => "sat",
            Self::Eos => "µs",
        }
    }

    /// Whether this build can speak to it and check its proofs.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Ethereum => cfg!(feature = "ethereum"),
            Self::Bitcoin => cfg!(feature = "bitcoin"),
            Self::Eos => cfg!(feature = "eos"),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No chain has this name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no chain {0:?}; known: ethereum, bitcoin, eos")]
pub struct UnknownChain(String);

impl FromStr for Chain {
    type Err = UnknownChain;

    fn from_str(text: &str) -> Result<Self, UnknownChain> {
        let known = Self::ALL.into_iter().find(|chain| chain.name() == text);
        known.ok_or_else(|| UnknownChain(text.chars().take(40).collect()))
    }
}

/// A signed transaction that says something of the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Exactly what is sent.
    pub bytes: Bytes,
    /// Its name on the chain.
    pub id: Digest,
    /// The nonce of the key that it uses up; 0 where the bytes name the outputs that are; the
    /// last block that cannot hold it where a time ends it.
    pub slot: u64,
    /// Most that is paid for a unit of work: wei for a unit of gas, satoshi for 1,000 virtual
    /// bytes; where none is, the most units.
    pub fee: u64,
    /// The part of it that goes to who includes the transaction.
    pub tip: u64,
    /// Most that the transaction can cost, in [`Chain::unit`]s.
    pub most: u64,
    /// When it was signed.
    pub made: Millis,
}

/// Where a transaction stands in the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Hash of the block.
    pub block: Digest,
    /// Its height.
    pub number: u64,
    /// The transaction's index in it.
    pub transaction: u64,
}

/// What became of the attempts at saying one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The node does not know the newest: it must be sent again.
    Absent,
    /// It waits to be taken into a block.
    Waiting,
    /// One of them stands.
    Placed {
        /// Which.
        id: Digest,
        /// Where.
        place: Place,
        /// Blocks from there to the newest, both included.
        depth: u64,
        /// What it cost, in [`Chain::unit`]s.
        cost: u64,
    },
    /// None ever will: one was taken and refused by the contract, or what all of them
    /// use up was used by another transaction of the key.
    Void {
        /// Blocks since, both ends included.
        depth: u64,
        /// What it cost, in [`Chain::unit`]s.
        cost: u64,
        /// Whether the slot went to something that is not ours.
        foreign: bool,
    },
}

/// What the chain has of the ledger, whoever sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen<M = Mark> {
    /// What it says.
    pub mark: M,
    /// Where it stands; none while it waits to be taken into a block.
    pub place: Option<Place>,
    /// Blocks from there to the newest, both included.
    pub depth: u64,
}

/// A public chain, as a client of one of its nodes sees it. Calls wait for the network, with
/// a limit each.
pub trait PublicChain<S: Subject = Checkpoint>: Send {
    /// Which one.
    fn chain(&self) -> Chain;

    /// Whether the node is there, of the right network, and our key may anchor.
    ///
    /// # Errors
    /// [`Trouble`], as of every method.
    fn ready(&mut self) -> Result<(), Trouble>;

    /// The first leaf that is to be said, when the journal says all before `covered`; if
    /// `settled`, none of that waits for anything. A contract that leads on from another leaf
    /// knows best.
    ///
    /// # Errors
    /// [`Trouble`].
    fn leads_on(&mut self, covered: u64, settled: bool) -> Result<u64, Trouble> {
        let _ = settled;
        Ok(covered)
    }

    /// What of this ledger stands there, or waits, so that `due` need not be said: of anchors
    /// the newest at the chain's newest block.
    ///
    /// # Errors
    /// [`Trouble`].
    fn newest(&mut self, due: &S) -> Result<Option<Seen<S::Mark>>, Trouble>;

    /// Signs a transaction that says it, and sends nothing. With `before` it replaces
    /// those: same slot, higher fee. Else it takes a slot that is none of `spent`. It may cost
    /// `allowance` at most.
    ///
    /// # Errors
    /// [`Trouble`].
    fn prepare(&mut self, order: &Order<'_, S>) -> Result<Attempt, Trouble>;

    /// Sends a transaction; that the node has it already is no error.
    ///
    /// # Errors
    /// [`Trouble`].
    fn send(&mut self, attempt: &Attempt) -> Result<(), Trouble>;

    /// What became of attempts that share a slot, oldest first.
    ///
    /// # Errors
    /// [`Trouble`].
    fn standing(&mut self, attempts: &[Attempt]) -> Result<Standing, Trouble>;

    /// How deep a place is, if its block is still part of the chain.
    ///
    /// # Errors
    /// [`Trouble`].
    fn depth(&mut self, place: &Place) -> Result<Option<u64>, Trouble>;

    /// What proves, offline, that a transaction says so at `place`.
    ///
    /// # Errors
    /// [`Trouble`].
    fn evidence(&mut self, place: &Place, says: &S) -> Result<Evidence, Trouble>;
}

/// What is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a, S = Checkpoint> {
    /// What it says.
    pub says: &'a S,
    /// What is replaced, oldest first; empty for a first attempt.
    pub before: &'a [Attempt],
    /// Attempts at what this key said last, in each stream, for a first attempt: a node that
    /// lags may not know of them, and what is left over from one pays the next.
    pub spent: &'a [Attempt],
    /// Most that it may cost, in [`Chain::unit`]s.
    pub allowance: u64,
    /// Now.
    pub now: Millis,
}

/// Why an anchor has to wait. Texts name no path or query of an address: keys stand there.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// No answer, or none that can be read.
    #[error("no usable answer from {0}")]
    Unreachable(String),
    /// The node is of another network.
    #[error("the node is of chain {found}, not of {expected}")]
    WrongChain {
        /// What the configuration says.
        expected: String,
        /// What the node says.
        found: String,
    },
    /// The contract is not there, or not this ledger's.
    #[error("{0}")]
    Contract(String),
    /// Fees are too high now.
    #[error("the chain asks {needed} for a unit of work, above the cap of {cap}")]
    FeeOverCap {
        /// What would be needed, in the smallest coin.
        needed: u64,
        /// The cap.
        cap: u64,
    },
    /// It would cost more than what is left to spend.
    #[error("the anchor may cost {needed} {}, and {left} of the budget are left", .chain.unit())]
    OverBudget {
        /// In which chain.
        chain: Chain,
        /// Most that it can cost, in [`Chain::unit`]s.
        needed: u64,
        /// What is left.
        left: u64,
    },
    /// The node or the contract takes no such transaction.
    #[error("refused: {0}")]
    Refused(String),
    /// What the node says does not fit together.
    #[error("the node contradicts itself: {0}")]
    Contradiction(String),
    /// The chain has an anchor of this ledger that does not fit the ledger.
    #[error(
        "the chain holds something else for {size} leaves than this ledger: it was forked, or one who may write there lies"
    )]
    Forked {
        /// Leaves that the anchor is about.
        size: u64,
    },
}

/// Bytes that are no key of secp256k1, the curve of every chain here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("these 32 bytes are no key of secp256k1")]
pub struct BadKey;
