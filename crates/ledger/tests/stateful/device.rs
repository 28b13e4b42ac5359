//! A ledger's place in memory, which forgets what was not synced when it loses power.

use ledger::Device;
use redb::StorageBackend;
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Clone, Default, Debug)]
pub struct Memory(Arc<Mutex<Bytes>>);

#[derive(Default, Debug)]
struct Bytes {
    now: Vec<u8>,
    /// What was changed since the last sync, as it was before.
    before: Vec<Before>,
    /// How often the power was lost.
    losses: u64,
}

/// The memory, until the power is lost.
#[derive(Debug)]
struct Open {
    memory: Memory,
    losses: u64,
}

#[derive(Debug)]
enum Before {
    Written { at: usize, bytes: Vec<u8> },
    Resized { length: usize, cut: Vec<u8> },
}

impl Memory {
    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was not synced is as it was before. Who has it open gets at it no more.
    pub fn lose_power(&self) {
        let mut bytes = self.bytes();
        bytes.losses += 1;
        while let Some(before) = bytes.before.pop() {
            match before {
                Before::Written { at, bytes: old } => {
                    bytes.now[at..at + old.len()].copy_from_slice(&old);
                }
                Before::Resized { length, cut } => {
                    bytes.now.resize(length, 0);
                    bytes.now[length - cut.len()..].copy_from_slice(&cut);
                }
            }
        }
    }
}

impl Device for Memory {
    fn name(&self) -> &Path {
        Path::new("memory")
    }
    fn exists(&self) -> io::Result<bool> {
        Ok(!self.bytes().now.is_empty())
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
        let losses = self.bytes().losses;
        let memory = self.clone();
        Ok(Box::new(Open { memory, losses }))
    }
    fn rewrite(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Open {
    fn bytes(&self) -> io::Result<MutexGuard<'_, Bytes>> {
        let bytes = self.memory.bytes();
        match bytes.losses == self.losses {
            true => Ok(bytes),
            false => Err(io::Error::other("the power was lost")),
        }
    }
}

impl StorageBackend for Open {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes()?.now.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = offset as usize;
        let bytes = self.bytes()?;
        let found = bytes.now.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut bytes = self.bytes()?;
        let (old, new) = (bytes.now.len(), length as usize);
        let cut = bytes.now.get(new..).unwrap_or_default().to_vec();
        bytes.before.push(Before::Resized { length: old, cut });
        bytes.now.resize(new, 0);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.bytes()?.before.clear();
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = offset as usize;
        let mut bytes = self.bytes()?;
        let place = bytes.now.get_mut(at..at + data.len());
        let place = place.ok_or(io::ErrorKind::UnexpectedEof)?;
        let old = place.to_vec();
        place.copy_from_slice(data);
        bytes.before.push(Before::Written { at, bytes: old });
        Ok(())
    }
}
