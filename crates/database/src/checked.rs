//! What stands between redb and its storage: it seals the header, compares what is read
//! with what is known of it, and notes what failed. redb refuses everything after the first
//! failure, for good, but only what it must read anew; [`crate::Tables`] wants to know at
//! once, to start afresh.

use redb::{BackendError, StorageBackend};
use std::{
    io,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    pages::{PAGE, Pages, checksum},
    seal::{self, FRONT, HEADER, REPEATED, SEALED, Seal, Verdict},
};

/// A storage that is watched over; redb has one half of it, its owner the other.
#[derive(Clone, Debug)]
pub(crate) struct Checked(Arc<Watch>);

/// What is known of a storage.
#[derive(Debug)]
pub(crate) struct Watch {
    storage: Box<dyn StorageBackend>,
    pages: Pages,
    header: Mutex<HeaderSeal>,
    failed: AtomicBool,
    sync_failed: AtomicBool,
    damage: OnceLock<String>,
}

/// Where the header's seal stands.
#[derive(Debug, Default)]
struct HeaderSeal {
    /// Of the header that was written last, once.
    written: Option<Seal>,
    /// Whether it was synced since.
    synced: bool,
    /// Whether redb has verified the file: while it opens one, it writes and syncs a header
    /// before it has looked whether the commit is whole that the header leads to.
    verified: bool,
}

impl Checked {
    pub(crate) fn new(storage: Box<dyn StorageBackend>) -> (Self, Arc<Watch>) {
        let watch = Arc::new(Watch {
            storage,
            pages: Pages::default(),
            header: Mutex::default(),
            failed: AtomicBool::new(false),
            sync_failed: AtomicBool::new(false),
            damage: OnceLock::new(),
        });
        (Self(Arc::clone(&watch)), watch)
    }
}

impl Watch {
    /// Something failed: redb will not go on.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// A sync failed: what reads well need not be on the disk.
    pub(crate) fn sync_has_failed(&self) -> bool {
        self.sync_failed.load(Ordering::SeqCst)
    }

    /// What was found damaged.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// Lets go of this storage: nothing of it is to be believed any more.
    pub(crate) fn give_up(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Reads one page and compares it with what is known of it; `false` beyond the last.
    pub(crate) fn look_at(&self, page: usize) -> io::Result<bool> {
        if page >= self.pages.count() {
            return Ok(false);
        }
        let Some(known) = self.pages.known(page) else {
            return Ok(true);
        };
        let mut bytes = [0; PAGE];
        let read = self.storage.read((page * PAGE) as u64, &mut bytes);
        // Written or cut off meanwhile: then it says nothing.
        if self.pages.known(page) != Some(known) {
            return Ok(true);
        }
        read?;
        if checksum(&bytes) != known {
            self.reread(page as u64 * PAGE as u64, &mut bytes)?;
        }
        Ok(true)
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.failed.store(true, Ordering::SeqCst);
        }
        result
    }

    fn damaged(&self, what: String) -> io::Error {
        let what = self.damage.get_or_init(|| what).clone();
        self.failed.store(true, Ordering::SeqCst);
        io::Error::new(io::ErrorKind::InvalidData, what)
    }

    fn read_header(&self, out: &mut [u8]) -> io::Result<()> {
        let mut front = [0; FRONT];
        if self.storage.len()? < FRONT as u64 {
            return self.storage.read(0, out);
        }
        self.storage.read(0, &mut front)?;
        let verdict = seal::judge(&front);
        let (header, _) = front.split_at_mut(out.len());
        match verdict {
            Verdict::Damaged => return Err(self.damaged("its header is damaged".into())),
            Verdict::Durable => seal::mark_durable(header),
            Verdict::Sealed | Verdict::Unsealed => {}
        }
        out.copy_from_slice(header);
        Ok(())
    }

    /// The storage may have erred once; what it says twice is damage.
    fn reread(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        thread::sleep(PAUSE);
        self.storage.read(offset, out)?;
        if self.pages.agree(offset, out) {
            return Ok(());
        }
        let end = offset + out.len() as u64;
        Err(self.damaged(format!("its bytes {offset} to {end} are damaged")))
    }

    fn write_header(&self, header: &[u8]) -> io::Result<()> {
        let seal = seal::seal(header);
        let mut sealed = [0; SEALED];
        sealed[..HEADER].copy_from_slice(header);
        sealed[HEADER..].copy_from_slice(&seal);
        self.storage.write(0, &sealed)?;
        let mut header = self.header();
        (header.written, header.synced) = (Some(seal), false);
        Ok(())
    }

    /// The file was verified as it is: from now on a synced header is a durable one.
    pub(crate) fn is_verified(&self) {
        let mut header = self.header();
        header.verified = true;
        self.repeat_seal(&mut header);
    }

    fn synced(&self) {
        let mut header = self.header();
        header.synced = true;
        self.repeat_seal(&mut header);
    }

    /// Writes the seal once more, without a sync of its own. Should that fail, the header
    /// counts as in flight.
    fn repeat_seal(&self, header: &mut HeaderSeal) {
        if header.synced
            && header.verified
            && let Some(seal) = header.written.take()
        {
            let _ = self.storage.write(REPEATED as u64, &seal);
        }
    }

    fn header(&self) -> MutexGuard<'_, HeaderSeal> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Checked {
    fn len(&self) -> io::Result<u64> {
        self.0.note(self.0.storage.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let watch = &self.0;
        if offset == 0 && out.len() <= HEADER {
            return watch.note(watch.read_header(out));
        }
        watch.note(watch.storage.read(offset, out))?;
        if watch.pages.agree(offset, out) {
            return Ok(());
        }
        watch.note(watch.reread(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.pages.cut(len);
        self.0.note(self.0.storage.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let watch = &self.0;
        if let Err(error) = watch.storage.sync_data() {
            watch.sync_failed.store(true, Ordering::SeqCst);
            return watch.note(Err(error));
        }
        watch.synced();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let watch = &self.0;
        if offset == 0 && data.len() == HEADER {
            return watch.note(watch.write_header(data));
        }
        watch.pages.forget(offset, data.len());
        watch.note(watch.storage.write(offset, data))?;
        watch.pages.learn(offset, data);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.0.storage.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.storage.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.storage.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.storage.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.storage.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.storage.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.storage.query_lock_range(start, end)
    }
}

/// Before a page that reads differently is read again.
const PAUSE: Duration = Duration::from_millis(5);
