//! Blocks on their way in: written under `tmp`, synced, renamed, folders synced.

use super::{Embedded, layout};
use crate::{
    Batch, MAX_BLOCK, PutError,
    block::{self, Mismatch},
};
use base::cid::Cid;
use std::{
    collections::{BTreeSet, HashSet},
    io,
    path::{Path, PathBuf},
    sync::PoisonError,
    thread,
};

/// A batch of [`Embedded`]; [`DiskBatch::finish`] is its commit.
pub(super) struct DiskBatch<'a> {
    store: &'a Embedded,
    /// Where each new block lies now, and where it belongs.
    waiting: Vec<(PathBuf, PathBuf)>,
    /// The blocks taken so far.
    taken: HashSet<PathBuf>,
    /// The folders whose names are to be made durable.
    folders: BTreeSet<PathBuf>,
}

impl<'a> DiskBatch<'a> {
    pub(super) fn new(store: &'a Embedded) -> Self {
        Self {
            store,
            waiting: Vec::new(),
            taken: HashSet::new(),
            folders: BTreeSet::new(),
        }
    }

    /// Makes every block readable and durable. Syncing after all is written lets the disk
    /// work while later blocks arrive; syncing several at once lets one journal commit
    /// serve them all.
    pub(super) fn finish(mut self) -> Result<(), PutError> {
        let disk = &*self.store.disk;
        let files: Vec<&Path> = self.waiting.iter().map(|(tmp, _)| &**tmp).collect();
        together(&files, |tmp| disk.sync_file(tmp))?;
        {
            let sweep = &self.store.sweep;
            let _guard = sweep.read().unwrap_or_else(PoisonError::into_inner);
            while let Some((tmp, path)) = self.waiting.last() {
                disk.rename(tmp, path)?;
                self.waiting.pop();
            }
        }
        let folders: Vec<&Path> = self.folders.iter().map(|folder| &**folder).collect();
        together(&folders, |folder| disk.sync_dir(folder))?;
        Ok(())
    }
}

/// Does `sync` to every path, several at once. Returns when all are done, with an error if
/// there was one.
fn together(paths: &[&Path], sync: impl Fn(&Path) -> io::Result<()> + Sync) -> io::Result<()> {
    let some = &|paths: &[&Path]| paths.iter().try_for_each(|path| sync(path));
    let mut shares = paths.chunks(paths.len().div_ceil(AT_ONCE).max(1));
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| {
                let spawned = thread::Builder::new().spawn_scoped(scope, move || some(share));
                spawned.map_err(|_| some(share)) // no thread to be had: done here
            })
            .collect();
        others.into_iter().fold(some(own), |done, other| {
            let other = match other {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a thread of the store panicked"))),
                Err(done) => done,
            };
            done.and(other)
        })
    })
}

/// Syncs that run at once.
const AT_ONCE: usize = 8;

impl Batch for DiskBatch<'_> {
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        match block::check(cid, bytes) {
            Ok(()) => self.put_hashed(cid, bytes),
            Err(Mismatch::Hash) => Err(PutError::Mismatch(*cid)),
            Err(Mismatch::Unsupported) => Err(PutError::Unsupported(*cid)),
        }
    }

    fn put_hashed(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let path = self
            .store
            .layout
            .block(cid)
            .ok_or(PutError::Unsupported(*cid))?;
        if bytes.len() > MAX_BLOCK {
            return Err(PutError::TooLarge {
                cid: *cid,
                bytes: bytes.len(),
            });
        }
        if self.taken.contains(&path) {
            return Ok(());
        }
        if !self.store.refresh(&path, bytes)? {
            let tmp = self.store.layout.temporary();
            // In the list before it exists: a file written in part is removed with it.
            self.waiting.push((tmp.clone(), path.clone()));
            self.store.disk.create(&tmp, bytes)?;
        }
        self.folders.insert(layout::parent(&path).to_owned());
        self.taken.insert(path);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), PutError> {
        self.finish()
    }
}

impl Drop for DiskBatch<'_> {
    fn drop(&mut self) {
        for (tmp, _) in &self.waiting {
            let _ = self.store.disk.remove(tmp); // swept at the next start otherwise
        }
    }
}
