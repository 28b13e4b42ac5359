//! The few file operations that the embedded store needs, so that tests can run it on a
//! disk that fills up, fails, or loses power.
//!
//! Nothing is assumed of a file's bytes before [`DiskFile::sync_data`] returned, nor of a
//! name before [`Disk::sync_dir`] returned for its folder.

mod untouched;

pub use untouched::Untouched;

use std::{
    fs::{self, File, OpenOptions},
    io,
    num::NonZeroU64,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// A disk, as the embedded store uses it.
///
/// # Errors
/// Every operation gives the machine's own error; `NotFound` where the name is not there.
#[expect(clippy::missing_errors_doc, reason = "said once for the trait")]
pub trait Disk: Send + Sync {
    /// Creates an empty file, `AlreadyExists` if something has the name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file a new name in one step, in place of what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name. Who has the file open reads it as before.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and those above it; an existing one is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The paths in a folder, in any order.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
}

/// An open file. Any number of threads use it at once; offsets and lengths are in bytes.
///
/// # Errors
/// Every operation gives the machine's own error. After one, the bytes that were to be
/// written are any mixture of old and new.
#[expect(clippy::missing_errors_doc, reason = "said once for the trait")]
pub trait DiskFile: Send + Sync {
    /// Its length.
    fn length(&self) -> io::Result<u64>;
    /// Fills `out`, `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Reads so many bytes, `UnexpectedEof` if the file ends before.
    fn read_vec(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }
    /// Writes all of `bytes`; what lies between the end and `offset` is zeros.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file or lengthens it by zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Makes bytes inside the file zeros and gives the room back where the disk can.
    fn destroy(&self, offset: u64, length: u64) -> io::Result<()>;
    /// A hint that these bytes are complete, so that the disk may begin to write them.
    /// Says nothing about durability.
    fn complete(&self, offset: u64, length: u64);
    /// Makes the bytes and the length durable.
    fn sync_data(&self) -> io::Result<()>;
}

/// The machine's own disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        Ok(Box::new(OsFile(options.open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(OsFile(file)))
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

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    }
}

struct OsFile(File);

impl DiskFile for OsFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    /// Into memory that was not zeroed before: a block is some tenths of its hashing.
    fn read_vec(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            // The allocator may give more room than asked for: cut off below.
            let at = offset + bytes.len() as u64;
            let room = rustix::buffer::spare_capacity(&mut bytes);
            match rustix::io::pread(&self.0, room, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn destroy(&self, offset: u64, length: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::FallocateFlags;
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            if rustix::fs::fallocate(&self.0, hole, offset, length).is_ok() {
                return Ok(());
            }
        }
        // No holes on this file system: zeros over the bytes.
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut done = 0;
        while done < length {
            let count = (length - done).min(ZEROS.len() as u64);
            self.0
                .write_all_at(&ZEROS[..count as usize], offset + done)?;
            done += count;
        }
        Ok(())
    }

    /// Linux starts writing dirty pages that it is told nobody needs; they stay readable.
    fn complete(&self, offset: u64, length: u64) {
        #[cfg(target_os = "linux")]
        {
            let advice = rustix::fs::Advice::DontNeed;
            let _ = rustix::fs::fadvise(&self.0, offset, NonZeroU64::new(length), advice);
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
