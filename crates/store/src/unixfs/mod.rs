//! Files as trees of blocks, as UnixFS has them: the CIDs are those that IPFS computes.
//!
//! A file is cut into chunks of equal size, the chunks are leaves, and each inner node
//! links to up to a fixed number of children, all leaves at one depth ("balanced"). A file
//! of one chunk is its leaf alone. The sizes are a [`Profile`]; another profile gives the
//! same file another CID, so the profile is named with the object.
//!
//! Sources: the UnixFS specification (specs.ipfs.tech/unixfs), the DAG-PB specification
//! (ipld.io/specs/codecs/dag-pb), IPIP-499 for the profiles. `tests/vectors` holds CIDs
//! that another implementation computed.
//!
//! The encoder is our own, not `rust-unixfs`: the two messages that files need are small,
//! the reader must bound its memory and name the CID of what is wrong, and that crate reads
//! whole nodes without checking declared sizes against actual ones. Directories, symbolic
//! links and HAMT shards are refused by name: a medical record has none.

mod ahead;
mod builder;
pub mod node;
mod reader;

pub use builder::{Builder, Built, HashOnly, add};
pub use reader::Reader;

use base::cid::{self, Cid};

/// How a file becomes a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Bytes in each leaf but the last.
    pub(crate) chunk: usize,
    /// Children of an inner node, at most.
    pub(crate) width: usize,
    /// What a leaf is.
    pub(crate) leaves: Leaves,
}

/// What the leaves of a tree are, and with it the version of all its CIDs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leaves {
    /// The bytes themselves; version 1.
    Raw,
    /// dag-pb nodes around the bytes; version 0.
    Wrapped,
}

impl Leaves {
    /// The name of a dag-pb node in a tree with such leaves.
    fn name(self, node: &[u8]) -> Cid {
        let cid = cid::of_block(cid::DAG_PB, node);
        match self {
            Self::Raw => cid,
            // Of dag-pb with SHA2-256 every CID has the form of version 0.
            Self::Wrapped => Cid::new_v0(*cid.hash()).unwrap_or(cid),
        }
    }
}

impl Profile {
    /// `unixfs-v1-2025` of IPIP-499, which all of ours use: chunks of 1 MiB, 1024 links,
    /// raw leaves, CID version 1.
    pub const UNIXFS_V1_2025: Self = Self {
        chunk: 1 << 20,
        width: 1024,
        leaves: Leaves::Raw,
    };
    /// `unixfs-v0-2015` of IPIP-499, Kubo's default for long: chunks of 256 KiB, 174 links,
    /// dag-pb leaves, CID version 0. For what comes from elsewhere.
    pub const UNIXFS_V0_2015: Self = Self {
        chunk: 256 << 10,
        width: 174,
        leaves: Leaves::Wrapped,
    };
    /// What Kubo's `add --cid-version=1` gave for long: chunks of 256 KiB, 174 links, raw
    /// leaves, CID version 1. For what comes from elsewhere.
    pub const KUBO_CID_V1: Self = Self {
        chunk: 256 << 10,
        width: 174,
        leaves: Leaves::Raw,
    };

    /// Another size of chunks and nodes, for tests and trees from elsewhere; `None` unless
    /// 1 ≤ `chunk` ≤ 1 MiB and 2 ≤ `width` ≤ 1024.
    pub const fn resized(self, chunk: usize, width: usize) -> Option<Self> {
        let fits = 1 <= chunk && chunk <= 1 << 20 && 2 <= width && width <= 1024;
        if fits {
            Some(Self {
                chunk,
                width,
                leaves: self.leaves,
            })
        } else {
            None
        }
    }

    /// Bytes in each leaf but the last.
    pub const fn chunk(self) -> usize {
        self.chunk
    }

    /// Children of an inner node, at most.
    pub const fn width(self) -> usize {
        self.width
    }
}
