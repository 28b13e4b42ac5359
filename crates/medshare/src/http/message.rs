//! What node and party say to each other over `/v1`, beside the ledger's own types.

use base::{ChainId, Cid, Digest, Millis};
use ledger::Refusal;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Why a request was not done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorBody {
    /// For programs; closed list.
    pub code: ErrorCode,
    /// For people; one line.
    pub message: String,
    /// With [`ErrorCode::Refused`]: the ledger's reason.
    pub refusal: Option<Refusal>,
    /// With [`ErrorCode::Missing`] and [`ErrorCode::Damaged`]: the block.
    pub block: Option<Cid>,
}

/// The closed list of error codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// 400: not a request of this interface.
    Malformed,
    /// 404: it does not exist, or it is not for the asker.
    NotFound,
    /// 409: the ledger refused the operation; it left no leaf.
    Refused,
    /// 404: a block is not in the store.
    Missing,
    /// 500: a block's bytes are damaged.
    Damaged,
    /// 413: too large.
    TooLarge,
    /// 503: too many requests, or the queue is full; try again.
    Busy,
    /// 504: it took too long.
    TimedOut,
    /// 507: the node's disk is full or failing.
    Storage,
    /// 500: a fault of the node.
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotFound | Self::Missing => 404,
            Self::Refused => 409,
            Self::TooLarge => 413,
            Self::Damaged | Self::Internal => 500,
            Self::Busy => 503,
            Self::TimedOut => 504,
            Self::Storage => 507,
        }
    }
}

/// `GET /v1/status`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Version of the interface; 1.
    pub interface: u32,
    /// Version of the program.
    pub version: String,
    /// The ledger.
    pub chain: ChainId,
    /// Its name.
    pub network: String,
    /// Height of the newest block.
    pub height: u64,
    /// Leaves in the log.
    pub tree_size: u64,
    /// Time of the newest block.
    pub time: Millis,
}

/// `GET /v1/operations/{id}`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedOperation {
    /// Index in the log.
    pub index: u64,
    /// Canonical bytes of the leaf.
    pub leaf: ByteBuf,
}

/// `GET /v1/leaves`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaves {
    /// Canonical bytes, in log order; fewer than asked for when they would be too long.
    pub leaves: Vec<ByteBuf>,
}

/// `GET /v1/mailbox`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letters {
    /// Number in the box and sealed bytes, oldest first.
    pub letters: Vec<(u64, ByteBuf)>,
}

/// `PUT /v1/prekeys`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prekeys {
    /// Canonical bytes of signed one-time keys.
    pub prekeys: Vec<ByteBuf>,
}

/// A count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// How many.
    pub count: u64,
}

/// `PUT /v1/files`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Root of the file.
    pub cid: Cid,
}

/// `GET /v1/bags/{locator}`, and the body of its `PUT`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BagHead {
    /// Sealed.
    pub head: ByteBuf,
}

/// The name of a letter: SHA2-256 of its bytes.
pub fn letter_name(letter: &[u8]) -> Digest {
    Digest::of(letter)
}
