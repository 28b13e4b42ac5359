//! Blocks by CID: the traits every store of blocks implements, and their errors.
//!
//! A CID here is of version 1, with codec raw, dag-pb or dag-cbor and SHA2-256, or the
//! version 0 form of the same; both forms name one block. Any other is refused.

use base::cid::{self, Cid};
use sha2::{Digest as _, Sha256};
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// Largest block, in bytes: what a Bitswap peer will take.
pub const MAX_BLOCK: usize = 2 << 20;

/// Where blocks go: a batch of a store, a connection ([`FnSink`]), or nowhere
/// ([`HashOnly`](crate::unixfs::HashOnly)).
pub trait Sink {
    /// Why a block was not taken.
    type Error;

    /// Takes one block. `bytes` hash to `cid`: the caller has just computed it.
    ///
    /// # Errors
    /// When the block was not taken; the caller gives up.
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl<S: Sink + ?Sized> Sink for &mut S {
    type Error = S::Error;

    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), S::Error> {
        (**self).put(cid, bytes)
    }
}

/// A function as a [`Sink`].
#[derive(Clone, Copy, Debug)]
pub struct FnSink<F>(pub F);

impl<F, E> Sink for FnSink<F>
where
    F: FnMut(&Cid, &[u8]) -> Result<(), E>,
{
    type Error = E;

    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), E> {
        self.0(cid, bytes)
    }
}

/// Where blocks come from. Implementations check with [`check`] before they answer.
pub trait Source {
    /// The block that `cid` names; its bytes hash to `cid`.
    ///
    /// # Errors
    /// [`GetError`], which names the CID.
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError>;
}

impl<S: Source + ?Sized> Source for &S {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        (**self).block(cid)
    }
}

impl Source for dyn BlockStore + '_ {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        self.get(cid)
    }
}

/// A durable store of blocks with pins.
pub trait BlockStore: Send + Sync {
    /// Stores one block after checking that `bytes` hash to `cid`; it is durable when
    /// this returns. Storing a block again is no error and repairs a damaged copy.
    ///
    /// # Errors
    /// [`PutError`]; then the block is whole in the store or absent.
    fn put(&self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError>;

    /// A batch: many blocks, made durable together by [`Batch::commit`]. Dropping it
    /// leaves nothing behind.
    fn batch(&self) -> Box<dyn Batch + '_>;

    /// The block that `cid` names, hashed again before it is returned.
    ///
    /// # Errors
    /// [`GetError`], which names the CID.
    fn get(&self, cid: &Cid) -> Result<Vec<u8>, GetError>;

    /// Whether a block of this name is held, without looking at its bytes.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn has(&self, cid: &Cid) -> Result<bool, GetError> {
        Ok(self.size(cid)?.is_some())
    }

    /// Bytes of the block, without looking at them; `None` if it is not held.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn size(&self, cid: &Cid) -> Result<Option<u64>, GetError>;

    /// The pinned roots that reach the block, themselves among them, whether it is held or
    /// not; in the order of their bytes.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn roots_of(&self, cid: &Cid) -> Result<Vec<Cid>, GetError>;

    /// Removes the block, pinned or not: erasure. `false` if there was none. Pinned roots
    /// that reach it do not miss it: nothing brings it back but who stores it again.
    ///
    /// # Errors
    /// When the block may still be there.
    fn delete(&self, cid: &Cid) -> Result<bool, PutError>;

    /// Adds one pin to `root`: everything it reaches is kept as long as it has one. That
    /// counts for blocks that are not here yet too: when one comes, it and what it links
    /// to belong to the root. Returns the pins it has now. Durable when this returns.
    ///
    /// # Errors
    /// [`PutError`]; whether the pin counts all the same, [`pins`](Self::pins) tells once
    /// the store works again.
    fn pin(&self, root: &Cid) -> Result<u64, PutError>;

    /// Takes one pin from `root` and returns the pins it has left. With the last one go
    /// the blocks that no other pinned root reaches: they are deleted when this returns.
    ///
    /// # Errors
    /// [`PutError::NotPinned`] if it had none. After any other, [`pins`](Self::pins) tells
    /// once the store works again whether the pin is gone.
    fn unpin(&self, root: &Cid) -> Result<u64, PutError>;

    /// Every pinned root with its number of pins, in the order of their bytes.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn pins(&self) -> io::Result<Vec<(Cid, u64)>>;

    /// Deletes what came up and was never pinned: the blocks that no pinned root reaches
    /// and that were last stored longer than `grace` ago, so that a file on its way in,
    /// not pinned yet, is left alone.
    ///
    /// # Errors
    /// [`GcError::Block`] if a pinned block is damaged or, unless `absent` allows it,
    /// missing; then nothing was deleted.
    fn gc(&self, grace: Duration, absent: Absent) -> Result<Collected, GcError>;
}

