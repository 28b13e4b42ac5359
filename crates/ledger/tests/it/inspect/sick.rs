//! A file that cannot be read any more after some reads.

use ledger::{Device, FileDevice};
use redb::StorageBackend;
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Reads that are left.
#[derive(Clone, Debug)]
struct Left(Arc<AtomicU64>);

#[derive(Clone)]
pub struct Sick {
    file: FileDevice,
    left: Left,
}

impl Sick {
    /// Well until told.
    pub fn new(path: &Path) -> Self {
        Self {
            file: FileDevice::new(path),
            left: Left(Arc::new(AtomicU64::new(u64::MAX))),
        }
    }

    pub fn fail_after(&self, reads: u64) {
        self.left.0.store(reads, Relaxed);
    }

    fn on(&self, storage: Box<dyn StorageBackend>) -> Box<dyn StorageBackend> {
        let left = self.left.clone();
        Box::new(Storage { storage, left })
    }
}

impl Device for Sick {
    fn name(&self) -> &Path {
        self.file.name()
    }
    fn exists(&self) -> io::Result<bool> {
        self.file.exists()
    }
    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(self.on(self.file.create()?))
    }
    fn rename(&self) -> io::Result<()> {
        self.file.rename()
    }
    fn sync_name(&self) -> io::Result<()> {
        self.file.sync_name()
    }
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(self.on(self.file.open()?))
    }
    fn rewrite(&self) -> io::Result<()> {
        self.file.rewrite()
    }
}

#[derive(Debug)]
struct Storage {
    storage: Box<dyn StorageBackend>,
    left: Left,
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let left = |left: u64| left.checked_sub(1);
        match self.left.0.fetch_update(Relaxed, Relaxed, left) {
            Ok(_) => self.storage.read(offset, out),
            Err(_) => Err(io::Error::other("the disk cannot be read")),
        }
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.storage.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.storage.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.storage.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.storage.close()
    }
}
