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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{super::OsDisk, *};
    use proptest::prelude::*;
    use std::fs;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        Length(u64),
        Read(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = 0u64..20_000;
        let bytes = prop::collection::vec(any::<u8>(), 0..9_000);
        prop_oneof![
            (at.clone(), bytes).prop_map(|(at, bytes)| Step::Write(at, bytes)),
            at.clone().prop_map(Step::Length),
            (at, 0usize..9_000).prop_map(|(at, length)| Step::Read(at, length)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A file reads as one that was written to, and the one under it stays.
        #[test]
        fn like_a_file_of_its_own(
            old in prop::collection::vec(any::<u8>(), 0..15_000),
            steps in prop::collection::vec(step(), 0..20),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            fs::write(&path, &old).unwrap();
            let disk = Untouched::new(Arc::new(OsDisk));
            let file = disk.open(&path).unwrap();
            let mut plain = old.clone();
            for step in steps {
                match step {
                    Step::Write(at, bytes) => {
                        file.write_at(at, &bytes).unwrap();
                        let end = at as usize + bytes.len();
                        plain.resize(plain.len().max(end), 0);
                        plain[at as usize..end].copy_from_slice(&bytes);
                    }
                    Step::Length(length) => {
                        file.set_length(length).unwrap();
                        plain.resize(length as usize, 0);
                    }
                    Step::Read(at, length) => {
                        let end = at as usize + length;
                        let read = file.read_vec(at, length);
                        let expected = plain.get(at as usize..end).map(<[u8]>::to_vec);
                        prop_assert_eq!(read.ok(), expected);
                    }
                }
                prop_assert_eq!(file.length().unwrap(), plain.len() as u64);
            }
            let again = disk.open(&path).unwrap(); // the same file
            prop_assert_eq!(again.read_vec(0, plain.len()).unwrap(), plain);
            prop_assert_eq!(fs::read(&path).unwrap(), old);
        }
    }

    #[test]
    fn names_change_in_memory_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "b").unwrap();
        let disk = Untouched::new(Arc::new(OsDisk));
        let is_there = |name: &str| disk.open(&path(name)).is_ok();
        disk.rename(&path("a"), &path("c")).unwrap();
        disk.remove(&path("b")).unwrap();
        disk.create(&path("d")).unwrap();
        assert!(disk.create(&path("d")).is_err());
        assert!(disk.remove(&path("b")).is_err());
        let mut listed = disk.list(folder.path()).unwrap();
        listed.sort();
        assert_eq!(listed, [path("c"), path("d")]);
        assert!(!is_there("a") && !is_there("b") && is_there("c") && is_there("d"));
        assert_eq!(disk.removed(), [path("a"), path("b")]);
        assert!(path("a").exists() && path("b").exists());
        assert!(!path("c").exists() && !path("d").exists());
    }
}
