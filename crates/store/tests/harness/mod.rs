//! What the tests of the store share: generated content and a disk that fails on command.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};
use store::disk::{Disk, DiskFile};

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
#[derive(Clone, Default)]
pub struct FaultDisk(Arc<Mutex<State>>);

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
    operations: u64,
    /// From this operation on, every one that needs room fails.
    full_from: Option<u64>,
    /// From this operation on, nothing answers.
    dead_from: Option<u64>,
}

impl FaultDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
    pub fn operations(&self) -> u64 {
        self.state().operations
    }
    pub fn full_from(&self, operation: Option<u64>) {
        self.state().full_from = operation;
    }
    pub fn dead_from(&self, operation: Option<u64>) {
        self.state().dead_from = operation;
    }

    /// Power is lost and comes back. Of what was not synced, `keep` decides name by name
    /// and file by file what reached the disk all the same.
    pub fn crash(&self, mut keep: impl FnMut() -> bool) {
        let mut state = self.state();
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
        let state = self.state();
        let bytes = |file: &u64| state.files[file].0.clone();
        state
            .names
            .iter()
            .map(|(path, file)| (path.clone(), bytes(file)))
            .collect()
    }

    /// The packs of the store, with their bytes.
    pub fn packs(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = self.files().into_iter();
        files
            .filter(|(path, _)| path.starts_with("/store/packs"))
            .collect()
    }

    /// Changes a file behind the store's back.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[path];
        change(&mut state.files.get_mut(&file).unwrap().0);
    }

    /// Changes a block where it lies in a pack.
    pub fn damage_block(&self, block: &[u8], change: impl FnOnce(&mut [u8])) {
        let place = self.packs().into_iter().find_map(|(path, pack)| {
            let mut windows = pack.windows(block.len());
            let at = windows.position(|window| window == block)?;
            Some((path, at))
        });
        let (path, at) = place.expect("the block is in a pack");
        self.damage(&path, |bytes| change(&mut bytes[at..at + block.len()]));
    }

    fn handle(&self, number: u64) -> Box<dyn DiskFile> {
        Box::new(FaultFile {
            disk: self.clone(),
            number,
        })
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead_from.is_some_and(|from| self.operations >= from) {
            return Err(io::Error::other("the power is out"));
        }
        Ok(())
    }

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
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !state.folders.contains(path.parent().unwrap()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.step(true)?;
        let number = state.next;
        state.next += 1;
        state.files.insert(number, (Vec::new(), None));
        state.names.insert(path.to_owned(), number);
        Ok(self.handle(number))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        state.alive()?;
        let number = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(number))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(false)?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(false)?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
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
        let mut state = self.state();
        state.folders.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        state.alive()?;
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

struct FaultFile {
    disk: FaultDisk,
    number: u64,
}

impl FaultFile {
    fn bytes<T>(&self, look: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut state = self.disk.state();
        look(&mut state.files.get_mut(&self.number).unwrap().0)
    }
}

impl DiskFile for FaultFile {
    fn length(&self) -> io::Result<u64> {
        self.disk.state().alive()?;
        Ok(self.bytes(|bytes| bytes.len() as u64))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.state().alive()?;
        self.bytes(|bytes| {
            let from = offset as usize;
            let found = bytes
                .get(from..from + out.len())
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(found);
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, new: &[u8]) -> io::Result<()> {
        self.disk.state().alive()?;
        let room = self.disk.state().step(true);
        // Of a write that finds no room, a part is there.
        let new = match room {
            Ok(()) => new,
            Err(_) => &new[..new.len() / 2],
        };
        self.bytes(|bytes| {
            let end = offset as usize + new.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[offset as usize..end].copy_from_slice(new);
        });
        room
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let is_longer = self.bytes(|bytes| bytes.len() as u64) < length;
        self.disk.state().step(is_longer)?;
        self.bytes(|bytes| bytes.resize(length as usize, 0));
        Ok(())
    }

    fn destroy(&self, offset: u64, length: u64) -> io::Result<()> {
        self.disk.state().step(false)?;
        self.bytes(|bytes| {
            let end = bytes.len().min((offset + length) as usize);
            bytes[(offset as usize).min(end)..end].fill(0);
        });
        Ok(())
    }

    fn complete(&self, _: u64, _: u64) {}

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(true)?;
        let (bytes, synced) = state.files.get_mut(&self.number).unwrap();
        *synced = Some(bytes.clone());
        Ok(())
    }
}
