//! The store on this machine's disk: one file a block, one file a pin.
//!
//! ```text
//! format           "medshare-store 1"
//! lock             held by the one process that has the store open
//! blocks/7f/bafk…  a block, under the last byte of its digest and its version 1 CID
//! pins/bafy…       "1 <pins>": version of the line, number of pins of this root
//! tmp/             files on their way; emptied when the store is opened
//! ```
//! A file gets its name under `blocks` or `pins` only after its bytes are durable, in one
//! rename, and the folder is synced before the call returns: a crash or a full disk leaves
//! a block whole or absent. [`BlockStore::gc`] and [`BlockStore::pin`] exclude each other.

mod batch;
mod collect;
mod layout;
mod pins;

use self::{batch::DiskBatch, layout::Layout, pins::Pins};
use crate::{
    Absent, Batch, BlockStore, Collected, GcError, GetError, MAX_BLOCK, PutError, Source,
    block::{self, Mismatch},
    disk::{Disk, OsDisk},
};
use base::cid::Cid;
use std::{
    fmt,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};
use thiserror::Error;

/// A store of blocks in a folder of this machine.
pub struct Embedded {
    disk: Arc<dyn Disk>,
    layout: Layout,
    pins: Mutex<Pins>,
    /// Held for writing while [`BlockStore::gc`] deletes, for reading while a block that
    /// may be up for deletion is found to be there already.
    sweep: RwLock<()>,
    _lock: Option<File>,
}

/// Why a store was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error("the store {0} is in use by another process; stop that one first")]
    InUse(PathBuf),
    /// The folder holds something else.
    #[error("{folder} is not a store of this version: {reason}")]
    Foreign {
        /// The folder.
        folder: PathBuf,
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
        let lock = File::create(folder.join(layout::LOCK)).map_err(io)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse(folder.to_owned()),
            TryLockError::Error(source) => io(source),
        })?;
        let mut store = Self::open_on(Arc::new(OsDisk), folder)?;
        store._lock = Some(lock);
        Ok(store)
    }

    /// Opens the store in `folder` of another disk, with no lock against other processes.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_on(disk: Arc<dyn Disk>, folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let layout = Layout::open(&*disk, folder.as_ref())?;
        let pins = Pins::load(&*disk, &layout)?;
        Ok(Self {
            disk,
            layout,
            pins: Mutex::new(pins),
            sweep: RwLock::new(()),
            _lock: None,
        })
    }

    /// Gives a block that is here already a new time, so that it is safe from
    /// [`BlockStore::gc`], and its name durability. `false` if it is not here, or damaged.
    fn refresh(&self, path: &Path, bytes: &[u8]) -> Result<bool, PutError> {
        let _guard = self.sweep.read().unwrap_or_else(PoisonError::into_inner);
        match self.disk.facts(path) {
            Ok(facts) if facts.length == bytes.len() as u64 => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        // A copy that cannot be read is as good as damaged: it is written again.
        if !matches!(self.disk.read(path, MAX_BLOCK), Ok(held) if held == bytes) {
            return Ok(false);
        }
        self.disk.touch(path)?;
        Ok(true)
    }

    fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockStore for Embedded {
    fn put(&self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let mut batch = DiskBatch::new(self);
        batch.put(cid, bytes)?;
        batch.finish()
    }

    fn batch(&self) -> Box<dyn Batch + '_> {
        Box::new(DiskBatch::new(self))
    }

    fn get(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        let path = self.block_path(cid)?;
        let bytes = self
            .disk
            .read(&path, MAX_BLOCK)
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => GetError::Missing(*cid),
                io::ErrorKind::FileTooLarge => GetError::Damaged(*cid),
                _ => GetError::Io { cid: *cid, source },
            })?;
        match block::check(cid, &bytes) {
            Ok(()) => Ok(bytes),
            Err(Mismatch::Hash) => Err(GetError::Damaged(*cid)),
            Err(Mismatch::Unsupported) => Err(GetError::Unsupported(*cid)),
        }
    }

    fn size(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        match self.disk.facts(&self.block_path(cid)?) {
            Ok(facts) => Ok(Some(facts.length)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(GetError::Io { cid: *cid, source }),
        }
    }

    fn roots_of(&self, cid: &Cid) -> Result<Vec<Cid>, GetError> {
        self.block_path(cid)?;
        let mut roots = Vec::new();
        for root in Self::pins(self).roots() {
            if collect::reached(self, root)?.contains(&block::digest(cid).unwrap_or_default()) {
                roots.push(*root);
            }
        }
        Ok(roots)
    }

    fn delete(&self, cid: &Cid) -> Result<bool, PutError> {
        let path = self.layout.block(cid).ok_or(PutError::Unsupported(*cid))?;
        let found = match self.disk.remove(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        // Also if it was gone: who removed it may have died before this.
        self.disk.sync_dir(layout::parent(&path))?;
        Ok(found)
    }

    fn pin(&self, root: &Cid) -> Result<u64, PutError> {
        block::digest(root).ok_or(PutError::Unsupported(*root))?;
        self.pins().add(&*self.disk, &self.layout, root)
    }

    fn unpin(&self, root: &Cid) -> Result<u64, PutError> {
        let mut pins = Self::pins(self);
        let left = pins.take(&*self.disk, &self.layout, root)?;
        if left == 0 {
            collect::release(self, &pins, root)?;
        }
        Ok(left)
    }

    fn pins(&self) -> io::Result<Vec<(Cid, u64)>> {
        Ok(Self::pins(self).list())
    }

    fn gc(&self, grace: Duration, absent: Absent) -> Result<Collected, GcError> {
        collect::collect(self, grace, absent)
    }
}

impl Embedded {
    fn block_path(&self, cid: &Cid) -> Result<PathBuf, GetError> {
        self.layout.block(cid).ok_or(GetError::Unsupported(*cid))
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
