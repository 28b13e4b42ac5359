//! A storage whose writes wait: a database is opened, even repaired after a crash, and
//! looked at before the first byte on the disk changes. `redb` writes as soon as it opens,
//! and a file of a newer version must stay as it is.
//!
//! Reads see what was written; [`Held::release`] does everything that waits, in its order,
//! and from then on every write goes through. Who never releases leaves the storage
//! untouched. In memory: the pages that `redb` wrote so far, twice.

use redb::{BackendError, StorageBackend};
use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A storage that holds back what is written to it. Clones are one storage.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    inner: Arc<dyn StorageBackend>,
    waiting: Arc<Mutex<Option<Waiting>>>,
}

/// What was not done yet.
#[derive(Debug)]
struct Waiting {
    length: u64,
    /// Bytes below this are still those of the storage, where no page covers them: what was
    /// cut off and grew again reads as zeros.
    kept: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
    todo: Vec<Todo>,
}

#[derive(Debug)]
enum Todo {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

impl Held {
    /// Holds back what is written to `inner`.
    ///
    /// # Errors
    /// When its length cannot be read.
    pub(crate) fn new(inner: Box<dyn StorageBackend>) -> io::Result<Self> {
        let length = inner.len()?;
        Ok(Self {
            inner: inner.into(),
            waiting: Arc::new(Mutex::new(Some(Waiting {
                length,
                kept: length,
                pages: BTreeMap::new(),
                todo: Vec::new(),
            }))),
        })
    }

    /// Does what waits, in its order, and holds nothing back from now on.
    ///
    /// # Errors
    /// The storage's own; a part is done then, as after a crash at that point, and
    /// everything later is held back still.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut waiting = self.waiting();
        for todo in waiting.iter().flat_map(|waiting| &waiting.todo) {
            match todo {
                Todo::Write(offset, bytes) => self.inner.write(*offset, bytes)?,
                Todo::Length(length) => self.inner.set_len(*length)?,
                Todo::Sync => self.inner.sync_data()?,
            }
        }
        *waiting = None;
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn read(&self, inner: &dyn StorageBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let there = self.kept.saturating_sub(offset).min(out.len() as u64) as usize;
        let (old, new) = out.split_at_mut(there);
        if !old.is_empty() {
            inner.read(offset, old)?;
        }
        new.fill(0);
        let first = offset - offset % PAGE;
        for (start, page) in self.pages.range(first..offset + out.len() as u64) {
            let from = offset.max(*start);
            let to = (offset + out.len() as u64).min(start + PAGE);
            // Both ranges lie inside their slices: `from..to` is where the two overlap.
            out[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&page[(from - start) as usize..(to - start) as usize]);
        }
        Ok(())
    }

    fn write(&mut self, inner: &dyn StorageBackend, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset
            .checked_add(data.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.length = self.length.max(end);
        let mut start = offset - offset % PAGE;
        while start < end {
            if !self.pages.contains_key(&start) {
                let mut page = vec![0; PAGE as usize].into_boxed_slice();
                let there = self.length.saturating_sub(start).min(PAGE) as usize;
                self.read(inner, start, &mut page[..there])?;
                self.pages.insert(start, page);
            }
            if let Some(page) = self.pages.get_mut(&start) {
                let (from, to) = (offset.max(start), end.min(start + PAGE));
                page[(from - start) as usize..(to - start) as usize]
                    .copy_from_slice(&data[(from - offset) as usize..(to - offset) as usize]);
            }
            start += PAGE;
        }
        self.todo.push(Todo::Write(offset, data.to_vec()));
        Ok(())
    }

    fn set_length(&mut self, length: u64) {
        self.kept = self.kept.min(length);
        self.pages.retain(|start, _| *start < length);
        if let Some((start, page)) = self.pages.last_key_value()
            && start + PAGE > length
        {
            let mut page = page.clone();
            page[(length - start) as usize..].fill(0);
            self.pages.insert(*start, page);
        }
        self.length = length;
        self.todo.push(Todo::Length(length));
    }
}

impl StorageBackend for Held {
    fn len(&self) -> io::Result<u64> {
        match &*self.waiting() {
            Some(waiting) => Ok(waiting.length),
            None => self.inner.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let waiting = self.waiting();
        if let Some(waiting) = &*waiting {
            return waiting.read(&*self.inner, offset, out);
        }
        drop(waiting); // reads go on side by side
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match &mut *self.waiting() {
            Some(waiting) => {
                waiting.set_length(len);
                Ok(())
            }
            None => self.inner.set_len(len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut waiting = self.waiting();
        if let Some(waiting) = &mut *waiting {
            waiting.todo.push(Todo::Sync);
            return Ok(());
        }
        drop(waiting);
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut waiting = self.waiting();
        if let Some(waiting) = &mut *waiting {
            return waiting.write(&*self.inner, offset, data);
        }
        drop(waiting);
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

const PAGE: u64 = 4096;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        Length(u64),
        Read(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = 0u64..40_000;
        prop_oneof![
            (at.clone(), prop::collection::vec(any::<u8>(), 1..9_000))
                .prop_map(|(at, bytes)| Step::Write(at, bytes)),
            at.clone().prop_map(Step::Length),
            (at, 1usize..9_000).prop_map(|(at, length)| Step::Read(at, length)),
        ]
    }

    fn contents(storage: &dyn StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0; storage.len().unwrap() as usize];
        if !bytes.is_empty() {
            storage.read(0, &mut bytes).unwrap();
        }
        bytes
    }

    proptest! {
        /// Reads as a plain storage does, changes nothing before the release, all at it.
        #[test]
        fn like_a_storage_of_its_own(
            old in prop::collection::vec(any::<u8>(), 0..30_000),
            steps in prop::collection::vec(step(), 0..20),
        ) {
            let inner = Arc::new(InMemoryBackend::new());
            inner.set_len(old.len() as u64).unwrap();
            inner.write(0, &old).unwrap();
            let held = Held::new(Box::new(Shared(Arc::clone(&inner)))).unwrap();
            let mut plain = old.clone();
            for step in steps {
                match step {
                    Step::Write(at, bytes) => {
                        // `redb` writes inside the length that it set.
                        let end = at as usize + bytes.len();
                        if plain.len() < end {
                            held.set_len(end as u64).unwrap();
                            plain.resize(end, 0);
                        }
                        held.write(at, &bytes).unwrap();
                        plain[at as usize..end].copy_from_slice(&bytes);
                    }
                    Step::Length(length) => {
                        held.set_len(length).unwrap();
                        plain.resize(length as usize, 0);
                    }
                    Step::Read(at, length) => {
                        let mut bytes = vec![1; length];
                        let end = at as usize + length;
                        let read = held.read(at, &mut bytes);
                        prop_assert_eq!(read.is_ok(), end <= plain.len());
                        if read.is_ok() {
                            prop_assert_eq!(&bytes[..], &plain[at as usize..end]);
                        }
                    }
                }
            }
            prop_assert_eq!(contents(&held), plain.clone());
            prop_assert_eq!(contents(&*inner), old);
            held.release().unwrap();
            prop_assert_eq!(contents(&*inner), plain.clone());
            prop_assert_eq!(contents(&held), plain);
        }
    }

    #[derive(Debug)]
    struct Shared(Arc<InMemoryBackend>);

    impl StorageBackend for Shared {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }
}
