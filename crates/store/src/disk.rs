//! The few file operations that the embedded store needs, so that tests can run it on a
//! disk that fills up, fails, or loses power.
//!
//! Nothing is assumed of a file before [`Disk::sync_file`] returned, nor of a name before
//! [`Disk::sync_dir`] returned for its folder.

use std::{
    fs::{self, File, FileTimes, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What is known of a file without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileFacts {
    /// Its length in bytes.
    pub length: u64,
    /// When it was last written or [touched](Disk::touch).
    pub modified: SystemTime,
}

/// A disk, as the embedded store uses it.
///
/// # Errors
/// Every operation gives the machine's own error; `NotFound` where the name is not there.
#[expect(clippy::missing_errors_doc, reason = "said once for the trait")]
pub trait Disk: Send + Sync {
    /// Creates a file that must not exist and writes all of `bytes`, not yet durable. On
    /// an error the file may exist with a part of them.
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's bytes durable.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Gives a file a new name in one step, in place of what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and those above it; an existing one is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Reads a whole file, `FileTooLarge` if it holds more than `limit` bytes.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
    /// Length and time of a file.
    fn facts(&self, path: &Path) -> io::Result<FileFacts>;
    /// Sets a file's time to now.
    fn touch(&self, path: &Path) -> io::Result<()>;
    /// The paths in a folder, in any order.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The machine's own disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let expected = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(expected.min(limit) + 1);
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn facts(&self, path: &Path) -> io::Result<FileFacts> {
        let metadata = fs::metadata(path)?;
        Ok(FileFacts {
            length: metadata.len(),
            modified: metadata.modified()?,
        })
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        let now = FileTimes::new().set_modified(SystemTime::now());
        OpenOptions::new().write(true).open(path)?.set_times(now)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    }
}
