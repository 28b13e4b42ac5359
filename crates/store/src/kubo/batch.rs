//! Blocks on their way into a Kubo: written into a CAR beside it, sent in one call when all are there.
//!
//! A Kubo shows every block as soon as it has read it and keeps what it has read when a call breaks off; the CAR on
//! our side is why a batch that is dropped leaves nothing behind, and why a slow sender holds no call open.

use super::{
    Kubo,
    index::{self, Key},
    rpc::Call,
};
use crate::{
    Batch, MAX_BLOCK, PutError,
    block::{self, Mismatch},
    car,
};
use base::cid::Cid;
use serde::Deserialize;
use std::{
    collections::HashSet,
    io::{self, Seek as _, Write as _},
};
use tempfile::SpooledTempFile;

/// A batch of [`Kubo`].
pub(super) struct KuboBatch<'a> {
    store: &'a Kubo,
    /// In memory while small; in a file without a name, which is gone when we are.
    car: SpooledTempFile,
    length: u64,
    taken: HashSet<Key>,
    bytes: u64,
}

impl<'a> KuboBatch<'a> {
    pub(super) fn new(store: &'a Kubo) -> Self {
        Self {
            store,
            car: tempfile::spooled_tempfile_in(IN_MEMORY, store.folder()),
            length: 0,
            taken: HashSet::new(),
            bytes: 0,
        }
    }

    fn write(&mut self, section: &[u8]) -> io::Result<()> {
        self.length += section.len() as u64;
        self.car.write_all(section)
    }
}

impl Batch for KuboBatch<'_> {
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        match block::check(cid, bytes) {
            Ok(()) => self.put_hashed(cid, bytes),
            Err(Mismatch::Hash) => Err(PutError::Mismatch(*cid)),
            Err(Mismatch::Unsupported) => Err(PutError::Unsupported(*cid)),
        }
    }

    fn put_hashed(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let key = index::key(cid).ok_or(PutError::Unsupported(*cid))?;
        if bytes.len() > MAX_BLOCK {
            return Err(PutError::TooLarge {
                cid: *cid,
                bytes: bytes.len(),
            });
        }
        if !self.taken.insert(key) {
            return Ok(());
        }
        if self.length == 0 {
            self.write(&car::header(&[]))?;
        }
        self.write(&car::section_head(cid, bytes.len()))?;
        self.write(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), PutError> {
        if self.taken.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = self.taken.drain().collect();
        // Before they come: from now on nothing deletes them but a collection that finds them old.
        self.store.announce(&keys)?;
        self.car.rewind()?;
        let call = Call::new("dag/import")
            .with("pin-roots", false)
            .with("fast-provide-root", false)
            .with("stats", true)
            .with("allow-big-block", true); // above 1 MiB; MAX_BLOCK is our own limit
        let mut told = None;
        let mut read = |line: Line| {
            told = line.stats.or(told.take());
            Ok(())
        };
        let rpc = &self.store.rpc;
        rpc.send(&call, &mut self.car, self.length, &mut read)
            .map_err(io::Error::from)?;
        let ours = Stats {
            block_count: keys.len() as u64,
            block_bytes_count: self.bytes,
        };
        if told != Some(ours) {
            let told = format!("it took {told:?} where {ours:?} was sent");
            return Err(io::Error::from(rpc.foreign(&told)).into());
        }
        self.store.adopt(&keys)
    }
}

/// A line of the answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    #[serde(default)]
    stats: Option<Stats>,
}

#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stats {
    block_count: u64,
    block_bytes_count: u64,
}

/// Largest CAR that is not written to a file.
const IN_MEMORY: usize = 1 << 20;
