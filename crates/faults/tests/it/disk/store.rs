//! The simulated disk as the block store sees it.

use super::{Change, Kind, Names, Node, SimDisk};
use std::{
    io,
    path::{Path, PathBuf},
};
use store::disk::{Disk, DiskFile};

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if state.dead {
            return Err(io::Error::other("the power is out"));
        }
        let file = state.new_file(path)?;
        let cut = state.step()?;
        let count = state.counts.changes;
        if cut {
            return Err(io::Error::other("the power went"));
        }
        if let Err(full) = state.failing(Kind::Room, count) {
            state.names.remove(path);
            return Err(full);
        }
        Ok(Box::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.read()?;
        let file = state.file(path)?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let file = state.file(from)?;
        let cut = state.step()?;
        state.names.remove(from);
        state.names.insert(to.to_path_buf(), Node::File(file));
        if cut {
            return Err(io::Error::other("the power went"));
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.file(path)?;
        let cut = state.step()?;
        state.names.remove(path);
        if cut {
            return Err(io::Error::other("the power went"));
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.names.get(path) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if state.step()? {
            return Err(io::Error::other("the power went"));
        }
        // A folder whose sync failed stays as it was: its journal stopped.
        state.counts.syncs += 1;
        let count = state.counts.syncs;
        state.failing(Kind::Sync, count)?;
        let state = &mut *state;
        for name in children(&state.durable, path) {
            state.durable.remove(&name);
        }
        for name in children(&state.names, path) {
            let node = state.names[&name];
            state.durable.insert(name, node);
        }
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let missing: Vec<_> = path
            .ancestors()
            .filter(|folder| !state.names.contains_key(*folder))
            .map(Path::to_path_buf)
            .collect();
        for folder in missing {
            let cut = state.step()?;
            let count = state.counts.changes;
            state.failing(Kind::Room, count)?;
            state.names.insert(folder, Node::Folder);
            if cut {
                return Err(io::Error::other("the power went"));
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        state.read()?;
        if state.names.get(path) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(children(&state.names, path))
    }
}

struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.read()?;
        Ok(state.files[self.file].live.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.read()?;
        let from = usize::try_from(offset).unwrap();
        let found = state.files[self.file]
            .live
            .get(from..from + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let change = Change::Write {
            offset: usize::try_from(offset).unwrap(),
            bytes: bytes.to_vec(),
        };
        self.disk.state().change(self.file, change)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).unwrap();
        self.disk.state().change(self.file, Change::Length(length))
    }

    fn destroy(&self, offset: u64, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let end = (offset + length).min(state.files[self.file].live.len() as u64);
        let zeros = vec![0; end.saturating_sub(offset) as usize];
        let offset = usize::try_from(offset).unwrap();
        let change = Change::Write {
            offset,
            bytes: zeros,
        };
        state.change(self.file, change)
    }

    fn complete(&self, _: u64, _: u64) {}

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync_file(self.file)
    }
}

/// The names right in a folder. Paths are ordered by component, so they stand together.
fn children(names: &Names, folder: &Path) -> Vec<PathBuf> {
    let depth = folder.components().count() + 1;
    names
        .range(folder.to_path_buf()..)
        .map(|(name, _)| name)
        .take_while(|name| name.starts_with(folder))
        .filter(|name| name.components().count() == depth)
        .cloned()
        .collect()
}
