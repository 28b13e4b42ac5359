//! A disk in memory that remembers what was not synced. When the power goes, what becomes
//! of that is drawn by lot: dropped, kept, cut off within a write, any subset of writes,
//! any subset of sectors. Names live and die like bytes: a file or folder that nobody
//! synced into its folder may be gone. Operations can be made to fail.

#[path = "disk/ledger.rs"]
mod ledger;
#[path = "disk/lot.rs"]
mod lot;
#[path = "disk/store.rs"]
mod store;

use crate::random::Random;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

pub use self::{
    ledger::SimDevice,
    lot::{LOTS, Lot},
};

/// What a disk writes in one step.
pub const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node {
    File(usize),
    Folder,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Default)]
struct State {
    files: Vec<File>,
    names: Names,
    durable: Names,
    /// Who holds which file open as a database.
    holders: BTreeMap<usize, u64>,
    handles: u64,
    counts: Counts,
    failures: Vec<Failure>,
    power_off_at: Option<u64>,
    dead: bool,
}

#[derive(Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Changes since the last sync, oldest first.
    pending: Vec<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

/// Operations so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub changes: u64,
    pub reads: u64,
    pub syncs: u64,
}

/// What is made to fail, by the count of operations of that kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What needs room: writes, new files, longer files.
    Room,
    Read,
    /// A failed sync of a file loses what it was to make durable: it reads well, later
    /// syncs do not include it, and the disk has an arbitrary part of it.
    Sync,
}

#[derive(Clone, Copy, Debug)]
pub struct Failure {
    pub kind: Kind,
    /// First count that fails, and how many do.
    pub from: u64,
    pub times: u64,
    pub error: io::ErrorKind,
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write { offset, bytes: new } => {
                let end = offset + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(new);
            }
        }
    }
}

impl File {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }
}

impl SimDisk {
    /// A disk with one durable folder.
    pub fn new(folder: &Path) -> Self {
        let disk = Self::default();
        let mut state = disk.state();
        for path in folder.ancestors() {
            state.names.insert(path.to_path_buf(), Node::Folder);
        }
        state.durable = state.names.clone();
        drop(state);
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// The power goes when so many changes were made, in the middle of the last one.
    pub fn power_off_after(&self, changes: u64) {
        let mut state = self.state();
        state.power_off_at = Some(state.counts.changes + changes);
    }

    pub fn cut_power(&self) {
        self.state().dead = true;
    }

    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// From now on.
    pub fn fail(&self, failure: Failure) {
        self.state().failures.push(failure);
    }

    pub fn heal(&self) {
        self.state().failures.clear();
    }

    /// The bytes of the files right in a folder.
    pub fn files(&self, folder: &Path) -> Vec<Vec<u8>> {
        let state = self.state();
        let here = state.names.iter();
        here.filter(|(path, _)| path.parent() == Some(folder))
            .filter_map(|(_, node)| match node {
                Node::File(file) => Some(state.files[*file].live.clone()),
                Node::Folder => None,
            })
            .collect()
    }

    /// The process was killed: all that was written reads as before, synced or not.
    pub fn revive(&self) {
        let mut state = self.state();
        state.dead = false;
        state.power_off_at = None;
        state.holders.clear();
    }

    /// The power was lost and is back: what was not synced is drawn by lot.
    pub fn power_loss(&self, lot: Lot, random: &mut Random) {
        self.revive();
        let mut state = self.state();
        let state = &mut *state;
        lot::names(state, lot, random);
        for file in &mut state.files {
            lot::bytes(file, lot, random);
        }
    }
}

impl State {
    /// Fails if the power is out; counts a change. `true`: the power goes in its middle.
    fn step(&mut self) -> io::Result<bool> {
        if self.dead {
            return Err(io::Error::other("the power is out"));
        }
        self.counts.changes += 1;
        if self.power_off_at == Some(self.counts.changes) {
            self.dead = true;
        }
        Ok(self.dead)
    }

    fn failing(&mut self, kind: Kind, count: u64) -> io::Result<()> {
        let failure = self.failures.iter().find(|failure| {
            failure.kind == kind && (failure.from..failure.from + failure.times).contains(&count)
        });
        failure.map_or(Ok(()), |failure| Err(failure.error.into()))
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn new_file(&mut self, path: &Path) -> io::Result<usize> {
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if path.parent().and_then(|folder| self.names.get(folder)) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = self.files.len();
        self.files.push(File::default());
        self.names.insert(path.to_path_buf(), Node::File(file));
        Ok(file)
    }

    fn change(&mut self, file: usize, change: Change) -> io::Result<()> {
        let cut = self.step()?;
        let room = self.failing(Kind::Room, self.counts.changes);
        match change {
            // Of a write that finds no room, a part is there, in whole sectors.
            Change::Write { offset, mut bytes } if room.is_err() => {
                let end = (offset + bytes.len() / 2) / SECTOR * SECTOR;
                bytes.truncate(end.saturating_sub(offset));
                self.files[file].change(Change::Write { offset, bytes });
            }
            Change::Length(_) if room.is_err() => {}
            change => self.files[file].change(change),
        }
        if cut {
            return Err(io::Error::other("the power went"));
        }
        room
    }

    fn sync_file(&mut self, file: usize) -> io::Result<()> {
        if self.step()? {
            return Err(io::Error::other("the power went"));
        }
        self.counts.syncs += 1;
        if let Err(error) = self.failing(Kind::Sync, self.counts.syncs) {
            let mut random = Random::new(self.counts.changes);
            lot::lose(&mut self.files[file], &mut random);
            return Err(error);
        }
        self.files[file].sync();
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the power is out"));
        }
        self.counts.reads += 1;
        self.failing(Kind::Read, self.counts.reads)
    }
}
