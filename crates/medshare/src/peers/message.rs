//! What nodes say to each other: questions and replies, as canonical bytes with a version.
//!
//! They travel over `/medshare/node/1`, which has proven who speaks; what a message claims
//! beside that is checked by whoever uses it. A message has at most [`MAX_MESSAGE`] bytes.

use base::{
    AccountId, ChainId, Cid, Version,
    codec::{self, DecodeError},
    genesis::Genesis,
};
use consensus::SubmitError;
use ledger::{Block, Head, Receipt, Refusal};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use thiserror::Error;

use crate::http::relay::{Passed, Returned};

/// Most bytes of one message, envelope included.
pub const MAX_MESSAGE: usize = 4 << 20;
/// About so many bytes of leaves go into one reply; a larger block comes in pieces.
pub const PIECE: usize = 2 << 20;

/// A message with what it must match before it is looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    #[serde(rename = "v")]
    version: Version,
    /// The sender's ledger; none from a node that is about to join one.
    chain: Option<ChainId>,
    body: T,
}

/// What one node asks another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Who is there, and how far?
    Hello(Box<Hello>),
    /// The genesis object; the one question that needs no ledger.
    Genesis,
    /// The newest head, and blocks from a height on.
    Blocks {
        /// Height of the first block.
        from: u64,
    },
    /// Leaves of a block that did not fit into one reply.
    Leaves {
        /// Index of the first.
        from: u64,
    },
    /// Takes an operation in (the node that orders).
    Submit(ByteBuf),
    /// Answers a request of the post (the node that orders).
    Relay(Passed),
    /// Keeps a copy of a state of the asker's?
    Keep(Keep),
    /// Hints with numbers of the asked node's book above this one.
    Hints {
        /// The last number that is known.
        after: u64,
    },
}

/// What a node answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Question::Hello`]: itself, and the addresses of others.
    Hello {
        /// Who answers.
        hello: Box<Hello>,
        /// Where other nodes may be reached: only hints, their ids are proven by themselves.
        contacts: Vec<Contact>,
    },
    /// To [`Question::Genesis`].
    Genesis(Box<Genesis>),
    /// To [`Question::Blocks`]: whole blocks, but the only one may lack leaves at its end.
    Blocks {
        /// The newest head.
        head: Box<Head>,
        /// In order of height.
        blocks: Vec<Block>,
    },
    /// To [`Question::Leaves`]: canonical bytes.
    Leaves(Vec<ByteBuf>),
    /// To [`Question::Submit`].
    Receipt(Box<Receipt>),
    /// To [`Question::Submit`]: no.
    NotTaken(NotTaken),
    /// To [`Question::Relay`].
    Returned(Returned),
    /// To [`Question::Keep`]: yes, once the asker says in a hint that it is entrusted.
    Kept,
    /// To [`Question::Hints`]: number and canonical bytes of signed hints, oldest first.
    Hints(Vec<(u64, ByteBuf)>),
    /// To anything: not by this node, and why.
    No(String),
}

/// How a node presents itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Its account; the ledger says whether the account's node is the peer that speaks.
    pub account: AccountId,
    /// Its newest head: heads of different nodes must agree.
    pub head: Head,
    /// Where it can be reached, as multiaddresses without its id.
    pub addresses: Vec<String>,
    /// Number of the newest hint in its book.
    pub hints: u64,
}

/// A copy that is to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Root of a state.
    pub root: Cid,
    /// Bytes of all its blocks.
    pub bytes: u64,
}

/// Where a node may be reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Its peer id.
    pub peer: ByteBuf,
    /// Multiaddresses without its id.
    pub addresses: Vec<String>,
}

/// Why an operation was not taken in, as [`SubmitError`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotTaken {
    /// It may not enter the log.
    Refused(Refusal),
    /// So many operations wait.
    Busy(u64),
    /// Nothing was changed.
    Storage(String),
    /// Nobody can tell.
    Unknown(String),
}

impl From<SubmitError> for NotTaken {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => Self::Refused(refusal),
            SubmitError::Busy { waiting } => Self::Busy(waiting as u64),
            SubmitError::Unknown(reason) => Self::Unknown(reason),
            SubmitError::Stopped => Self::Unknown(SubmitError::Stopped.to_string()),
            other => Self::Storage(other.to_string()),
        }
    }
}

impl From<NotTaken> for SubmitError {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Refused(refusal) => Self::Refused(refusal),
            NotTaken::Busy(waiting) => Self::Busy {
                waiting: usize::try_from(waiting).unwrap_or(usize::MAX),
            },
            NotTaken::Storage(reason) => Self::Storage(plain(&reason)),
            NotTaken::Unknown(reason) => Self::Unknown(plain(&reason)),
        }
    }
}

/// Words of another node, made harmless for a terminal and short.
pub fn plain(words: &str) -> String {
    let printable = words.chars().filter(|c| !c.is_control());
    printable.take(MAX_WORDS).collect()
}

/// The bytes of a message from a node of the ledger `chain`.
pub fn encode<T: Serialize>(chain: Option<ChainId>, body: T) -> Vec<u8> {
    codec::encode(&Envelope {
        version: Version,
        chain,
        body,
    })
}

/// Reads a message of the ledger `chain`, or of none.
///
/// # Errors
/// [`BadMessage`].
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    chain: Option<ChainId>,
) -> Result<T, BadMessage> {
    let envelope: Envelope<T> = codec::decode_within(bytes, MAX_MESSAGE)?;
    match (envelope.chain, chain) {
        (Some(found), Some(ours)) if found != ours => Err(BadMessage::Chain(found)),
        _ => Ok(envelope.body),
    }
}

/// Bytes that are no message for this node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadMessage {
    /// Not of its shape, or of another version.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Of another ledger.
    #[error("the other node keeps the ledger {0}")]
    Chain(ChainId),
}

const MAX_WORDS: usize = 400;
