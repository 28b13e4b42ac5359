//! What node and party say to each other over `/v1`, beside the ledger's own types.

use base::{AccountId, ChainId, Cid, Digest, Millis};
use ledger::Refusal;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Version of the interface: it stands in every path, and every body is of it.
pub const INTERFACE: u32 = 1;

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
    /// 400: a format, or an interface, of a version that this node does not know.
    UnknownVersion,
    /// 404: it does not exist, or it is not for the asker.
    NotFound,
    /// 405: the route does not take that method.
    MethodNotAllowed,
    /// 406: no form of the answer is acceptable to the asker.
    NotAcceptable,
    /// 409: the ledger refused the operation; it left no leaf.
    Refused,
    /// 404: a block is not in the store.
    Missing,
    /// 500: a block's bytes are damaged.
    Damaged,
    /// 413: too large.
    TooLarge,
    /// 415: the body is of a media type that the route does not take.
    UnsupportedMedia,
    /// 429: this account did this too often; try again in a minute.
    TooOften,
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
    /// Every code, its HTTP status and what it means, in a line for people.
    pub const ALL: [(Self, u16, &'static str); 15] = [
        (Self::Malformed, 400, "not a request of this interface"),
        (
            Self::UnknownVersion,
            400,
            "of a version that this node does not know",
        ),
        (
            Self::NotFound,
            404,
            "it does not exist, or it is not for the asker",
        ),
        (Self::Missing, 404, "the block is not in the store"),
        (
            Self::MethodNotAllowed,
            405,
            "the route does not take that method",
        ),
        (
            Self::NotAcceptable,
            406,
            "no form of the answer is acceptable",
        ),
        (
            Self::Refused,
            409,
            "the ledger refused the operation; it left no leaf",
        ),
        (Self::TooLarge, 413, "too large"),
        (
            Self::UnsupportedMedia,
            415,
            "the route does not take that media type",
        ),
        (
            Self::TooOften,
            429,
            "this account did this too often; try again in a minute",
        ),
        (Self::Internal, 500, "a fault of the node"),
        (Self::Damaged, 500, "the block's bytes are damaged"),
        (Self::Busy, 503, "too much at once; try again shortly"),
        (Self::TimedOut, 504, "it took too long"),
        (Self::Storage, 507, "the node's disk is full or failing"),
    ];

    fn row(self) -> (u16, &'static str) {
        let row = Self::ALL.iter().find(|(code, ..)| *code == self);
        row.map_or((500, ""), |(_, status, title)| (*status, title))
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        self.row().0
    }

    /// What it means, in a line for people.
    pub fn title(self) -> &'static str {
        self.row().1
    }

    /// Its name, as it stands in every answer.
    pub fn name(self) -> String {
        let text = serde_json::to_string(&self).unwrap_or_default();
        text.trim_matches('"').to_owned()
    }
}

/// `GET /v1/status`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Version of the interface: [`INTERFACE`].
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

/// `GET /v1/node`: how the node stands among others.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeStanding {
    /// Its peer id, if it is linked to others.
    pub peer: Option<ByteBuf>,
    /// How it follows, if it orders nothing.
    pub follows: Option<Following>,
    /// Other nodes that it knows.
    pub peers: Vec<PeerStanding>,
    /// What it keeps for other hospitals.
    pub kept: Kept,
    /// How it stands among the validators, if it is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<ValidatorStanding>,
}

/// One of several validators.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorStanding {
    /// The height that is decided next.
    pub height: u64,
    /// Its round, once it has begun.
    pub round: Option<u32>,
    /// Whose turn it is, or was last.
    pub proposer: Option<AccountId>,
    /// Every validator, this one included.
    pub validators: Vec<SeenValidator>,
    /// More than two thirds of them, by weight, are heard; otherwise nothing is ordered without the others.
    pub quorum: bool,
    /// Operations that wait to be ordered.
    pub waiting: u64,
    /// Proofs against validators that are kept.
    pub accusations: u64,
    /// Why it does not vote, if its memory of votes was lost.
    pub watching: Option<String>,
    /// What keeps it from going on, since the last block.
    pub trouble: Option<String>,
    /// Why it stopped for good.
    pub halted: Option<String>,
    /// What it did since it was started.
    pub counters: ValidatorCounters,
}

