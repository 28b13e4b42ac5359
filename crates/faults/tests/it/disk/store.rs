//! The simulated disk as the block store sees it.

use super::{Change, Kind, Names, Node, SimDisk};
use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};
use store::disk::{Disk, FileFacts};

impl Disk for SimDisk {
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.dead {
            return Err(io::Error::other("the power is out"));
        }
        let file = state.new_file(path)?;
        let bytes = bytes.to_vec();
        state.change(file, Change::Write { offset: 0, bytes })
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let file = state.file(path)?;
        state.sync_file(file)
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

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.read()?;
        let file = state.file(path)?;
        let bytes = &state.files[file].live;
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.clone())
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let state = self.state();
        if state.dead {
            return Err(io::Error::other("the power is out"));
        }
        let file = state.file(path)?;
        Ok(FileFacts {
            length: state.files[file].live.len() as u64,
            modified: SystemTime::UNIX_EPOCH, // old: what is not pinned is collected
        })
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let state = self.state();
        if state.dead {
            return Err(io::Error::other("the power is out"));
        }
        state.file(path).map(drop)
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
