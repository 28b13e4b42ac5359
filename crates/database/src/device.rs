//! Where a database lies: a file of this machine, or what a test puts in its place to lose
//! power, fill up or fail.

use redb::{StorageBackend, backends::FileBackend};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

/// Storage of one database, with the few operations on its name that are needed.
///
/// Nothing is assumed of a name before [`Device::sync_name`] returned; of bytes, `redb`
/// assumes nothing before it synced them.
///
/// # Errors
/// Every operation gives the machine's own error.
#[expect(clippy::missing_errors_doc, reason = "said once for the trait")]
pub trait Device: Send + Sync + 'static {
    /// The name, for messages.
    fn name(&self) -> &Path;
    /// Whether something has the name.
    fn exists(&self) -> io::Result<bool>;
    /// New, empty storage that does not have the name yet, in place of what an interrupted
    /// attempt left.
    fn create(&self) -> io::Result<Box<dyn StorageBackend>>;
    /// Gives what [`Device::create`] made, and is closed again, its name in one step.
    fn rename(&self) -> io::Result<()>;
    /// Makes the name durable.
    fn sync_name(&self) -> io::Result<()>;
    /// Opens what has the name.
    fn open(&self) -> io::Result<Box<dyn StorageBackend>>;
    /// Writes every byte of the closed database once more, as it reads, and syncs: after
    /// a sync that failed, what reads well need not be on the disk, and only what is
    /// written anew will be synced again.
    fn rewrite(&self) -> io::Result<()>;
}

/// A file of this machine.
#[derive(Clone, Debug)]
pub struct FileDevice(PathBuf);

impl FileDevice {
    /// The file at `path`.
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    fn unfinished(&self) -> PathBuf {
        self.0.with_extension("new")
    }
}

impl Device for FileDevice {
    fn name(&self) -> &Path {
        &self.0
    }

    fn exists(&self) -> io::Result<bool> {
        self.0.try_exists()
    }

    fn create(&self) -> io::Result<Box<dyn StorageBackend>> {
        let _ = fs::remove_file(self.unfinished());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600); // its owner's alone, from its first moment
        }
        storage(options.open(self.unfinished())?)
    }

    fn rename(&self) -> io::Result<()> {
        fs::rename(self.unfinished(), &self.0)
    }

    fn sync_name(&self) -> io::Result<()> {
        #[cfg(unix)]
        {
            let folder = match self.0.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn open(&self) -> io::Result<Box<dyn StorageBackend>> {
        storage(OpenOptions::new().read(true).write(true).open(&self.0)?)
    }

    fn rewrite(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(&self.0)?;
        let mut chunk = vec![0; 1 << 20];
        let mut at = 0;
        loop {
            file.seek(SeekFrom::Start(at))?;
            let read = file.read(&mut chunk)?;
            if read == 0 {
                return file.sync_all();
            }
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&chunk[..read])?;
            at += read as u64;
        }
    }
}

fn storage(file: File) -> io::Result<Box<dyn StorageBackend>> {
    let backend = FileBackend::new(file).map_err(io::Error::other)?;
    Ok(Box::new(backend))
}