/// A validator, as another sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenValidator {
    /// Its account.
    pub account: AccountId,
    /// The newest height that it signed for since this node was started.
    pub height: Option<u64>,
    /// How long ago it did, milliseconds.
    pub age: Option<u64>,
}

impl SeenValidator {
    /// One that signed nothing for so long is not there, milliseconds: each signs twice a second.
    pub const QUIET: u64 = 10_000;

    /// Whether it signed something lately.
    pub fn is_heard(&self) -> bool {
        self.age.is_some_and(|age| age <= Self::QUIET)
    }
}

/// What a validator did since it was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorCounters {
    /// Blocks committed.
    pub blocks: u64,
    /// Of these, blocks that it built.
    pub own: u64,
    /// Of these, blocks without operations.
    pub empty: u64,
    /// Operations ordered.
    pub operations: u64,
    /// Operations whose signature was verified, ordered or not.
    pub verified: u64,
    /// Rounds that began after a first one failed.
    pub further_rounds: u64,
    /// Blocks that it would not vote for.
    pub refused: u64,
}

/// Copies kept for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// States promised.
    pub promised: u64,
    /// Of those, how many are here.
    pub here: u64,
    /// Bytes promised.
    pub bytes: u64,
    /// Most bytes.
    pub capacity: u64,
}

/// `GET /v1/store`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreFacts {
    /// Pinned roots.
    pub pins: u64,
    /// Copies kept for others.
    pub kept: Kept,
    /// What the scrubber found since the node began.
    pub scrubbed: Scrubbed,
}

/// What the scrubber did since the node began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scrubbed {
    /// How often it has read every block.
    pub rounds: u64,
    /// Blocks found damaged.
    pub damaged: u64,
    /// Pinned blocks found missing.
    pub missing: u64,
    /// Of both, how many are whole again.
    pub repaired: u64,
}

/// `GET /v1/store/pins`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The root.
    pub root: Cid,
    /// How many pins it has.
    pub count: u64,
}

/// `GET /v1/store/trees/{root}`, and the answer to a CAR.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Where it begins.
    pub roots: Vec<Cid>,
    /// Blocks that are here.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that it names and that are not here.
    pub missing: u64,
}

/// `POST /v1/store/{work}/{root}`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobStanding {
    /// Blocks so far.
    pub blocks: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Bytes of all of it, as far as that is known.
    pub expected: Option<u64>,
    /// Damaged, missing or malformed blocks.
    pub faults: u64,
    /// The first of them, each with what is wrong.
    pub named: Vec<(Cid, String)>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether it has ended.
    pub done: bool,
}

/// `POST /v1/store/gc`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collected {
    /// Blocks deleted.
    pub deleted: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks left alone because they came lately.
    pub recent: u64,
}

/// How a node follows its upstream.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Following {
    /// Milliseconds since the upstream last showed that this ledger was as high as its own.
    pub current: Option<u64>,
    /// What keeps it from going on.
    pub trouble: Option<String>,
    /// Why it stopped for good.
    pub halted: Option<String>,
}

/// Another node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerStanding {
    /// Its peer id.
    pub peer: ByteBuf,
    /// Its account, once the ledger admits it under this id.
    pub account: Option<AccountId>,
    /// The institution that it joined.
    pub institution: Option<AccountId>,
    /// Whether it is connected.
    pub connected: bool,
    /// Why it is not, in words.
    pub away: Option<String>,
    /// Where it is dialled.
    pub addresses: Vec<String>,
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

/// `POST /v1/session`
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Goes into `Authorization: Bearer`; whoever has it is the account.
    pub token: String,
    /// When it ends.
    pub until: Millis,
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
