//! The files that hold blocks, by number: making, finding, reading, removing them.

use super::{
    key::Key,
    record::{PACK_HEAD, Place},
};
use crate::{
    MAX_BLOCK, block,
    disk::{Disk, DiskFile},
};
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The packs of one store.
pub(super) struct Packs {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    next: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Files that were read last, the newest at the end.
    recent: Vec<(u64, Arc<dyn DiskFile>)>,
    /// Packs that somebody writes to, or has written what is not in the index yet.
    in_use: HashSet<u64>,
}

/// A pack that is written to. While one of these lives the pack is not removed.
pub(super) struct Pack {
    number: u64,
    file: Arc<dyn DiskFile>,
    packs: Arc<Packs>,
}

impl Packs {
    /// The packs in `folder`; new ones are numbered from `next`.
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf, next: u64) -> Self {
        Self {
            disk,
            folder,
            next: AtomicU64::new(next),
            open: Mutex::default(),
        }
    }

    /// A new pack with nothing in it, whose name is durable.
    pub(super) fn create(self: &Arc<Self>) -> io::Result<Pack> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path(number);
        let file: Arc<dyn DiskFile> = self.disk.create(&path)?.into();
        let begun = file
            .write_at(0, PACK_HEAD)
            .and_then(|()| self.disk.sync_dir(&self.folder));
        if let Err(error) = begun {
            let _ = self.disk.remove(&path); // at the next start otherwise
            return Err(error);
        }
        let mut open = self.open();
        open.in_use.insert(number);
        open.keep(number, &file);
        drop(open);
        Ok(Pack {
            number,
            file,
            packs: Arc::clone(self),
        })
    }

    /// Whether somebody writes to the pack. One that is not written to never is again.
    pub(super) fn in_use(&self, pack: u64) -> bool {
        self.open().in_use.contains(&pack)
    }

    /// Reads a block's bytes, whatever they are.
    ///
    /// # Errors
    /// `NotFound` or `UnexpectedEof` if the pack, or this part of it, is not there;
    /// `InvalidData` for a place where no block can be.
    pub(super) fn read(&self, place: &Place) -> io::Result<Vec<u8>> {
        let length = place.length as usize;
        if length > MAX_BLOCK {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.file(place.pack)?.read_vec(place.offset, length)
    }

    /// A block's bytes, `None` if they are missing or are not the block's.
    pub(super) fn block(&self, key: &Key, place: &Place) -> io::Result<Option<Vec<u8>>> {
        match self.read(place) {
            Ok(bytes) => Ok(block::check(&key.cid(), &bytes).is_ok().then_some(bytes)),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn file(&self, pack: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.open();
        if let Some(at) = open.recent.iter().position(|(number, _)| *number == pack) {
            let found = open.recent.remove(at);
            let file = Arc::clone(&found.1);
            open.recent.push(found);
            return Ok(file);
        }
        drop(open);
        let file: Arc<dyn DiskFile> = self.disk.open(&self.path(pack))?.into();
        self.open().keep(pack, &file);
        Ok(file)
    }

    /// Removes a pack; one that is not there is no error. It is cut to nothing first, so
    /// that no file that somebody still has open keeps the bytes. Durable after
    /// [`Packs::sync_names`].
    pub(super) fn remove(&self, pack: u64) -> io::Result<()> {
        let path = self.path(pack);
        let removed = self
            .disk
            .open(&path)
            .and_then(|file| file.set_length(0))
            .and_then(|()| self.disk.remove(&path));
        self.open().recent.retain(|(number, _)| *number != pack);
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_dir(&self.folder)
    }

    fn path(&self, pack: u64) -> PathBuf {
        self.folder.join(format!("{pack:016x}.pack"))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn keep(&mut self, pack: u64, file: &Arc<dyn DiskFile>) {
        if self.recent.len() >= OPEN_FILES {
            self.recent.remove(0);
        }
        self.recent.push((pack, Arc::clone(file)));
    }
}

impl Pack {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        self.packs.open().in_use.remove(&self.number);
    }
}

/// The number that a pack's file name spells, `None` for other files.
pub(super) fn parse(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".pack")?;
    let number = u64::from_str_radix(name, 16).ok()?;
    (format!("{number:016x}") == name).then_some(number)
}

/// Whether a failed reading means that there is nothing to be read, on a disk that works.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    )
}

/// Files that are kept open for reading.
const OPEN_FILES: usize = 64;
