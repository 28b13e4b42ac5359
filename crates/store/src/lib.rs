//! Content-addressed storage: what a CID names is what a read gives, or an error.
//!
//! * [`BlockStore`]: blocks by CID, pins, collection; [`Embedded`] is the one on disk,
//!   `kubo::Kubo` (feature `kubo`) the one in a Kubo.
//! * [`unixfs`]: files as trees of blocks, with the CIDs that IPFS computes.
//! * [`car`]: a tree of blocks as one stream (CARv1).
//! * [`walk`]: which blocks a root reaches, and which of them are damaged or missing.
//!
//! This crate does not know what the bytes mean, who may read them, or any key.
//!
//! ```
//! use std::io::Read as _;
//! use store::{BlockStore as _, Embedded, unixfs};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = Embedded::open(folder.path())?;
//!
//! // A file goes in as blocks: all of them durable when `commit` returns.
//! let mut batch = store.batch();
//! let mut builder = unixfs::Builder::new(unixfs::Profile::UNIXFS_V1_2025, &mut *batch);
//! builder.write(b"hello world\n")?;
//! let root = builder.finish()?.cid;
//! batch.commit()?;
//! assert_eq!(
//!     root.to_string(),
//!     "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"
//! );
//!
//! // It is kept as long as somebody pins its root.
//! store.pin(&root)?;
//! let mut text = String::new();
//! unixfs::Reader::open(&store, root)?.read_to_string(&mut text)?;
//! assert_eq!(text, "hello world\n");
//! # Ok(())
//! # }
//! ```

pub mod block;
pub mod car;
pub mod disk;
pub mod embedded;
#[cfg(feature = "kubo")]
pub mod kubo;
pub mod links;
#[cfg(feature = "peers")]
pub mod peer;
mod protobuf;
pub mod scrub;
pub mod unixfs;
mod varint;
pub mod walk;

pub use block::{
    Absent, Batch, BlockStore, Collected, FnSink, GcError, GetError, MAX_BLOCK, PutError, Sink,
    Source, check,
};
pub use embedded::Embedded;
#[cfg(feature = "kubo")]
pub use kubo::Kubo;
pub use links::links;
