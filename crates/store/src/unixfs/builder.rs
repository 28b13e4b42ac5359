//! From a stream of bytes to a tree of blocks, one chunk in memory at a time.
//!
//! `levels[0]` holds the leaves that have no parent yet, `levels[1]` the nodes above them,
//! and so on; a full level becomes one node of the next. At the end each level that is
//! left becomes a node, so that all leaves lie at one depth, until one node stands alone.

use super::{
    Profile,
    ahead::{self, Ahead, Leaf},
    node::{self, Link},
};
use crate::Sink;
use base::cid::Cid;
use std::{
    convert::Infallible,
    io::{self, Read},
    mem,
};

/// Takes a file's bytes in any portions and gives its blocks to a [`Sink`], children first.
///
/// Memory: five chunks and, for each level of the tree, the links of one node.
pub struct Builder<S> {
    profile: Profile,
    sink: S,
    chunk: Vec<u8>,
    ahead: Ahead,
    /// Chunks to fill again.
    spare: Vec<Vec<u8>>,
    levels: Vec<Vec<Child>>,
    size: u64,
}

/// A finished file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Built {
    /// The root of the tree: the file's CID.
    pub cid: Cid,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of all its blocks.
    pub total: u64,
}

/// A [`Sink`] that keeps nothing, for those who want the CID alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashOnly;

impl Sink for HashOnly {
    type Error = Infallible;

    fn put(&mut self, _: &Cid, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A subtree that has no parent yet.
#[derive(Clone, Copy)]
struct Child {
    link: Link,
    size: u64,
}

impl<S: Sink> Builder<S> {
    /// A builder of one file.
    pub fn new(profile: Profile, sink: S) -> Self {
        Self {
            profile,
            sink,
            chunk: Vec::new(),
            ahead: Ahead::new(profile.leaves),
            spare: Vec::new(),
            levels: Vec::new(),
            size: 0,
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// The sink's; the builder can then only be dropped.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), S::Error> {
        let full = self.profile.chunk;
        while !bytes.is_empty() {
            // A chunk is given on when a further byte arrives: a file of one chunk is a
            // leaf that knows it is the whole file.
            if self.chunk.len() == full {
                self.cut()?;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(full - self.chunk.len()));
            self.chunk.reserve_exact(full - self.chunk.len());
            self.chunk.extend_from_slice(now);
            bytes = rest;
        }
        Ok(())
    }

    /// Ends the file. A file of no bytes is one empty leaf.
    ///
    /// # Errors
    /// The sink's.
    pub fn finish(mut self) -> Result<Built, S::Error> {
        if self.levels.is_empty() && self.ahead.is_empty() {
            return self.single();
        }
        self.cut()?;
        while let Some(leaf) = self.ahead.next() {
            self.take(leaf)?;
        }
        let mut level = 0;
        while level + 1 < self.levels.len() || self.levels[level].len() > 1 {
            if !self.levels[level].is_empty() {
                self.raise(level)?;
            }
            level += 1;
        }
        let root = self.levels[level][0]; // the loop ends at the top, with one node in it
        Ok(Built {
            cid: root.link.cid,
            size: self.size,
            total: root.link.total,
        })
    }

    fn single(mut self) -> Result<Built, S::Error> {
        let leaf = ahead::leaf(self.profile.leaves, mem::take(&mut self.chunk));
        self.sink.put(&leaf.cid, &leaf.bytes)?;
        Ok(Built {
            cid: leaf.cid,
            size: leaf.size,
            total: leaf.bytes.len() as u64,
        })
    }

    /// Gives the chunk on, and begins another.
    fn cut(&mut self) -> Result<(), S::Error> {
        let next = self.spare.pop().unwrap_or_default();
        self.give_on(next)
    }

    /// Gives the chunk on, and goes on with `next`.
    fn give_on(&mut self, next: Vec<u8>) -> Result<(), S::Error> {
        self.ahead.push(mem::replace(&mut self.chunk, next));
        while let Some(leaf) = self.ahead.ready() {
            self.take(leaf)?;
        }
        Ok(())
    }

    fn take(&mut self, leaf: Leaf) -> Result<(), S::Error> {
        let Leaf {
            cid,
            mut bytes,
            size,
        } = leaf;
        self.sink.put(&cid, &bytes)?;
        self.size += size;
        let total = bytes.len() as u64;
        bytes.clear();
        self.spare.push(bytes);
        let link = Link { cid, total };
        self.push(0, Child { link, size })
    }

    fn push(&mut self, level: usize, child: Child) -> Result<(), S::Error> {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        // Full already, and one more comes: so it is not the root.
        if self.levels[level].len() == self.profile.width {
            self.raise(level)?;
        }
        self.levels[level].push(child);
        Ok(())
    }

    /// Makes the children that wait at `level` one node of the level above.
    fn raise(&mut self, level: usize) -> Result<(), S::Error> {
        let children = mem::take(&mut self.levels[level]);
        let links: Vec<Link> = children.iter().map(|child| child.link).collect();
        let sizes: Vec<u64> = children.iter().map(|child| child.size).collect();
        let size = sizes.iter().sum();
        let message = node::encode_file(node::FILE_TYPE, &[], size, &sizes);
        let (cid, total) = self.node(&links, &message)?;
        let link = Link { cid, total };
        self.push(level + 1, Child { link, size })
    }

    /// Gives one dag-pb node to the sink; its CID and the bytes of its whole tree.
    fn node(&mut self, links: &[Link], message: &[u8]) -> Result<(Cid, u64), S::Error> {
        let bytes = node::encode(links, message);
        let cid = self.profile.leaves.name(&bytes);
        self.sink.put(&cid, &bytes)?;
        let below: u64 = links.iter().map(|link| link.total).sum();
        Ok((cid, below + bytes.len() as u64))
    }
}

/// Reads `source` to its end into blocks for `sink`.
///
/// # Errors
/// Those of reading; the sink's, turned into an [`io::Error`].
pub fn add<S: Sink>(profile: Profile, mut source: impl Read, sink: S) -> io::Result<Built>
where
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = Builder::new(profile, sink);
    loop {
        if builder.chunk.len() == profile.chunk {
            // Given on once there is more: into the next chunk it is read.
            let mut next = builder.spare.pop().unwrap_or_default();
            fill(&mut source, &mut next, profile.chunk)?;
            if next.is_empty() {
                break;
            }
            builder.give_on(next).map_err(io::Error::other)?;
        } else if fill(&mut source, &mut builder.chunk, profile.chunk)? == 0 {
            break;
        }
    }
    builder.finish().map_err(io::Error::other)
}

/// Reads until the chunk is full or the source at its end; how much was read.
fn fill(source: &mut impl Read, chunk: &mut Vec<u8>, full: usize) -> io::Result<usize> {
    let room = full - chunk.len();
    chunk.reserve_exact(room);
    source.by_ref().take(room as u64).read_to_end(chunk)
}
