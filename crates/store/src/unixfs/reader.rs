//! From a tree of blocks to a stream of bytes, with seeking.
//!
//! Nothing a block declares is believed: sizes are compared with what is there, depth is
//! limited, and a part of the tree that is not a file's stops the read with its CID.

use super::node::{Link, Node};
use crate::{GetError, Source};
use base::cid::{self, Cid};
use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
};

/// Nodes on the way from the root to a leaf, at most. Five levels of 174 links and 256 KiB
/// hold 40 PB; a deeper tree is an attack.
const MAX_DEPTH: usize = 16;

/// Reads a file. Holds one leaf and the nodes above it: a few MiB at most for trees of the
/// usual widths, [`MAX_BLOCK`](crate::MAX_BLOCK) times the depth for hostile ones.
///
/// An [`io::Error`] of a read holds the [`GetError`] that names the block.
pub struct Reader<S> {
    source: S,
    size: u64,
    position: u64,
    /// From the root down; each the child of the one before.
    path: Vec<Inner>,
    leaf: Leaf,
}

/// An inner node and the range of the file that it covers.
struct Inner {
    cid: Cid,
    /// Where each child begins in the file, and the links in the same order.
    starts: Vec<u64>,
    links: Vec<Link>,
    end: u64,
}

/// The bytes around the position, or none yet.
#[derive(Default)]
struct Leaf {
    start: u64,
    bytes: Vec<u8>,
}

/// What a block of a file turns out to be.
enum Part {
    Leaf(Vec<u8>),
    Inner(Inner),
}

impl<S: Source> Reader<S> {
    /// Opens the file with this root.
    ///
    /// # Errors
    /// [`GetError`] if the root is missing, damaged, or not a file.
    pub fn open(source: S, root: Cid) -> Result<Self, GetError> {
        let mut reader = Self {
            source,
            size: 0,
            position: 0,
            path: Vec::new(),
            leaf: Leaf::default(),
        };
        match reader.part(&root, 0)? {
            Part::Leaf(bytes) => {
                reader.size = bytes.len() as u64;
                reader.leaf.bytes = bytes;
            }
            Part::Inner(inner) => {
                reader.size = inner.end;
                reader.path.push(inner);
            }
        }
        Ok(reader)
    }

    /// Bytes of the file. As its root declares; a read that finds another number fails.
    pub const fn size(&self) -> u64 {
        self.size
    }

    fn part(&self, cid: &Cid, start: u64) -> Result<Part, GetError> {
        let bytes = self.source.block(cid)?;
        if cid.codec() == cid::RAW {
            return Ok(Part::Leaf(bytes));
        }
        let malformed = |reason: String| GetError::Malformed { cid: *cid, reason };
        if cid.codec() != cid::DAG_PB {
            return Err(malformed("it is an object, not a file".to_owned()));
        }
        let node = Node::decode(&bytes).map_err(|error| malformed(error.to_string()))?;
        let file = node.file().map_err(|error| malformed(error.to_string()))?;
        if node.links.is_empty() {
            return Ok(Part::Leaf(file.data));
        }
        if !file.data.is_empty() {
            return Err(malformed("it holds both bytes and links".to_owned()));
        }
        let end = start
            .checked_add(file.size)
            .ok_or_else(|| malformed("its size passes 64 bits".to_owned()))?;
        let mut next = start;
        let starts = file.block_sizes.iter().map(|size| {
            let this = next;
            next += size; // at most `end`: `Node::file` compared the sum
            this
        });
        Ok(Part::Inner(Inner {
            cid: *cid,
            starts: starts.collect(),
            links: node.links,
            end,
        }))
    }

    /// Makes `leaf` the one that holds `position`, which is before the end of the file.
    fn descend(&mut self) -> Result<(), GetError> {
        let position = self.position;
        while self.path.len() > 1
            && self
                .path
                .last()
                .is_some_and(|inner| position < inner.starts[0] || position >= inner.end)
        {
            self.path.pop();
        }
        // Released before the next is read: one leaf at a time.
        self.leaf = Leaf::default();
        while let Some(inner) = self.path.last() {
            if self.path.len() > MAX_DEPTH {
                return Err(GetError::Malformed {
                    cid: inner.cid,
                    reason: format!("the tree has more than {MAX_DEPTH} levels"),
                });
            }
            // The last child that begins at or before the position: children of no bytes
            // before it are passed over.
            let index = inner.starts.partition_point(|start| *start <= position) - 1;
            let (link, start) = (inner.links[index], inner.starts[index]);
            let end = inner.starts.get(index + 1).copied().unwrap_or(inner.end);
            let part = self.part(&link.cid, start)?;
            let actual = match &part {
                Part::Leaf(bytes) => bytes.len() as u64,
                Part::Inner(inner) => inner.end - start,
            };
            if actual != end - start {
                return Err(GetError::Malformed {
                    cid: link.cid,
                    reason: format!("it has {actual} bytes, its parent says {}", end - start),
                });
            }
            match part {
                Part::Leaf(bytes) => {
                    self.leaf = Leaf { start, bytes };
                    return Ok(());
                }
                Part::Inner(inner) => self.path.push(inner),
            }
        }
        Ok(()) // a file of one leaf, which is never released: see `read`
    }
}

impl<S: Source> Read for Reader<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size || out.is_empty() {
            return Ok(0);
        }
        let end = self.leaf.start + self.leaf.bytes.len() as u64;
        if self.position < self.leaf.start || self.position >= end {
            self.descend().map_err(into_io)?;
        }
        // Inside the leaf, so the difference is less than its length.
        let from = (self.position - self.leaf.start) as usize;
        let rest = self.leaf.bytes.get(from..).unwrap_or_default();
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl<S: Source> Seek for Reader<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "seek before the file's start")
        })?;
        Ok(self.position)
    }
}

impl<S> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("size", &self.size)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn into_io(error: GetError) -> io::Error {
    let kind = match &error {
        GetError::Missing(_) => io::ErrorKind::NotFound,
        GetError::Io { source, .. } => source.kind(),
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}
