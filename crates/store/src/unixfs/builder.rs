//! From a stream of bytes to a tree of blocks, one chunk in memory at a time.
//!
//! `levels[0]` holds the leaves that have no parent yet, `levels[1]` the nodes above them,
//! and so on; a full level becomes one node of the next. At the end each level that is
//! left becomes a node, so that all leaves lie at one depth, until one node stands alone.

use super::{
    Leaves, Profile,
    node::{self, Link},
};
use crate::Sink;
use base::cid::{self, Cid};
use std::{
    convert::Infallible,
    io::{self, Read},
    mem,
};

/// Takes a file's bytes in any portions and gives its blocks to a [`Sink`], children first.
///
/// Memory: one chunk and, for each level of the tree, the links of one node.
pub struct Builder<S> {
    profile: Profile,
    sink: S,
    chunk: Vec<u8>,
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
                self.leaf()?;
            }
            if self.chunk.is_empty() && bytes.len() > full {
                let (chunk, rest) = bytes.split_at(full);
                self.leaf_of(chunk)?; // straight from the caller's bytes
                bytes = rest;
                continue;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(full - self.chunk.len()));
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
        if self.levels.is_empty() {
            return self.single();
        }
        self.leaf()?;
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
        let size = self.chunk.len() as u64;
        let (cid, total) = match self.profile.leaves {
            Leaves::Raw => {
                let cid = cid::of_block(cid::RAW, &self.chunk);
                self.sink.put(&cid, &self.chunk)?;
                (cid, size)
            }
            Leaves::Wrapped => self.node(
                &[],
                &node::encode_file(node::FILE_TYPE, &self.chunk, size, &[]),
            )?,
        };
        Ok(Built { cid, size, total })
    }

    fn leaf(&mut self) -> Result<(), S::Error> {
        let chunk = mem::take(&mut self.chunk);
        self.leaf_of(&chunk)?;
        self.chunk = chunk;
        self.chunk.clear();
        Ok(())
    }

    fn leaf_of(&mut self, chunk: &[u8]) -> Result<(), S::Error> {
        let size = chunk.len() as u64;
        let (cid, total) = match self.profile.leaves {
            Leaves::Raw => {
                let cid = cid::of_block(cid::RAW, chunk);
                self.sink.put(&cid, chunk)?;
                (cid, size)
            }
            Leaves::Wrapped => {
                self.node(&[], &node::encode_file(node::FILE_TYPE, chunk, size, &[]))?
            }
        };
        self.size += size;
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
        let cid = cid::of_block(cid::DAG_PB, &bytes);
        let cid = match self.profile.leaves {
            Leaves::Raw => cid,
            // Of dag-pb with SHA2-256 every CID has the form of version 0.
            Leaves::Wrapped => Cid::new_v0(*cid.hash()).unwrap_or(cid),
        };
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
    let mut portion = vec![0; 64 << 10];
    loop {
        match source.read(&mut portion) {
            Ok(0) => return builder.finish().map_err(io::Error::other),
            Ok(count) => builder.write(&portion[..count]).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
