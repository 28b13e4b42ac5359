//! Names of files and folders, how a new store is laid out, and how a foreign folder is
//! told from one of ours.

use super::OpenError;
use crate::{block, disk::Disk};
use base::cid::Cid;
use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Holds the lock; its bytes mean nothing.
pub(super) const LOCK: &str = "lock";
const FORMAT: &str = "format";
const BLOCKS: &str = "blocks";
const PINS: &str = "pins";
const TMP: &str = "tmp";
const FORMAT_LINE: &[u8] = b"medshare-store 1\n";

/// The paths of one store.
pub(super) struct Layout {
    folder: PathBuf,
    blocks: PathBuf,
    pins: PathBuf,
    tmp: PathBuf,
    next: AtomicU64,
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
        match disk.read(&folder.join(FORMAT), 64) {
            Ok(line) if line == FORMAT_LINE => return Ok(()),
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                return foreign(format!("its format is {:?}", line.trim_end()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return foreign("its format file is too long".to_owned());
            }
            Err(source) => return Err(io(source)),
        }
        for path in disk.list(folder).map_err(io)? {
            let ours = path
                .file_name()
                .is_some_and(|name| [LOCK, BLOCKS, PINS, TMP].iter().any(|our| name == *our));
            if !ours {
                return foreign(format!("it has no format file, but {}", path.display()));
            }
        }
        Ok(())
    }

    /// Lays out a new store or finds an old one; empties `tmp`.
    pub(super) fn open(disk: &dyn Disk, folder: &Path) -> Result<Self, OpenError> {
        let layout = Self {
            folder: folder.to_owned(),
            blocks: folder.join(BLOCKS),
            pins: folder.join(PINS),
            tmp: folder.join(TMP),
            next: AtomicU64::new(0),
        };
        let io = |source| OpenError::Io {
            folder: folder.to_owned(),
            source,
        };
        disk.create_dir(folder).map_err(io)?;
        Self::refuse_foreign(disk, folder)?;
        layout.lay_out(disk).map_err(io)?;
        Ok(layout)
    }

    fn lay_out(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.create_dir(&self.tmp)?;
        for left_over in disk.list(&self.tmp)? {
            disk.remove(&left_over)?;
        }
        let format = self.folder.join(FORMAT);
        match disk.facts(&format) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.begin(disk, &format)?,
            Err(error) => return Err(error),
        }
        // Also of a store that is found: who laid it out may have died before this.
        disk.sync_dir(outside(&self.folder))
    }

    /// The folders, then the file that says that they are there. Should its name be lost,
    /// this is done again and changes nothing.
    fn begin(&self, disk: &dyn Disk, format: &Path) -> io::Result<()> {
        disk.create_dir(&self.pins)?;
        for shard in 0..=255u8 {
            disk.create_dir(&self.blocks.join(format!("{shard:02x}")))?;
        }
        disk.sync_dir(&self.blocks)?;
        disk.sync_dir(&self.folder)?; // the format file must not survive them
        let tmp = self.temporary();
        disk.create(&tmp, FORMAT_LINE)?;
        disk.sync_file(&tmp)?;
        disk.rename(&tmp, format)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a block lies, or `None` for a CID of a kind that is not kept.
    pub(super) fn block(&self, cid: &Cid) -> Option<PathBuf> {
        let last = block::digest(cid)?[31];
        let mut path = self.blocks.join(format!("{last:02x}"));
        path.push(name(cid));
        Some(path)
    }

    /// The folders that blocks lie in.
    pub(super) fn shards(&self) -> impl Iterator<Item = PathBuf> {
        (0..=255u8).map(|shard| self.blocks.join(format!("{shard:02x}")))
    }

    pub(super) fn pins(&self) -> &Path {
        &self.pins
    }

    pub(super) fn pin(&self, root: &Cid) -> PathBuf {
        self.pins.join(name(root))
    }

    /// A path that no file has.
    pub(super) fn temporary(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.tmp.join(number.to_string())
    }
}

/// The folder of a path made by [`Layout`].
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The folder that holds a store's.
fn outside(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => folder,
    }
}

/// The CID that a file name spells in our way.
pub(super) fn parse(path: &Path) -> Option<Cid> {
    let text = path.file_name()?.to_str()?;
    let cid = Cid::try_from(text).ok()?;
    (block::digest(&cid).is_some() && name(&cid) == text).then_some(cid)
}

/// Version 1 in base 32: the one name of a block, whichever form its CID came in.
fn name(cid: &Cid) -> String {
    Cid::new_v1(cid.codec(), *cid.hash()).to_string()
}
