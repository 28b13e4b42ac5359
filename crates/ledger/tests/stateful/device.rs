//! A ledger's place in memory: nothing here is about disks.

use ledger::Device;
use redb::StorageBackend;
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Clone, Default, Debug)]
pub struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for Memory {
    fn name(&self) -> &Path {
        Path::new("memory")
    }
    fn exists(&self) -> io::Result<bool> {
        Ok(!self.bytes().is_empty())
    }
    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        self.open()
    }
    fn rename(&self) -> io::Result<()> {
        Ok(())
    }
    fn sync_name(&self) -> io::Result<()> {
        Ok(())
    }
    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.clone()))
    }
    fn rewrite(&self) -> io::Result<()> {
        Ok(())
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = offset as usize;
        let bytes = self.bytes();
        let found = bytes.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.bytes().resize(length as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = offset as usize;
        let mut bytes = self.bytes();
        let place = bytes.get_mut(from..from + data.len());
        place
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        Ok(())
    }
}
