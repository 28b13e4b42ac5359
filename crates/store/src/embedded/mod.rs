//! The store on this machine's disk: blocks in packs, one index.
//!
//! ```text
//! format          "medshare-store 2"
//! lock            held by the one process that has the store open
//! index.redb      where each block lies, who keeps it, what is to be destroyed
//! packs/….pack    blocks, one after the other
//! ```
//! A batch is written from front to end: a big one into packs of its own, a small one into
//! the pack that all share. One sync makes it durable, then one change of the index makes
//! it known, so that a crash or a full disk leaves a block whole or absent. Threads that
//! commit at once are served by the same sync and the same change.

mod batch;
mod collect;
mod commit;
mod erase;
mod held;
mod index;
mod key;
mod layout;
mod packs;
mod reach;
mod record;
mod reindex;
mod scrub;
mod shared;
mod writer;

use self::{
    batch::DiskBatch,
    commit::{Committer, Refused},
    erase::Chores,
    held::Held,
    index::{Index, PackFacts},
    key::Key,
    layout::Layout,
    packs::Packs,
    shared::Shared,
};
use crate::{
    Absent, Batch, BlockStore, Collected, GcError, GetError, PutError, Source,
    block::{self, Mismatch},
    disk::{Disk, OsDisk, Untouched},
};
use base::cid::Cid;
use std::{
    fmt,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use thiserror::Error;

/// A store of blocks in a folder of this machine.
pub struct Embedded {
    layout: Layout,
    index: Index,
    packs: Arc<Packs>,
    shared: Shared,
    committer: Committer,
    held: Held,
    chores: Chores,
    _lock: Option<File>,
}

/// Why a store was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error("the store {0} is in use by another process; stop that one first")]
    InUse(PathBuf),
    /// The folder is a store of a format of the future.
    #[error("{}: format version {found} is not known here, only {known} is: use the medshare that wrote it, or a newer one", folder.join(layout::FORMAT).display())]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: u64,
        /// The one that this program reads.
        known: u32,
    },
    /// The folder holds something else.
    #[error("{folder} is not a store of this version: {reason}")]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The index is missing, or its bytes are not what was written.
    #[error("the index {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The machine failed.
    #[error("the store {folder} could not be opened: {source}")]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the machine said.
        source: io::Error,
    },
}

/// A store that is looked at.
#[derive(Debug)]
pub struct Looked {
    /// The store; its changes stay in memory.
    pub store: Embedded,
    /// How many blocks its index names.
    pub blocks: u64,
    /// Files that a crash left: opening the store for use removes them.
    pub leftovers: Vec<PathBuf>,
}

impl Embedded {
    /// Opens the store in `folder`, which is created if it is not there, and holds it
    /// until dropped: no other process can open it meanwhile.
    ///
    /// # Errors
    /// [`OpenError`]; a folder that holds anything else is left as it is.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = folder.as_ref();
        let io = |source| OpenError::Io {
            folder: folder.to_owned(),
            source,
        };
        OsDisk.create_dir(folder).map_err(io)?;
        Layout::refuse_foreign(&OsDisk, folder)?;
        let lock = lock(folder)?;
        let mut store = Self::open_on(Arc::new(OsDisk), folder)?;
        store._lock = Some(lock);
        Ok(store)
    }

    /// Opens the store in `folder` to look at it: nothing in the folder changes, whatever is
    /// done with the store. A scrub begins at the front.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn look(folder: impl AsRef<Path>) -> Result<Looked, OpenError> {
        let folder = folder.as_ref();
        let disk = Untouched::new(Arc::new(OsDisk));
        let store = Self::open_on(Arc::new(disk.clone()), folder)?;
        let io = |source| OpenError::Io {
            folder: folder.to_owned(),
            source,
        };
        store.index.note(|rows| rows.scrubbed(None)).map_err(io)?;
        let blocks = store.index.read(|view| view.blocks()).map_err(io)?;
        Ok(Looked {
            store,
            blocks,
            leftovers: disk.removed(),
        })
    }

    /// Looks whether `folder` is, or can become, a store of this format. Nothing is touched.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn check_format(folder: impl AsRef<Path>) -> Result<(), OpenError> {
        Layout::refuse_foreign(&OsDisk, folder.as_ref())
    }

    /// Opens the store in `folder` of another disk, with no lock against other processes.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_on(disk: Arc<dyn Disk>, folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let layout = Layout::open(&*disk, folder.as_ref())?;
        let (store, files, known) = Self::assemble(disk, layout)?;
        store.survey(&files, &known);
        // What was forgotten before a crash; what fails now is tried again by the next.
        let _ = store.destroy().and_then(|()| store.close_gaps());
        Ok(store)
    }

    /// The store, the packs whose files are there, and those that the index knows.
    fn assemble(
        disk: Arc<dyn Disk>,
        layout: Layout,
    ) -> Result<(Self, Vec<u64>, Vec<PackFacts>), OpenError> {
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::NotFound => OpenError::Damaged {
                path: layout.index().to_owned(),
                reason: source.to_string(),
            },
            _ => OpenError::Io {
                folder: layout.folder().to_owned(),
                source,
            },
        };
        let index = Index::open(&disk, layout.index()).map_err(io)?;
        index.note(|rows| rows.drop_all_pending()).map_err(io)?;
        let files = layout.pack_files(&*disk).map_err(io)?;
        let known = index.read(|view| view.packs()).map_err(io)?;
        let last = files.iter().copied().max();
        let last = last.max(known.last().map(|facts| facts.pack));
        let next = last.map_or(1, |last| last.saturating_add(1));
        let packs = Packs::new(disk, layout.packs().to_owned(), next);
        let store = Self {
            layout,
            index,
            packs: Arc::new(packs),
            shared: Shared::default(),
            committer: Committer::default(),
            held: Held::default(),
            chores: Chores::default(),
            _lock: None,
        };
        Ok((store, files, known))
    }

    fn failed(cid: &Cid) -> impl Fn(io::Error) -> GetError {
        let cid = *cid;
        move |source| GetError::Io { cid, source }
    }
}

