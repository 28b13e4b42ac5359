//! The index: a `redb` database that says where each block lies and who keeps it.
//!
//! It is checked whole when it is opened. After a failure of its file `redb` refuses
//! everything, for good; so the handle is let go of, and a fresh one starts at the last
//! change that was made.

mod rows;
mod storage;
mod tables;
mod view;

pub(super) use self::{
    rows::{Awaited, Row, Rows},
    view::{PackFacts, View},
};

use self::storage::{Health, Storage};
use crate::disk::Disk;
use redb::{Database, DatabaseError, Durability, ReadableDatabase as _};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    thread,
    time::{Duration, Instant},
};

/// The index of one store. Any number of threads read, one at a time writes.
pub(super) struct Index {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    slot: RwLock<Slot>,
    /// Held by who changes something, until its fate is known; the number of its change.
    writing: Mutex<u64>,
}

/// The open database, or what is left of the last one.
enum Slot {
    Open(Arc<Handle>),
    /// Somebody may still use the old handle: two on one file would destroy it.
    Left {
        handle: Weak<Handle>,
        unsynced: bool,
    },
}

struct Handle {
    database: Database,
    health: Arc<Health>,
}

impl Index {
    /// Makes a new, empty index that does not have its name yet, whole and synced.
    pub(super) fn create(disk: &dyn Disk, path: &Path) -> io::Result<()> {
        let health = Arc::default();
        let database = database(Storage::new(disk.create(path)?, &health)).map_err(fault)?;
        let transaction = begin(&database)?;
        Rows::open(&transaction)?;
        transaction.commit().map_err(fault)
    }

    /// Opens the index at `path`.
    ///
    /// # Errors
    /// `InvalidData` if the file is damaged.
    pub(super) fn open(disk: &Arc<dyn Disk>, path: &Path) -> io::Result<Self> {
        let handle = Handle::open(&**disk, path)?;
        let index = Self {
            disk: Arc::clone(disk),
            path: path.to_owned(),
            slot: RwLock::new(Slot::Open(Arc::new(handle))),
            writing: Mutex::default(),
        };
        let last = index.read(|view| view.last_change())?;
        *index.writing.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(index)
    }

    /// Reads: all that `look` sees belongs to one moment.
    pub(super) fn read<T>(&self, look: impl FnOnce(&View) -> io::Result<T>) -> io::Result<T> {
        let handle = self.handle()?;
        let transaction = handle.database.begin_read().map_err(fault)?;
        look(&View::new(transaction))
    }

    /// Changes: all of it, durably, or nothing. If the last step fails, the index is opened
    /// again to see which; only if that fails too can nobody tell.
    pub(super) fn change<T>(
        &self,
        work: impl FnOnce(&mut Rows<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.write(Durability::Immediate, work)
    }

    /// As [`Index::change`], but durable only with the next change.
    pub(super) fn note<T>(
        &self,
        work: impl FnOnce(&mut Rows<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.write(Durability::None, work)
    }

    /// Reads every page from the disk and compares its checksum. Nobody else uses the index
    /// meanwhile: some tenths of a second for each GiB of it.
    ///
    /// # Errors
    /// `InvalidData` if the file is damaged.
    pub(super) fn check(&self) -> io::Result<()> {
        drop(self.handle()?);
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        let Slot::Open(handle) = &mut *slot else {
            return Ok(()); // it failed since, and is checked when it is opened again
        };
        // Who came before is done soon; nobody comes after.
        let begun = Instant::now();
        while Arc::strong_count(handle) > 1 && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        let Some(handle) = Arc::get_mut(handle) else {
            return Ok(()); // a very long pin: next time
        };
        let checked = handle.database.check_integrity().map_err(fault);
        if checked.is_err() {
            handle.health.fail();
        }
        checked.map(drop)
    }

    fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Rows<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        *writing += 1;
        let handle = self.handle()?;
        let mut transaction = begin(&handle.database)?;
        if matches!(durability, Durability::None) {
            transaction.set_durability(durability).map_err(fault)?;
        }
        let mut rows = Rows::open(&transaction)?;
        let done = work(&mut rows)?;
        rows.number(*writing)?;
        drop(rows);
        if let Err(error) = transaction.commit() {
            handle.health.fail();
            drop(handle);
            if !self.is_last(*writing) {
                return Err(fault(error));
            }
        }
        Ok(done)
    }

    /// After a failure: whether this change is there all the same, durably.
    fn is_last(&self, change: u64) -> bool {
        let begun = Instant::now();
        loop {
            match self.read(|view| view.last_change()) {
                Ok(last) => return last == change,
                // Others let go of the old handle soon.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(_) => return false,
            }
            if begun.elapsed() > PATIENCE {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn handle(&self) -> io::Result<Arc<Handle>> {
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = slot.sound() {
            return Ok(handle);
        }
        drop(slot);
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = slot.sound() {
            return Ok(handle);
        }
        if let Slot::Open(handle) = &*slot {
            *slot = Slot::Left {
                handle: Arc::downgrade(handle),
                unsynced: handle.health.unsynced(),
            };
        }
        if let Slot::Left { handle, unsynced } = &mut *slot {
            if handle.strong_count() > 0 {
                let reason = "the index is being opened again";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason));
            }
            if *unsynced {
                rewrite(&*self.disk, &self.path)?;
                *unsynced = false;
            }
        }
        let handle = Arc::new(Handle::open(&*self.disk, &self.path)?);
        *slot = Slot::Open(Arc::clone(&handle));
        Ok(handle)
    }
}

impl Slot {
    fn sound(&self) -> Option<Arc<Handle>> {
        match self {
            Self::Open(handle) if !handle.health.failed() => Some(Arc::clone(handle)),
            _ => None,
        }
    }
}

impl Handle {
    fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let health = Arc::default();
        let file = disk.open(path)?;
        if file.length()? == 0 {
            // `redb` would make a new one of it.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
        }
        let database = database(Storage::new(file, &health)).map_err(fault)?;
        Ok(Self { database, health })
    }
}

/// Opens what is in the storage, after a look at every page, or makes it if it is empty.
fn database(storage: Storage) -> Result<Database, DatabaseError> {
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE);
    builder.set_check_integrity_on_open(true);
    builder.create_with_backend(storage)
}

fn begin(database: &Database) -> io::Result<redb::WriteTransaction> {
    let transaction = database.begin_write().map_err(fault)?;
    Ok(transaction)
}

/// Writes every byte once more, as it reads, and syncs: after a sync that failed only what
/// is written anew will be synced again.
fn rewrite(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let file = disk.open(path)?;
    let length = file.length()?;
    let mut at = 0;
    while at < length {
        let count = (length - at).min(1 << 20);
        let bytes = file.read_vec(at, count as usize)?;
        file.write_at(at, &bytes)?;
        at += count;
    }
    file.sync_data()
}

/// What the database says, as the machine would.
pub(super) fn fault(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        redb::Error::Corrupted(reason) => io::Error::new(io::ErrorKind::InvalidData, reason),
        other => io::Error::other(other),
    }
}

/// Two tables contradict each other, which no change of ours leaves behind.
fn torn(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the index is damaged: {what}"),
    )
}

/// How long is waited for those who use the index.
const PATIENCE: Duration = Duration::from_secs(10);
/// Memory for the index's pages.
const CACHE: usize = 8 << 20;
