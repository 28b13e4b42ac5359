//! The pack that small batches share: each thread writes its own bytes at its own place,
//! and one sync serves all that have written.

use super::packs::{Pack, Packs};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::record::PACK_HEAD;

/// The pack that is appended to, if there is one.
#[derive(Default)]
pub(super) struct Shared(Mutex<Option<Current>>);

struct Current {
    pack: Arc<SharedPack>,
    end: u64,
}

/// A pack that many write to.
pub(super) struct SharedPack {
    pack: Pack,
    /// A sync failed: of what was written to it nobody knows what will become, and a later
    /// sync that succeeds says nothing about it.
    broken: AtomicBool,
}

impl Shared {
    /// Writes `bytes`, not durably; where they begin.
    pub(super) fn append(
        &self,
        packs: &Arc<Packs>,
        bytes: &[u8],
    ) -> io::Result<(Arc<SharedPack>, u64)> {
        let (pack, at) = self.reserve(packs, bytes.len() as u64)?;
        pack.pack.file().write_at(at, bytes)?;
        Ok((pack, at))
    }

    fn reserve(&self, packs: &Arc<Packs>, length: u64) -> io::Result<(Arc<SharedPack>, u64)> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |current: &Current| {
            current.end + length <= FULL && !current.pack.broken.load(Ordering::SeqCst)
        };
        let current = match slot.take().filter(fits) {
            Some(current) => slot.insert(current),
            None => {
                let pack = SharedPack {
                    pack: packs.create()?,
                    broken: AtomicBool::new(false),
                };
                slot.insert(Current {
                    pack: Arc::new(pack),
                    end: PACK_HEAD.len() as u64,
                })
            }
        };
        let at = current.end;
        current.end += length;
        Ok((Arc::clone(&current.pack), at))
    }

    /// Lets go of the pack if it is this one: the next who writes begins another.
    pub(super) fn leave(&self, pack: u64) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot
            .as_ref()
            .is_some_and(|current| current.pack.number() == pack)
        {
            *slot = None;
        }
    }
}

impl SharedPack {
    pub(super) const fn number(&self) -> u64 {
        self.pack.number()
    }

    /// Makes all that was written to it before this call durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        let synced = self.pack.file().sync_data();
        if synced.is_err() {
            self.broken.store(true, Ordering::SeqCst);
        }
        if self.broken.load(Ordering::SeqCst) {
            synced?;
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        Ok(())
    }
}

/// A shared pack is left when it has so many bytes.
const FULL: u64 = 64 << 20;
