//! The one interface that a party speaks: ledger, store, mailbox, prekeys.
//!
//! Source: protocol page, "Parties", "Sharing". A party does not trust the node behind
//! it: what a CID names is hashed again, what the ledger says is proven under a
//! certified head ([`crate::follow`], [`crate::proven`]), letters are sealed. This file
//! refuses to know about HTTP; errors say what a caller can do about them.

use std::io::Read;
use thiserror::Error;

use base::{AccountId, Cid, Digest, OperationId, RecordId, ScopeId, Signed, SignedOperation};
use ledger::{
    Account, BagState, ConsistencyProof, Grant, Guardianship, Head, InclusionProof, Institution,
    Leaf, QueryState, Receipt, Record, Recovery, Refusal, RequestState, ScopeState, StateInfo,
    Transition,
};

use crate::prekey::Prekey;

/// A node as one party sees it. Calls block; every implementation checks that bytes
/// read by CID are the bytes that the CID names.
pub trait Node: Send + Sync {
    // -- ledger

    /// Sends an operation and waits until it is durable; inclusion is not permission:
    /// the receipt has the outcome.
    ///
    /// # Errors
    /// [`NodeError`]; [`NodeError::Refused`] left no leaf and used no number.
    fn submit(&self, operation: &SignedOperation) -> Result<Receipt, NodeError>;

    /// The newest head, unchecked.
    ///
    /// # Errors
    /// [`NodeError`].
    fn head(&self) -> Result<Head, NodeError>;

    /// The head of a height, unchecked.
    ///
    /// # Errors
    /// [`NodeError`].
    fn head_at(&self, height: u64) -> Result<Option<Head>, NodeError>;

    /// How validators changed at height `since` and after it, oldest first, at most `limit`
    /// times: what a party that knows the validators from `since` on lacks.
    ///
    /// # Errors
    /// [`NodeError`].
    fn transitions(&self, since: u64, limit: u32) -> Result<Vec<Transition>, NodeError>;

    /// Last used sequence number of `account`; 0 before its first operation.
    ///
    /// # Errors
    /// [`NodeError`].
    fn sequence(&self, account: AccountId) -> Result<u64, NodeError>;

    /// An account.
    ///
    /// # Errors
    /// [`NodeError`].
    fn account(&self, account: AccountId) -> Result<Option<Account>, NodeError>;

    /// A record.
    ///
    /// # Errors
    /// [`NodeError`].
    fn record(&self, record: RecordId) -> Result<Option<Record>, NodeError>;

    /// Every record of a patient.
    ///
    /// # Errors
    /// [`NodeError`].
    fn records_of(&self, patient: AccountId) -> Result<Vec<Record>, NodeError>;

    /// A request.
    ///
    /// # Errors
    /// [`NodeError`].
    fn request(&self, request: OperationId) -> Result<Option<RequestState>, NodeError>;

    /// Every request to or from an account.
    ///
    /// # Errors
    /// [`NodeError`].
    fn requests_of(&self, account: AccountId) -> Result<Vec<RequestState>, NodeError>;

    /// A grant.
    ///
    /// # Errors
    /// [`NodeError`].
    fn grant(&self, grant: OperationId) -> Result<Option<Grant>, NodeError>;

    /// Every grant by or to an account, or with it as an agent.
    ///
    /// # Errors
    /// [`NodeError`].
    fn grants_of(&self, account: AccountId) -> Result<Vec<Grant>, NodeError>;

    /// A state of a record, past or present.
    ///
    /// # Errors
    /// [`NodeError`].
    fn state(&self, record: RecordId, state: &Cid) -> Result<Option<StateInfo>, NodeError>;

    /// Every state of a record, oldest first.
    ///
    /// # Errors
    /// [`NodeError`].
    fn states_of(&self, record: RecordId) -> Result<Vec<StateInfo>, NodeError>;

    /// The admitted institution that an account is or belongs to.
    ///
    /// # Errors
    /// [`NodeError`].
    fn institution_of(&self, account: AccountId) -> Result<Option<Institution>, NodeError>;

    /// A scope of a patient, if the ledger has seen it in a grant or a rotation.
    ///
    /// # Errors
    /// [`NodeError`].
    fn scope(&self, patient: AccountId, sid: ScopeId) -> Result<Option<ScopeState>, NodeError>;

    /// A patient's newest key bag, as she logged it.
    ///
    /// # Errors
    /// [`NodeError`].
    fn bag(&self, patient: AccountId) -> Result<Option<BagState>, NodeError>;

    /// Who may recover an account.
    ///
    /// # Errors
    /// [`NodeError`].
    fn guardianship(&self, account: AccountId) -> Result<Option<Guardianship>, NodeError>;

    /// A recovery.
    ///
    /// # Errors
    /// [`NodeError`].
    fn recovery(&self, recovery: OperationId) -> Result<Option<Recovery>, NodeError>;

    /// A query.
    ///
    /// # Errors
    /// [`NodeError`].
    fn query(&self, query: OperationId) -> Result<Option<QueryState>, NodeError>;

    /// Every query under a grant that took effect.
    ///
    /// # Errors
    /// [`NodeError`].
    fn queries_of(&self, grant: OperationId) -> Result<Vec<QueryState>, NodeError>;

    /// A logged operation: its index and leaf.
    ///
    /// # Errors
    /// [`NodeError`].
    fn operation(&self, operation: OperationId) -> Result<Option<(u64, Leaf)>, NodeError>;

