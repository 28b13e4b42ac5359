//! An open database, and opening it.

use redb::{Builder, Database, Error, StorageBackend as _};
use std::{
    fmt, io,
    ops::Deref,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    checked::{Checked, Watch},
    device::Device,
    held::Held,
    version::{self, OpenError},
};

/// A database that opens itself anew after its storage failed, and never again once it
/// was found damaged. Shared between threads.
pub struct Tables {
    device: Arc<dyn Device>,
    cache: usize,
    version: u32,
    slot: RwLock<Option<Arc<Handle>>>,
    /// A sync failed, and nothing was written anew since.
    unsynced: AtomicBool,
    damage: OnceLock<String>,
}

/// An open database. It is held while it is used, not longer: after a failure nobody gets
/// a new one before the last holder has let go.
#[derive(Debug)]
pub struct Handle {
    database: Database,
    watch: Arc<Watch>,
}

impl Handle {
    /// Nothing is written before the version is known and `fits` had a look.
    fn open<E: From<OpenError>>(
        device: &dyn Device,
        cache: usize,
        version: u32,
        fits: impl FnOnce(&Database) -> Result<(), E>,
    ) -> Result<Self, E> {
        let open = || -> Result<(Held, Self), OpenError> {
            let storage = Held::new(device.open()?)?;
            if storage.len()? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let handle = Self::on(Box::new(storage.clone()), cache)?;
            version::expect(&handle.database, version)?;
            Ok((storage, handle))
        };
        let (storage, handle) = open()?;
        fits(&handle.database)?;
        storage.release().map_err(OpenError::from)?;
        Ok(handle)
    }

