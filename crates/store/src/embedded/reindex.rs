//! The index made anew from the packs, for a store whose index is lost or damaged.
//!
//! Every record says which block it is, and the bytes are hashed: what is found is proven.
//! Nothing is destroyed: a block that no root reaches stays, one whose bytes do not hash to
//! its name is left where it lies, and the old index is set aside. What is lost with an
//! index is who pinned what, which the caller knows, and that something dead was still to
//! be destroyed.

use super::{
    Embedded, OpenError,
    index::Awaited,
    key::Key,
    layout::Layout,
    lock,
    record::{self, HEAD, PACK_HEAD, Place},
};
use crate::{
    BlockStore as _, PutError,
    disk::{Disk, DiskFile, OsDisk},
};
use base::cid::Cid;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

impl Embedded {
    /// Makes the index of the store in `folder` anew: every whole block in its packs, each
    /// of `roots` pinned so often. The time is that of hashing every block.
    ///
    /// # Errors
    /// [`OpenError`]; the store is then as it was.
    pub fn reindex(folder: impl AsRef<Path>, roots: &[(Cid, u64)]) -> Result<(), OpenError> {
        let folder = folder.as_ref();
        let _lock = lock(folder)?;
        Self::reindex_on(Arc::new(OsDisk), folder, roots)
    }

    /// As [`Embedded::reindex`], on another disk, with no lock against other processes.
    ///
    /// # Errors
    /// As [`Embedded::reindex`].
    pub fn reindex_on(
        disk: Arc<dyn Disk>,
        folder: impl AsRef<Path>,
        roots: &[(Cid, u64)],
    ) -> Result<(), OpenError> {
        let folder = folder.as_ref();
        let io = |source| OpenError::Io {
            folder: folder.to_owned(),
            source,
        };
        let layout = Layout::with_new_index(&*disk, folder)?;
        let (store, mut packs, _) = Self::assemble(Arc::clone(&disk), layout)?;
        packs.sort_unstable();
        for pack in packs {
            store.enter(pack).map_err(io)?;
        }
        for (root, count) in roots {
            for _ in 0..*count {
                match store.pin(root) {
                    Ok(_) | Err(PutError::Unsupported(_)) => {}
                    Err(error) => return Err(io(io::Error::other(error.to_string()))),
                }
            }
        }
        store.index.change(|_| Ok(())).map_err(io)?; // notes become durable with it
        drop(store);
        Layout::replace_index(&*disk, folder).map_err(io)?;
        Layout::open(&*disk, folder).map(drop) // says again what the folder is
    }

    /// Where an index is while it is being made.
    pub fn draft(folder: impl AsRef<Path>) -> PathBuf {
        Layout::draft(folder.as_ref())
    }

    /// Enters every whole block of a pack.
    fn enter(&self, pack: u64) -> io::Result<()> {
        let mut next = PACK_HEAD.len() as u64;
        let end = self.packs.file(pack)?.length()?;
        while next < end {
            let mut found = Vec::new();
            while next < end && found.len() < AT_ONCE {
                next = match self.block_at(pack, next, end)? {
                    Some((key, place)) => {
                        found.push((key, place));
                        place.end()
                    }
                    None => past_zeros(&*self.packs.file(pack)?, next, end)?,
                };
            }
            self.index.note(|rows| {
                for (key, place) in found {
                    // Of two copies the first one lives; the other is of a failed batch.
                    if rows.block(&key)?.is_none() {
                        rows.set(&key, place, Awaited::NOBODY)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The block whose record begins there, if it is whole.
    fn block_at(&self, pack: u64, start: u64, end: u64) -> io::Result<Option<(Key, Place)>> {
        if end - start < HEAD as u64 {
            return Ok(None);
        }
        let head = self.packs.file(pack)?.read_vec(start, HEAD)?;
        let head = head.first_chunk::<HEAD>().and_then(record::parse);
        let Some((key, length)) = head else {
            return Ok(None);
        };
        let place = Place {
            pack,
            offset: start + HEAD as u64,
            length,
        };
        let whole = self.packs.block(&key, &place)?.is_some();
        Ok(whole.then_some((key, place)))
    }
}

/// Where the next record can begin: not here, and not where there are zeros alone.
fn past_zeros(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<u64> {
    let mut at = start + 8;
    while at < end {
        let window = file.read_vec(at, (end - at).min(WINDOW) as usize)?;
        match window.iter().position(|byte| *byte != 0) {
            // Records begin at multiples of eight, and so does the window.
            Some(first) => return Ok(at + (first as u64) / 8 * 8),
            None => at += window.len() as u64,
        }
    }
    Ok(end)
}

/// Blocks that are entered in one change of the index.
const AT_ONCE: usize = 4096;
const WINDOW: u64 = 64 << 10;