/// Takes a store's folder from other processes.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let io = |source| OpenError::Io {
        folder: folder.to_owned(),
        source,
    };
    let lock = File::create(folder.join(layout::LOCK)).map_err(io)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse(folder.to_owned()),
        TryLockError::Error(source) => io(source),
    })?;
    Ok(lock)
}

impl BlockStore for Embedded {
    fn put(&self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        loop {
            let mut batch = DiskBatch::new(self);
            batch.put(cid, bytes)?;
            match batch.finish() {
                Err(Refused::Erased(_)) => {} // while it was being stored again
                done => return Ok(done?),
            }
        }
    }

    fn batch(&self) -> Box<dyn Batch + '_> {
        Box::new(DiskBatch::new(self))
    }

    fn get(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        let key = Key::of(cid).ok_or(GetError::Unsupported(*cid))?;
        let failed = Self::failed(cid);
        let mut last = None;
        loop {
            let row = self.index.read(|view| view.block(&key)).map_err(&failed)?;
            let place = row.ok_or(GetError::Missing(*cid))?.place;
            if last == Some(place) {
                return Err(GetError::Damaged(*cid));
            }
            match self.packs.read(&place) {
                Ok(bytes) => match block::check(cid, &bytes) {
                    Ok(()) => return Ok(bytes),
                    Err(Mismatch::Hash) => {}
                    Err(Mismatch::Unsupported) => return Err(GetError::Unsupported(*cid)),
                },
                Err(error) if packs::is_damage(&error) => {}
                Err(source) => return Err(failed(source)),
            }
            // It may have been moved or erased since the look into the index.
            last = Some(place);
        }
    }

    fn size(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        let key = Key::of(cid).ok_or(GetError::Unsupported(*cid))?;
        let row = self.index.read(|view| view.block(&key));
        let row = row.map_err(Self::failed(cid))?;
        Ok(row.map(|row| row.place.length.into()))
    }

    fn roots_of(&self, cid: &Cid) -> Result<Vec<Cid>, GetError> {
        let key = Key::of(cid).ok_or(GetError::Unsupported(*cid))?;
        let roots = self.index.read(|view| view.roots_of(&key));
        let roots = roots.map_err(Self::failed(cid))?;
        Ok(roots.iter().map(Key::cid).collect())
    }

    fn delete(&self, cid: &Cid) -> Result<bool, PutError> {
        let key = Key::of(cid).ok_or(PutError::Unsupported(*cid))?;
        let was_there = self.index.change(|rows| rows.erase(&key))?;
        self.destroy()?;
        Ok(was_there)
    }

    fn pin(&self, root: &Cid) -> Result<u64, PutError> {
        let key = Key::of(root).ok_or(PutError::Unsupported(*root))?;
        Ok(self.index.change(|rows| {
            let count = rows.pin(&key)?;
            rows.follow(&|key, place| self.packs.block(key, place))?;
            Ok(count)
        })?)
    }

    fn unpin(&self, root: &Cid) -> Result<u64, PutError> {
        let key = Key::of(root).ok_or(PutError::NotPinned(*root))?;
        let held = self.held.lock();
        let left = self
            .index
            .change(|rows| rows.unpin(&key, now(), &|key| held.contains_key(key)))?;
        drop(held);
        let left = left.ok_or(PutError::NotPinned(*root))?;
        if left == 0 {
            self.destroy()?;
        }
        Ok(left)
    }

    fn pins(&self) -> io::Result<Vec<(Cid, u64)>> {
        let pins = self.index.read(|view| view.pins())?;
        Ok(pins
            .iter()
            .map(|(key, count)| (key.cid(), *count))
            .collect())
    }

    fn gc(&self, grace: Duration, absent: Absent) -> Result<Collected, GcError> {
        self.collect(grace, absent)
    }
}

impl Source for Embedded {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        self.get(cid)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("folder", &self.layout.folder())
            .finish_non_exhaustive()
    }
}

/// Milliseconds since 1970, at least 1: 0 is no time.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .map_or(1, |since| {
            since.as_millis().try_into().unwrap_or(u64::MAX - 1)
        })
        .max(1)
}