    /// Proof that an operation is in the log, under the head of the block that holds it.
    ///
    /// # Errors
    /// [`NodeError`].
    fn receipt(&self, operation: OperationId) -> Result<Option<Receipt>, NodeError>;

    /// At most `limit` leaves from index `from` on.
    ///
    /// # Errors
    /// [`NodeError`].
    fn leaves(&self, from: u64, limit: u32) -> Result<Vec<Leaf>, NodeError>;

    /// Proof that leaf `index` is in the log of `tree_size` leaves.
    ///
    /// # Errors
    /// [`NodeError`].
    fn inclusion(&self, index: u64, tree_size: u64) -> Result<InclusionProof, NodeError>;

    /// Proof that the log of `from` leaves is a prefix of that of `to` leaves.
    ///
    /// # Errors
    /// [`NodeError`].
    fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, NodeError>;

    // -- store

    /// Stores a block; durable when it returns.
    ///
    /// # Errors
    /// [`NodeError`].
    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), NodeError>;

    /// A block, hashed again on this side.
    ///
    /// # Errors
    /// [`NodeError::Missing`] and [`NodeError::Damaged`] name the CID.
    fn read_block(&self, cid: &Cid) -> Result<Vec<u8>, NodeError>;

    /// Stores a file as UnixFS (profile unixfs-v1-2025) while it is read; durable when it
    /// returns. The CID is computed on this side.
    ///
    /// # Errors
    /// [`NodeError`]; what was stored of it is not pinned.
    fn put_file(&self, source: &mut dyn Read) -> Result<Cid, NodeError>;

    /// A UnixFS file as a stream in bounded memory; every block is hashed again on this
    /// side before its bytes come out. A read fails with an `io::Error` that holds a
    /// [`NodeError`].
    ///
    /// # Errors
    /// [`NodeError`].
    fn read_file(&self, cid: &Cid) -> Result<Box<dyn Read + Send + '_>, NodeError>;

    /// Adds one pin to `root`: what it reaches is kept.
    ///
    /// # Errors
    /// [`NodeError`].
    fn pin(&self, root: &Cid) -> Result<(), NodeError>;

    /// Takes one pin of this party from `root`. None left is no error.
    ///
    /// # Errors
    /// [`NodeError`].
    fn unpin(&self, root: &Cid) -> Result<(), NodeError>;

    // -- mailbox, prekeys, bags

    /// Puts a sealed letter ([`crate::letter::SealedLetter`]) into an account's mailbox;
    /// durable when it returns. The same letter twice is one letter.
    ///
    /// # Errors
    /// [`NodeError`].
    fn send(&self, to: AccountId, letter: &[u8]) -> Result<(), NodeError>;

    /// The letters in this party's own mailbox, oldest first: SHA2-256 of the letter's
    /// bytes, and the bytes.
    ///
    /// # Errors
    /// [`NodeError`].
    fn inbox(&self) -> Result<Vec<(Digest, Vec<u8>)>, NodeError>;

    /// Deletes a letter from this party's own mailbox. None there is no error.
    ///
    /// # Errors
    /// [`NodeError`].
    fn delete_letter(&self, letter: Digest) -> Result<(), NodeError>;

    /// Leaves one-time keys of this party.
    ///
    /// # Errors
    /// [`NodeError`].
    fn put_prekeys(&self, prekeys: &[Signed<Prekey>]) -> Result<(), NodeError>;

    /// Takes one of an agent's one-time keys; nobody gets it again.
    ///
    /// # Errors
    /// [`NodeError`].
    fn take_prekey(&self, agent: AccountId) -> Result<Option<Signed<Prekey>>, NodeError>;

    /// How many one-time keys an agent has left.
    ///
    /// # Errors
    /// [`NodeError`].
    fn prekeys_left(&self, agent: AccountId) -> Result<usize, NodeError>;

    /// Keeps the sealed head of a key bag under its secret locator, in place of the one
    /// before, here and on this node's replica; durable when it returns.
    ///
    /// # Errors
    /// [`NodeError`].
    fn put_bag(&self, locator: Digest, head: &[u8]) -> Result<(), NodeError>;

    /// The sealed head of the key bag at `locator`. Whoever knows a locator may ask.
    ///
    /// # Errors
    /// [`NodeError`].
    fn read_bag(&self, locator: Digest) -> Result<Option<Vec<u8>>, NodeError>;
}

/// Why a node did not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The ledger refused the operation; it left no leaf.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not allowed, or not there: an interface does not say which.
    #[error("the node has no such thing for this account")]
    NotFound,
    /// A block is missing.
    #[error("block {0} is missing from the store")]
    Missing(Cid),
    /// A block's bytes are not what its name says.
    #[error("block {0} is damaged: its bytes do not hash to its name")]
    Damaged(Cid),
    /// The node's queue is full; try again.
    #[error("the node is busy: {0}")]
    Busy(String),
    /// The node cannot write: disk full.
    #[error("the node cannot store it: {0}")]
    Storage(String),
    /// The node cannot be reached.
    #[error("the node cannot be reached: {0}")]
    Unreachable(String),
    /// The node answered with something that is not an answer.
    #[error("the node's answer makes no sense: {0}")]
    BadAnswer(String),
    /// Reading or writing a file on this side failed.
    #[error("{0}")]
    Local(String),
}
