//! One process on one home: an advisory lock that the kernel frees when its holder ends.
//!
//! A loop keeps its home between two rounds ([`crate::cli::kept`]). Whoever wants it
//! meanwhile says so: it holds the folder's own lock, shared, as long as it waits. A holder
//! that does nothing looks there ([`Lock::is_wanted`]) and gives way.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::exit::{Exit, Fault, Result};

/// A held lock. Dropping it frees it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    folder: File,
}

impl Lock {
    /// Takes the lock file at `path` (made if absent), trying for `patience`.
    ///
    /// # Errors
    /// [`Exit::Busy`] naming the holder's process id, or [`Exit::Storage`].
    pub fn take(path: &Path, patience: Duration) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| Fault::io(path.display(), &error))?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        let folder = File::open(folder).map_err(|error| Fault::io(folder.display(), &error))?;
        let until = Instant::now() + patience;
        // Who waits already comes first.
        if is_locked(&folder) && !patience.is_zero() {
            thread::sleep(2 * PAUSE);
        }
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    // For a moment a holder that looks has it.
                    said = said || folder.try_lock_shared().is_ok();
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => return Err(busy(path, &mut file)),
                Err(TryLockError::Error(error)) => return Err(Fault::io(path.display(), &error)),
            }
        }
        // The id is talk for the next one who asks; the lock itself is the kernel's.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()));
        let _ = folder.unlock();
        Ok(Self {
            _file: file,
            folder,
        })
    }

    /// Whether somebody waits for it.
    pub fn is_wanted(&self) -> bool {
        is_locked(&self.folder)
    }
}

fn is_locked(folder: &File) -> bool {
    match folder.try_lock() {
        Ok(()) => {
            let _ = folder.unlock();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        // Where folders have no locks nobody can say that they wait.
        Err(TryLockError::Error(_)) => false,
    }
}

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

fn busy(path: &Path, file: &mut File) -> Fault {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let holder = match holder.trim().parse::<u32>() {
        Ok(id) => format!(" (process {id})"),
        Err(_) => String::new(),
    };
    let home = path.parent().map_or(PathBuf::new(), Path::to_owned);
    Fault::new(
        Exit::Busy,
        format!(
            "another process{holder} is using the home {}; end it or wait, then try again",
            home.display()
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path, Duration::ZERO).unwrap();
        let refused = Lock::take(&path, Duration::from_millis(30)).unwrap_err();
        assert_eq!(refused.exit, Exit::Busy);
        assert!(refused.message.contains(&std::process::id().to_string()));
        drop(first);
        Lock::take(&path, Duration::ZERO).unwrap();
    }

    #[test]
    fn who_waits_is_seen_and_gets_its_turn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let patience = Duration::from_secs(60);
        let first = Lock::take(&path, Duration::ZERO).unwrap();
        assert!(!first.is_wanted());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(Lock::take(&path, patience).unwrap()));
            let end = Instant::now() + patience;
            while !first.is_wanted() {
                assert!(Instant::now() < end, "nobody said that they wait");
                thread::yield_now();
            }
            drop(first);
            // However often the holder of before comes back.
            while !waiter.is_finished() {
                drop(Lock::take(&path, patience).unwrap());
            }
        });
        assert!(!Lock::take(&path, patience).unwrap().is_wanted());
    }
}
