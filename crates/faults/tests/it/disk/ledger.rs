//! The simulated disk as the ledger and its database see it.

use super::{Change, SimDisk};
use ::ledger::Device;
use redb::{BackendError, StorageBackend};
use std::{
    io,
    ops::Bound,
    path::{Path, PathBuf},
};
use store::disk::Disk as _;

/// A ledger's place on the simulated disk.
pub struct SimDevice {
    disk: SimDisk,
    path: PathBuf,
}

impl SimDevice {
    pub fn new(disk: &SimDisk, path: &Path) -> Self {
        Self {
            disk: disk.clone(),
            path: path.to_path_buf(),
        }
    }

    fn unfinished(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    fn storage(&self, file: usize) -> Box<dyn StorageBackend> {
        let mut state = self.disk.state();
        state.handles += 1;
        Box::new(Storage {
            disk: self.disk.clone(),
            file,
            handle: state.handles,
        })
    }
}

impl Device for SimDevice {
    fn name(&self) -> &Path {
        &self.path
    }

    fn exists(&self) -> io::Result<bool> {
        let mut state = self.disk.state();
        state.read()?;
        Ok(state.names.contains_key(&self.path))
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        let _ = self.disk.remove(&self.unfinished());
        let file = self.disk.state().new_file(&self.unfinished())?;
        Ok(self.storage(file))
    }

    fn rename(&self) -> io::Result<()> {
        self.disk.rename(&self.unfinished(), &self.path)
    }

    fn sync_name(&self) -> io::Result<()> {
        self.disk.sync_dir(self.path.parent().unwrap())
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        let file = self.disk.state().file(&self.path)?;
        Ok(self.storage(file))
    }

    fn rewrite(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let file = state.file(&self.path)?;
        let bytes = state.files[file].live.clone();
        state.change(file, Change::Write { offset: 0, bytes })?;
        state.sync_file(file)
    }
}

struct Storage {
    disk: SimDisk,
    file: usize,
    handle: u64,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {} by handle {}", self.file, self.handle)
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.read()?;
        Ok(state.files[self.file].live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.read()?;
        let bytes = &state.files[self.file].live;
        let from = usize::try_from(offset).unwrap();
        let found = bytes
            .get(from..from + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap();
        self.disk.state().change(self.file, Change::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync_file(self.file)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let change = Change::Write {
            offset: usize::try_from(offset).unwrap(),
            bytes: data.to_vec(),
        };
        self.disk.state().change(self.file, change)
    }

    fn close(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.holders.get(&self.file) == Some(&self.handle) {
            state.holders.remove(&self.file);
        }
        Ok(())
    }

    /// Whatever range is asked for, the whole file is locked.
    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        let mut state = self.disk.state();
        let holder = state.holders.entry(self.file).or_insert(self.handle);
        Ok(*holder == self.handle)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}
