//! One process on one home: an advisory lock that the kernel frees when its holder ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::exit::{Exit, Fault, Result};

/// A held lock. Dropping it frees it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
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
        let until = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
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
        Ok(Self { _file: file })
    }
}

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
}
