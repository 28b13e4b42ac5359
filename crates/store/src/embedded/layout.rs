//! Names of files and folders, how a new store is laid out, and how a foreign folder is
//! told from one of ours.

use super::{OpenError, index::Index, packs};
use crate::disk::Disk;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Holds the lock; its bytes mean nothing.
pub(super) const LOCK: &str = "lock";
pub(super) const FORMAT: &str = "format";
const INDEX: &str = "index.redb";
const PACKS: &str = "packs";
/// Files on their way to their names.
const NEW_FORMAT: &str = "format.new";
const NEW_INDEX: &str = "index.new";
/// An index that another one has replaced.
const DAMAGED: &str = "index.damaged";
const OURS: [&str; 5] = [LOCK, INDEX, PACKS, NEW_FORMAT, NEW_INDEX];
/// Version of the folder: the file `format`, index and packs.
pub(super) const VERSION: u32 = 2;
const FORMAT_LINE: &[u8] = b"medshare-store 2\n";

/// The paths of one store.
pub(super) struct Layout {
    folder: PathBuf,
    packs: PathBuf,
    index: PathBuf,
}

impl Layout {
    /// Checks that `folder` is empty, or begun or finished by [`Layout::open`].
    pub(super) fn refuse_foreign(disk: &dyn Disk, folder: &Path) -> Result<(), OpenError> {
        let io = |source| OpenError::Io {
            folder: folder.to_owned(),
            source,
        };
        let foreign = |reason: String| {
            Err(OpenError::Foreign {
                folder: folder.to_owned(),
                reason,
            })
        };
        match read_short(disk, &folder.join(FORMAT)) {
            Ok(line) if line == FORMAT_LINE => return Ok(()),
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                let found = line.strip_prefix("medshare-store ");
                let found = found.and_then(|found| found.strip_suffix('\n')?.parse().ok());
                if let Some(found) = found {
                    return Err(OpenError::Newer {
                        folder: folder.to_owned(),
                        found,
                        known: VERSION,
                    });
                }
                return foreign(format!("its format is {:?}", line.trim_end()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return foreign("its format file is too long".to_owned());
            }
            Err(source) => return Err(io(source)),
        }
        for path in disk.list(folder).map_err(io)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let ours = |name: &str| OURS.contains(&name) || name.starts_with(DAMAGED);
            if !name.is_some_and(ours) {
                return foreign(format!("it has no format file, but {}", path.display()));
            }
        }
        Ok(())
    }

    /// Lays out a new store or finds an old one.
    pub(super) fn open(disk: &dyn Disk, folder: &Path) -> Result<Self, OpenError> {
        let layout = Self {
            folder: folder.to_owned(),
            packs: folder.join(PACKS),
            index: folder.join(INDEX),
        };
        let io = |source| OpenError::Io {
            folder: folder.to_owned(),
            source,
        };
        disk.create_dir(folder).map_err(io)?;
        Self::refuse_foreign(disk, folder)?;
        // A new index would know none of the packs, and have them removed.
        if layout.lacks_index(disk).map_err(io)? {
            return Err(OpenError::Damaged {
                path: layout.index,
                reason: "it is missing, and packs are there".to_owned(),
            });
        }
        layout.lay_out(disk).map_err(io)?;
        Ok(layout)
    }

    fn lacks_index(&self, disk: &dyn Disk) -> io::Result<bool> {
        match disk.open(&self.index) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.pack_files(disk) {
                Ok(packs) => Ok(!packs.is_empty()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The store in `folder` with an index that is still being made, which is empty.
    pub(super) fn with_new_index(disk: &dyn Disk, folder: &Path) -> Result<Self, OpenError> {
        Self::refuse_foreign(disk, folder)?;
        let layout = Self {
            folder: folder.to_owned(),
            packs: folder.join(PACKS),
            index: Self::draft(folder),
        };
        let made = forget(disk, &layout.index).and_then(|()| Index::create(disk, &layout.index));
        made.map_err(|source| OpenError::Io {
            folder: folder.to_owned(),
            source,
        })?;
        Ok(layout)
    }

    /// Puts the index that was being made in its place, and the one that was there beside
    /// it; a crash in between leaves none, and both are there.
    pub(super) fn replace_index(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let index = folder.join(INDEX);
        match disk.rename(&index, &free_name(disk, folder)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        disk.rename(&Self::draft(folder), &index)?;
        disk.sync_dir(folder)
    }

    /// Where an index is while it is being made.
    pub(super) fn draft(folder: &Path) -> PathBuf {
        folder.join(NEW_INDEX)
    }

    fn lay_out(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.open(&self.folder.join(FORMAT)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.begin(disk)?,
            Err(error) => return Err(error),
        }
        // Also of a store that is found: who laid it out may have died before this.
        disk.sync_dir(outside(&self.folder))
    }

    /// Packs and index, then the file that says that they are there. Should its name be
    /// lost, this is done again and changes nothing.
    fn begin(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.create_dir(&self.packs)?;
        match disk.open(&self.index) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = self.folder.join(NEW_INDEX);
                forget(disk, &new)?;
                Index::create(disk, &new)?;
                disk.rename(&new, &self.index)?;
            }
            Err(error) => return Err(error),
        }
        disk.sync_dir(&self.folder)?; // the format file must not survive them
        let new = self.folder.join(NEW_FORMAT);
        forget(disk, &new)?;
        let file = disk.create(&new)?;
        file.write_at(0, FORMAT_LINE)?;
        file.sync_data()?;
        disk.rename(&new, &self.folder.join(FORMAT))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn index(&self) -> &Path {
        &self.index
    }

    pub(super) fn packs(&self) -> &Path {
        &self.packs
    }

    /// The numbers of the packs whose files are there. Other files are left alone.
    pub(super) fn pack_files(&self, disk: &dyn Disk) -> io::Result<Vec<u64>> {
        let paths = disk.list(&self.packs)?;
        Ok(paths.iter().filter_map(|path| packs::parse(path)).collect())
    }
}

/// A name for an index that is set aside; none is ever replaced.
fn free_name(disk: &dyn Disk, folder: &Path) -> io::Result<PathBuf> {
    for number in 0_u32.. {
        let path = folder.join(match number {
            0 => DAMAGED.to_owned(),
            number => format!("{DAMAGED}-{number}"),
        });
        match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes a file, if it is there.
fn forget(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Reads a file of at most 64 bytes.
fn read_short(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    match file.length()? {
        length @ 0..=64 => file.read_vec(0, length as usize),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// The folder that holds a store's.
fn outside(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => folder,
    }
}
