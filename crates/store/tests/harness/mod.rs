//! What the tests of the store share: generated content and a disk that fails on command.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::SystemTime,
};
use store::disk::{Disk, FileFacts};

/// The generated file of `vectors/unixfs.py`.
pub fn content(size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 32);
    for number in 0u64.. {
        if bytes.len() >= size {
            break;
        }
        bytes.extend_from_slice(&Sha256::digest(number.to_le_bytes()));
    }
    bytes.truncate(size);
    bytes
}

/// A disk in memory that fails when told to and forgets at a crash what was not synced.
#[derive(Default)]
pub struct FaultDisk(Mutex<State>);

#[derive(Default)]
struct State {
    /// Files by number: bytes now, bytes that survive.
    files: BTreeMap<u64, (Vec<u8>, Option<Vec<u8>>)>,
    /// Names now, and names that survive.
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    folders: BTreeSet<PathBuf>,
    next: u64,
    /// Operations that change something, so far.
    pub operations: u64,
    /// From this operation on, every one that needs room fails.
    full_from: Option<u64>,
    /// From this operation on, nothing answers.
    dead_from: Option<u64>,
}

impl FaultDisk {
    pub fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }
    pub fn full_from(&self, operation: Option<u64>) {
        self.0.lock().unwrap().full_from = operation;
    }
    pub fn dead_from(&self, operation: Option<u64>) {
        self.0.lock().unwrap().dead_from = operation;
    }

    /// Power is lost and comes back. Of what was not synced, `keep` decides name by name
    /// and file by file what reached the disk all the same.
    pub fn crash(&self, mut keep: impl FnMut() -> bool) {
        let mut state = self.0.lock().unwrap();
        let state = &mut *state;
        let changed: BTreeSet<_> = state
            .names
            .keys()
            .chain(state.durable.keys())
            .cloned()
            .collect();
        for path in changed {
            let (now, before) = (state.names.get(&path), state.durable.get(&path));
            if now != before && keep() {
                match now.copied() {
                    Some(file) => state.durable.insert(path, file),
                    None => state.durable.remove(&path),
                };
            }
        }
        state.names = state.durable.clone();
        for (bytes, synced) in state.files.values_mut() {
            if synced.as_ref() != Some(bytes) && !keep() {
                // Some of what was written, or the length without the bytes.
                *bytes = synced.clone().unwrap_or_else(|| vec![0; bytes.len() / 2]);
            }
            *synced = Some(bytes.clone());
        }
        state.dead_from = None;
        state.full_from = None;
    }

    /// Every name with its bytes.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.lock().unwrap();
        let bytes = |file: &u64| state.files[file].0.clone();
        state
            .names
            .iter()
            .map(|(path, file)| (path.clone(), bytes(file)))
            .collect()
    }

    /// Changes a file behind the store's back.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock().unwrap();
        let file = state.names[path];
        change(&mut state.files.get_mut(&file).unwrap().0);
    }
}

impl State {
    fn step(&mut self, needs_room: bool) -> io::Result<()> {
        let this = self.operations;
        self.operations += 1;
        if self.dead_from.is_some_and(|from| this >= from) {
            return Err(io::Error::other("the power is out"));
        }
        if needs_room && self.full_from.is_some_and(|from| this >= from) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<&mut (Vec<u8>, Option<Vec<u8>>)> {
        let file = self.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.files.get_mut(file).unwrap())
    }
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.dead_from.is_some_and(|from| state.operations >= from) {
            return state.step(false);
        }
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !state.folders.contains(path.parent().unwrap()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let room = state.step(true);
        let number = state.next;
        state.next += 1;
        let written = if room.is_ok() {
            bytes
        } else {
            &bytes[..bytes.len() / 2]
        };
        state.files.insert(number, (written.to_owned(), None));
        state.names.insert(path.to_owned(), number);
        room
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step(true)?;
        let (bytes, synced) = state.file(path)?;
        *synced = Some(bytes.clone());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step(false)?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step(false)?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step(false)?;
        let state = &mut *state;
        state.durable.retain(|name, _| name.parent() != Some(path));
        let here = state
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(path));
        state
            .durable
            .extend(here.map(|(name, file)| (name.clone(), *file)));
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.folders.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut state = self.0.lock().unwrap();
        let bytes = state.file(path)?.0.clone();
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let mut state = self.0.lock().unwrap();
        let length = state.file(path)?.0.len() as u64;
        Ok(FileFacts {
            length,
            modified: SystemTime::UNIX_EPOCH,
        })
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step(false)?;
        state.file(path).map(drop)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.0.lock().unwrap();
        if !state.folders.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = state.names.keys().chain(&state.folders);
        Ok(names
            .filter(|name| name.parent() == Some(path))
            .cloned()
            .collect())
    }
}
