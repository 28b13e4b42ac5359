//! The index's file as `redb` sees it, and whether anything about it failed.

use crate::disk::DiskFile;
use redb::StorageBackend;
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What became of a file since it was opened.
#[derive(Default)]
pub(super) struct Health {
    failed: AtomicBool,
    unsynced: AtomicBool,
}

impl Health {
    /// Something failed: `redb` will refuse everything that it does not hold in memory.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// A sync failed: what reads well need not be on the disk, and will not be synced again
    /// unless it is written again.
    pub(super) fn unsynced(&self) -> bool {
        self.unsynced.load(Ordering::SeqCst)
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }
}

/// A file as storage of `redb`. Locking is left to the store's own lock file.
pub(super) struct Storage {
    file: Box<dyn DiskFile>,
    health: Arc<Health>,
}

impl Storage {
    pub(super) fn new(file: Box<dyn DiskFile>, health: &Arc<Health>) -> Self {
        Self {
            file,
            health: Arc::clone(health),
        }
    }

    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.health.fail();
        }
        result
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.noted(self.file.length())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.noted(self.file.read_at(offset, out))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.noted(self.file.set_length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.noted(self.file.sync_data());
        if synced.is_err() {
            self.health.unsynced.store(true, Ordering::SeqCst);
        }
        synced
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.noted(self.file.write_at(offset, bytes))
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store's index")
    }
}
