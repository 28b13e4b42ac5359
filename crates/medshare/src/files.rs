//! Files that are whole or absent: written beside their place, flushed, then renamed.

use base::UnknownVersion;
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

use crate::exit::{Exit, Fault, Result};

/// A file being written beside its place, readable by its owner alone; it vanishes when
/// dropped and takes its place with [`Pending::keep`].
#[derive(Debug)]
pub struct Pending {
    file: NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// Starts the file that is to stand at `path`.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn new(path: &Path) -> Result<Self> {
        let file = tempfile::Builder::new()
            .prefix(DRAFT)
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(folder(path))
            .map_err(|error| Fault::io(path.display(), &error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The file, to write to.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Where it stands until it is kept.
    pub fn temporary_path(&self) -> &Path {
        self.file.path()
    }

    /// Flushes it to the disk and moves it to its place.
    ///
    /// # Errors
    /// [`Exit::Storage`]; the place is then as it was.
    pub fn keep(self, existing: Existing) -> Result<()> {
        let Self { file, path } = self;
        let io = |error: &std::io::Error| Fault::io(path.display(), error);
        file.as_file().sync_all().map_err(|error| io(&error))?;
        match existing {
            Existing::Replace => {
                check_target(&path)?;
                file.persist(&path).map_err(|error| io(&error.error))?
            }
            Existing::Refuse => {
                file.persist_noclobber(&path)
                    .map_err(|error| match error.error.kind() {
                        std::io::ErrorKind::AlreadyExists => exists(&path),
                        _ => io(&error.error),
                    })?
            }
        };
        sync_folder(folder(&path))
    }
}

/// What to do about a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// Put the new one in its place.
    Replace,
    /// Leave it and fail.
    Refuse,
}

impl Existing {
    /// As `--force` says.
    pub const fn of(force: bool) -> Self {
        match force {
            true => Self::Replace,
            false => Self::Refuse,
        }
    }
}

/// Writes a whole file, or none.
///
/// # Errors
/// [`Exit::Usage`] when it is there and may not be replaced, [`Exit::Storage`].
pub fn write_whole(path: &Path, bytes: &[u8], existing: Existing) -> Result<()> {
    check_free(path, existing)?;
    let mut pending = Pending::new(path)?;
    pending
        .file()
        .write_all(bytes)
        .map_err(|error| Fault::io(path.display(), &error))?;
    pending.keep(existing)
}

/// Refuses early what [`Pending::keep`] would refuse late.
///
/// # Errors
/// [`Exit::Usage`] when `path` exists and may not be replaced.
pub fn check_free(path: &Path, existing: Existing) -> Result<()> {
    match existing {
        Existing::Refuse if path.symlink_metadata().is_ok() => Err(exists(path)),
        _ => check_target(path),
    }
}

/// Refuses to put a file in the place of a device, a pipe, a folder or a link.
fn check_target(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(meta) if !meta.is_file() => Err(not_regular(path)),
        _ => Ok(()),
    }
}

/// Opens a document for reading: a regular file, whose length is known and stays.
///
/// # Errors
/// [`Exit::NotFound`] when it is absent, [`Exit::Usage`] for a device, folder or pipe,
/// [`Exit::Storage`].
pub fn open_regular(path: &Path) -> Result<File> {
    // Looked at before it is opened: a pipe would wait for its writer.
    if path.metadata().is_ok_and(|meta| !meta.is_file()) {
        return Err(not_regular(path));
    }
    open(path)
}

/// Reads a file of a home, which must be there, of at most `limit` bytes.
///
/// # Errors
/// [`Exit::Home`] when it is absent, longer, or no file; [`Exit::Storage`].
pub fn read_kept(path: &Path, limit: usize) -> Result<Vec<u8>> {
    check_kept(path)?;
    read_small(path, limit).map_err(|fault| match fault.exit {
        Exit::Storage => fault,
        _ => Fault::new(
            Exit::Home,
            format!("{}; restore it from a backup", fault.message),
        ),
    })
}

