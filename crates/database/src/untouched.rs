//! A device that is only looked at.

use redb::StorageBackend;
use std::{io, path::Path};

use crate::{device::Device, held::Held};

/// Another device, which stays as it is to the byte: a file on it is opened, verified, even
/// repaired and written to, and all of that stays in memory.
#[derive(Clone, Debug)]
pub struct Untouched<D>(pub D);

impl<D: Device> Device for Untouched<D> {
    fn name(&self) -> &Path {
        self.0.name()
    }

    fn exists(&self) -> io::Result<bool> {
        self.0.exists()
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_name(&self) -> io::Result<()> {
        Ok(())
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(Held::new(self.0.open()?)?)) // never released
    }

    fn rewrite(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