/// Blocks on their way into a store.
pub trait Batch {
    /// Writes one block after checking that `bytes` hash to `cid`. It is neither
    /// readable nor durable before [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`PutError`]; the batch can then only be dropped.
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError>;

    /// As [`put`](Self::put), for bytes from which the caller has just computed `cid`:
    /// they are not hashed again. Under a wrong name they would be found damaged when read.
    ///
    /// # Errors
    /// [`PutError`]; the batch can then only be dropped.
    fn put_hashed(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError>;

    /// Makes every block readable and durable.
    ///
    /// # Errors
    /// [`PutError`]: some of the blocks may be there, each of them whole.
    fn commit(self: Box<Self>) -> Result<(), PutError>;
}

impl Sink for dyn Batch + '_ {
    type Error = PutError;

    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        self.put_hashed(cid, bytes)
    }
}

/// What [`BlockStore::gc`] does about a pinned block that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    /// Goes on: parts of a pinned tree were erased, or never came here. What such a
    /// block would have reached is not kept on its account.
    Allowed,
    /// Stops before anything is deleted.
    Refused,
}

/// What [`BlockStore::gc`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    /// Blocks deleted.
    pub deleted: u64,
    /// Bytes they held.
    pub bytes: u64,
    /// Blocks kept because a pinned root reaches them.
    pub pinned: u64,
    /// Blocks kept only because they are younger than the grace period.
    pub recent: u64,
    /// Blocks that a pinned root names and that are not there.
    pub absent: u64,
}

/// Why a block was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GetError {
    /// The store does not hold it.
    #[error("block {0} is not in the store")]
    Missing(Cid),
    /// The store holds bytes under this name that are not the block.
    #[error("block {0} is damaged: its bytes do not match its name; store it again to repair it")]
    Damaged(Cid),
    /// The bytes are the block's, but are no valid node of its format.
    #[error("block {cid} is not a valid node: {reason}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What is wrong with it.
        reason: String,
    },
    /// A CID that this store does not keep blocks for.
    #[error("{0} is not a raw, dag-pb or dag-cbor CID with SHA2-256; no others are kept here")]
    Unsupported(Cid),
    /// The machine failed.
    #[error("block {cid} could not be read: {source}")]
    Io {
        /// The block.
        cid: Cid,
        /// What the machine said.
        source: io::Error,
    },
}

impl GetError {
    /// The block that the error is about.
    pub const fn cid(&self) -> &Cid {
        match self {
            Self::Missing(cid)
            | Self::Damaged(cid)
            | Self::Unsupported(cid)
            | Self::Malformed { cid, .. }
            | Self::Io { cid, .. } => cid,
        }
    }
}

/// Why [`BlockStore::gc`] stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GcError {
    /// A block that a pinned root reaches cannot be read: what it reaches is not known.
    #[error("nothing was collected: {0}")]
    Block(#[from] GetError),
    /// The machine failed; some blocks may have been deleted.
    #[error("collection stopped at {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the machine said.
        source: io::Error,
    },
}

/// Why a block or a pin was not stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PutError {
    /// The bytes are not the block that the CID names.
    #[error("the bytes given for block {0} do not match its name")]
    Mismatch(Cid),
    /// A CID that this store does not keep blocks for.
    #[error("{0} is not a raw, dag-pb or dag-cbor CID with SHA2-256; no others are kept here")]
    Unsupported(Cid),
    /// More than [`MAX_BLOCK`] bytes.
    #[error("block {cid} has {bytes} bytes, the limit is {MAX_BLOCK}")]
    TooLarge {
        /// The block.
        cid: Cid,
        /// Its length.
        bytes: usize,
    },
    /// No room, no quota, or the file size limit of the process.
    #[error("the store's disk is full: make room and try again ({0})")]
    Full(#[source] io::Error),
    /// The root has no pin to take away.
    #[error("{0} is not pinned")]
    NotPinned(Cid),
    /// The machine failed.
    #[error("the store could not write: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for PutError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

/// What [`check`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The CID is of a form that is not kept here.
    Unsupported,
    /// The bytes hash to something else.
    Hash,
}

/// Checks that `bytes` are the block that `cid` names.
///
/// # Errors
/// [`Mismatch`].
pub fn check(cid: &Cid, bytes: &[u8]) -> Result<(), Mismatch> {
    let expected = digest(cid).ok_or(Mismatch::Unsupported)?;
    if <[u8; 32]>::from(Sha256::digest(bytes)) == expected {
        Ok(())
    } else {
        Err(Mismatch::Hash)
    }
}

/// The digest of a CID of the kind kept here, or `None`.
pub(crate) fn digest(cid: &Cid) -> Option<[u8; 32]> {
    matches!(cid.codec(), cid::RAW | cid::DAG_PB | cid::DAG_CBOR)
        .then(|| cid::sha256_digest(cid))
        .flatten()
}