/// Refuses a file of a home that is absent or no regular file.
///
/// # Errors
/// [`Exit::Home`].
pub fn check_kept(path: &Path) -> Result<()> {
    match path.metadata() {
        Ok(meta) if !meta.is_file() => Err(Fault::new(
            Exit::Home,
            format!(
                "{} is not a regular file; restore it from a backup",
                path.display()
            ),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing(path)),
        _ => Ok(()),
    }
}

/// A file of a home that must be there and is not.
pub fn missing(path: &Path) -> Fault {
    Fault::new(
        Exit::Home,
        format!("{} is missing; restore it from a backup", path.display()),
    )
}

/// Whether a name is that of a file that is being written, or was when its writer ended.
pub fn is_draft(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(DRAFT.as_bytes())
}

/// Makes a file its owner's alone.
///
/// # Errors
/// [`Exit::Storage`].
pub fn keep_private(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(|error| Fault::io(path.display(), &error))
}

/// Writes a file of the owner's alone, whole or not at all.
///
/// # Errors
/// [`Exit::Storage`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut pending = Pending::new(path)?;
    pending
        .file()
        .write_all(bytes)
        .map_err(|error| Fault::io(path.display(), &error))?;
    pending.keep(Existing::Replace)
}

/// Makes a folder of the owner's alone.
///
/// # Errors
/// [`Exit::Storage`].
pub fn make_private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Fault::io(path.display(), &error))
}

/// Makes a folder of the owner's alone inside `parent`; it vanishes when dropped.
///
/// # Errors
/// [`Exit::Storage`].
pub fn private_draft(parent: &Path, prefix: &str) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(|error| Fault::io(parent.display(), &error))
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// [`Exit::NotFound`] when it is absent, [`Exit::Invalid`] when it is longer,
/// [`Exit::Storage`].
pub fn read_small(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Fault::io(path.display(), &error))?;
    if bytes.len() > limit {
        return Err(Fault::new(
            Exit::Invalid,
            format!(
                "{} is longer than {limit} bytes; it is not what it should be",
                path.display()
            ),
        ));
    }
    Ok(bytes)
}

/// Opens a file for reading.
///
/// # Errors
/// [`Exit::NotFound`] when it is absent, [`Exit::Storage`].
pub fn open(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::new(
            Exit::NotFound,
            format!("there is no file {}", path.display()),
        ),
        _ => Fault::io(path.display(), &error),
    })?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(Fault::new(
            Exit::Usage,
            format!("{} is a folder; name a file", path.display()),
        ));
    }
    Ok(file)
}

/// The version that a TOML text names, if it is not `N`: read before the rest, which a
/// newer version may have changed.
pub fn newer_toml<const N: u32>(text: &str) -> Option<UnknownVersion> {
    #[derive(serde::Deserialize)]
    struct Mark {
        version: Option<u64>,
    }
    let mark: Mark = toml::from_str(text).ok()?;
    let found = mark.version.filter(|found| *found != u64::from(N))?;
    Some(UnknownVersion { found, known: N })
}

/// Makes the folder's entries durable.
///
/// # Errors
/// [`Exit::Storage`].
pub fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Fault::io(path.display(), &error))
}

/// The folder that holds `path`.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn not_regular(path: &Path) -> Fault {
    Fault::new(
        Exit::Usage,
        format!("{} is not a regular file; name another", path.display()),
    )
}

fn exists(path: &Path) -> Fault {
    if let Err(fault) = check_target(path) {
        return fault;
    }
    Fault::new(
        Exit::Usage,
        format!(
            "{} exists already; name another file or give --force",
            path.display()
        ),
    )
}

/// How the name of a draft begins.
const DRAFT: &str = ".medshare-";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let draft = private_draft(dir.path(), ".x-").unwrap();
        let mode = fs::metadata(draft.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut pending = Pending::new(&path).unwrap();
        pending.file().write_all(b"half").unwrap();
        drop(pending);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        write_private(&path, b"whole").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let again = Pending::new(&path).unwrap();
        assert_eq!(again.keep(Existing::Refuse).unwrap_err().exit, Exit::Usage);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(read_small(&path, 4).unwrap_err().exit, Exit::Invalid);
    }
}