    fn on(storage: Box<dyn redb::StorageBackend>, cache: usize) -> Result<Self, Error> {
        let (checked, watch) = Checked::new(storage);
        let database = Builder::new()
            .set_cache_size(cache)
            .set_check_integrity_on_open(true)
            .create_with_backend(checked);
        match database {
            Ok(database) => {
                watch.is_verified();
                Ok(Self { database, watch })
            }
            // In redb's words it is a failed read.
            Err(_) if watch.damage().is_some() => {
                let what = watch.damage().unwrap_or_default();
                Err(Error::Corrupted(what.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Something that was written through this handle failed: whatever it shows is not to be
    /// believed, and the next handle is a fresh one.
    pub fn give_up(&self) {
        self.watch.give_up();
    }
}

impl Deref for Handle {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Tables {
    /// Makes the database, whole or not at all, with tables of `version`: `first` writes
    /// what they begin with.
    ///
    /// # Errors
    /// As [`Tables::open`], and what `first` gives. Nothing has the name then, unless only
    /// opening it again failed.
    pub fn create<E: From<Error>>(
        device: Arc<dyn Device>,
        cache: usize,
        version: u32,
        first: impl FnOnce(&Database) -> Result<(), E>,
    ) -> Result<Self, E> {
        let handle = Handle::on(device.create().map_err(Error::from)?, cache)?;
        version::write_version(&handle.database, version)?;
        first(&handle.database)?;
        drop(handle); // redb syncs what it holds
        device.rename().map_err(Error::from)?;
        Ok(Self::open(device, cache, version).map_err(OpenError::into_database)?)
    }

    /// Opens the database, with tables of `version`, and verifies all of it. `cache` is the
    /// memory for pages, bytes.
    ///
    /// # Errors
    /// [`OpenError`], of redb's errors [`Error::Corrupted`], [`Error::UpgradeRequired`],
    /// [`Error::DatabaseAlreadyOpen`], [`Error::Io`]; the file is then as it was.
    pub fn open(device: Arc<dyn Device>, cache: usize, version: u32) -> Result<Self, OpenError> {
        Self::open_if(device, cache, version, |_| Ok(()))
    }

    /// [`Tables::open`], if the owner finds that the tables `fit`; the file is as it was if
    /// they do not.
    ///
    /// # Errors
    /// As [`Tables::open`], and what `fit` gives.
    pub fn open_if<E: From<OpenError>>(
        device: Arc<dyn Device>,
        cache: usize,
        version: u32,
        fit: impl FnOnce(&Database) -> Result<(), E>,
    ) -> Result<Self, E> {
        // Who gave it its name may have died before the name was durable.
        device.sync_name().map_err(OpenError::from)?;
        let handle = Handle::open(&*device, cache, version, fit)?;
        Ok(Self {
            device,
            cache,
            version,
            slot: RwLock::new(Some(Arc::new(handle))),
            unsynced: AtomicBool::new(false),
            damage: OnceLock::new(),
        })
    }

    /// The open database: the one there is, or after a failure a fresh one.
    ///
    /// # Errors
    /// [`Error::Corrupted`] once damage was found; [`Error::PreviousIo`] while somebody
    /// still holds the handle that failed; else as [`Tables::open`].
    pub fn handle(&self) -> Result<Arc<Handle>, Error> {
        self.not_found_damaged()?;
        let sound = |slot: &Option<Arc<Handle>>| {
            let handle = slot.as_ref()?;
            (!handle.watch.has_failed()).then(|| Arc::clone(handle))
        };
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = sound(&slot) {
            return Ok(handle);
        }
        drop(slot);
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = sound(&slot) {
            return Ok(handle);
        }
        if let Some(failed) = slot.take() {
            if failed.watch.sync_has_failed() {
                self.unsynced.store(true, Ordering::SeqCst);
            }
            if let Some(what) = failed.watch.damage() {
                let _ = self.damage.set(what.to_owned());
            }
            if let Err(used) = Arc::try_unwrap(failed) {
                *slot = Some(used);
                self.not_found_damaged()?;
                return Err(Error::PreviousIo);
            }
        }
        self.not_found_damaged()?;
        let handle = Arc::new(self.reopen()?);
        *slot = Some(Arc::clone(&handle));
        Ok(handle)
    }

    /// Nobody has it open. After a sync that failed, what reads well need not be on the
    /// disk: nobody is shown it before it is.
    fn reopen(&self) -> Result<Handle, Error> {
        if self.unsynced.load(Ordering::SeqCst) {
            self.device.rewrite()?;
            self.unsynced.store(false, Ordering::SeqCst);
        }
        let opened = Handle::open(&*self.device, self.cache, self.version, |_| Ok(()));
        opened
            .map_err(OpenError::into_database)
            .inspect_err(|error| {
                if let Error::Corrupted(what) = error {
                    let _ = self.damage.set(what.clone());
                }
            })
    }

    /// What is damaged, once it was found.
    pub fn damage(&self) -> Option<String> {
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        let open = slot.as_ref().and_then(|handle| handle.watch.damage());
        let found = self.damage.get().map(String::as_str);
        found.or(open).map(Into::into)
    }

    /// Reads up to `count` pages of 4 KiB from number `first` on, past all caches, and
    /// compares them with what was read or written before. Gives the number of the next
    /// page, none after the last.
    ///
    /// # Errors
    /// [`Error::Corrupted`] names the bytes that are damaged; [`Error::Io`].
    pub fn inspect(&self, first: usize, count: usize) -> Result<Option<usize>, Error> {
        self.not_found_damaged()?;
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        let Some(handle) = slot.clone() else {
            return Ok(None); // closed after a failure
        };
        drop(slot);
        for page in first..first + count {
            let looked = handle.watch.look_at(page);
            if let Some(what) = handle.watch.damage() {
                return Err(Error::Corrupted(what.to_owned()));
            }
            if !looked? {
                return Ok(None);
            }
        }
        Ok(Some(first + count))
    }

    fn not_found_damaged(&self) -> Result<(), Error> {
        let damage = self.damage.get();
        damage.map_or(Ok(()), |what| Err(Error::Corrupted(what.clone())))
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({})", self.device.name().display())
    }
}
