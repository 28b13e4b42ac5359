//! A disk of which nothing changes: what is written, made, renamed and removed is kept in
//! memory and seen from there on. A store is opened, mended and scrubbed on it, to look at
//! it, and the real one stays as it is, to the byte.
//!
//! In memory: the pages that were written. What was destroyed reads as before: nobody reads
//! it, and it may be most of a pack.

use super::{Disk, DiskFile};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Another disk, left untouched. Clones are one disk.
#[derive(Clone)]
pub struct Untouched {
    inner: Arc<dyn Disk>,
    names: Arc<Mutex<Names>>,
}

/// How the names differ from the other disk's.
#[derive(Default)]
struct Names {
    files: HashMap<PathBuf, Arc<Sheet>>,
    removed: HashSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Untouched {
    /// Over `inner`.
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Self {
            inner,
            names: Arc::default(),
        }
    }

    /// The files of the other disk that were removed here, or renamed.
    pub fn removed(&self) -> Vec<PathBuf> {
        let names = self.names();
        let mut paths: Vec<_> = names.removed.iter().cloned().collect();
        paths.retain(|path| self.inner.open(path).is_ok());
        paths.sort();
        paths
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sheet(&self, names: &mut Names, path: &Path) -> io::Result<Arc<Sheet>> {
        if let Some(sheet) = names.files.get(path) {
            return Ok(Arc::clone(sheet));
        }
        if names.removed.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let sheet = Arc::new(Sheet::over(self.inner.open(path)?)?);
        names.files.insert(path.to_owned(), Arc::clone(&sheet));
        Ok(sheet)
    }
}

impl Disk for Untouched {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut names = self.names();
        match self.sheet(&mut names, path) {
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let sheet = Arc::new(Sheet::default());
        names.files.insert(path.to_owned(), Arc::clone(&sheet));
        Ok(Box::new(sheet))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.sheet(&mut self.names(), path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names();
        let sheet = self.sheet(&mut names, from)?;
        names.files.remove(from);
        names.removed.insert(from.to_owned());
        names.removed.remove(to);
        names.files.insert(to.to_owned(), sheet);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut names = self.names();
        self.sheet(&mut names, path)?;
        names.files.remove(path);
        names.removed.insert(path.to_owned());
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut names = self.names();
        let all = path.ancestors().map(Path::to_owned);
        names.folders.extend(all);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let names = self.names();
        let mut found: BTreeSet<PathBuf> = match self.inner.list(path) {
            Ok(paths) => paths.into_iter().collect(),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) if names.folders.contains(path) => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        found.retain(|path| !names.removed.contains(path));
        let made = names.files.keys().chain(&names.folders);
        found.extend(made.filter(|made| made.parent() == Some(path)).cloned());
        Ok(found.into_iter().collect())
    }
}

/// A file: that of the other disk, if there is one, under the pages that were written.
#[derive(Default)]
struct Sheet {
    under: Option<Box<dyn DiskFile>>,
    over: Mutex<Over>,
}

#[derive(Default)]
struct Over {
    length: u64,
    /// Bytes below this are still those of the file, where no page covers them.
    kept: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Sheet {
    fn over(under: Box<dyn DiskFile>) -> io::Result<Self> {
        let length = under.length()?;
        let over = Over {
            length,
            kept: length,
            pages: BTreeMap::new(),
        };
        Ok(Self {
            under: Some(under),
            over: Mutex::new(over),
        })
    }

    fn state(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, over: &Over, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64);
        let end = end
            .filter(|end| *end <= over.length)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let there = over.kept.saturating_sub(offset).min(out.len() as u64) as usize;
        out[there..].fill(0);
        if let Some(under) = &self.under
            && there > 0
        {
            under.read_at(offset, &mut out[..there])?;
        }
        for (start, page) in over.pages.range(offset - offset % PAGE..end) {
            let (from, to) = (offset.max(*start), end.min(start + PAGE));
            // Where page and `out` overlap: inside both.
            out[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&page[(from - start) as usize..(to - start) as usize]);
        }
        Ok(())
    }
}

impl DiskFile for Arc<Sheet> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read(&self.state(), offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut over = self.state();
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        over.length = over.length.max(end);
        for start in (offset - offset % PAGE..end).step_by(PAGE as usize) {
            let mut page = vec![0; PAGE as usize];
            let there = (over.length - start).min(PAGE) as usize;
            self.read(&over, start, &mut page[..there])?;
            let (from, to) = (offset.max(start), end.min(start + PAGE));
            page[(from - start) as usize..(to - start) as usize]
                .copy_from_slice(&bytes[(from - offset) as usize..(to - offset) as usize]);
            over.pages.insert(start, page);
        }
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut over = self.state();
        over.kept = over.kept.min(length);
        over.pages.retain(|start, _| *start < length);
        if let Some((start, page)) = over.pages.iter_mut().next_back()
            && start + PAGE > length
        {
            page[(length - start) as usize..].fill(0);
        }
        over.length = length;
        Ok(())
    }

    fn destroy(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn complete(&self, _: u64, _: u64) {}

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

const PAGE: u64 = 4096;
