//! Stores that watch, that are slow, and that run full.

use base::cid::Cid;
use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use store::{Absent, Batch, BlockStore, Collected, GcError, GetError, PutError, check};

/// A store in memory that remembers what it was asked for, takes its time for what it does not
/// have, and has room for so many bytes.
#[derive(Default)]
pub(crate) struct Watched {
    blocks: Mutex<HashMap<Cid, Vec<u8>>>,
    asked: Mutex<HashSet<Cid>>,
    delay: Duration,
    /// Bytes that fit; without limit if it is 0.
    pub(crate) room: AtomicU64,
}

impl Watched {
    pub(crate) fn slow(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    pub(crate) fn was_asked_for(&self, cid: &Cid) -> bool {
        self.asked.lock().unwrap().contains(cid)
    }

    fn held(&self) -> u64 {
        let blocks = self.blocks.lock().unwrap();
        blocks.values().map(|block| block.len() as u64).sum()
    }

    fn look(&self, cid: &Cid) -> Option<Vec<u8>> {
        self.asked.lock().unwrap().insert(*cid);
        std::thread::sleep(self.delay);
        self.blocks.lock().unwrap().get(cid).cloned()
    }
}

struct Waiting<'a>(&'a Watched, Vec<(Cid, Vec<u8>)>);

impl Batch for Waiting<'_> {
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        check(cid, bytes).map_err(|_| PutError::Mismatch(*cid))?;
        self.put_hashed(cid, bytes)
    }
    fn put_hashed(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let here: usize = self.1.iter().map(|(_, bytes)| bytes.len()).sum();
        let room = self.0.room.load(Ordering::Relaxed);
        if room > 0 && self.0.held() + (here + bytes.len()) as u64 > room {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        self.1.push((*cid, bytes.to_vec()));
        Ok(())
    }
    fn commit(self: Box<Self>) -> Result<(), PutError> {
        self.0.blocks.lock().unwrap().extend(self.1);
        Ok(())
    }
}

impl BlockStore for Watched {
    fn put(&self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let mut batch = self.batch();
        batch.put(cid, bytes)?;
        batch.commit()
    }
    fn batch(&self) -> Box<dyn Batch + '_> {
        Box::new(Waiting(self, Vec::new()))
    }
    fn get(&self, cid: &Cid) -> Result<Vec<u8>, GetError> {
        self.look(cid).ok_or(GetError::Missing(*cid))
    }
    fn size(&self, cid: &Cid) -> Result<Option<u64>, GetError> {
        Ok(self.look(cid).map(|block| block.len() as u64))
    }
    fn roots_of(&self, _: &Cid) -> Result<Vec<Cid>, GetError> {
        Ok(Vec::new())
    }
    fn delete(&self, cid: &Cid) -> Result<bool, PutError> {
        Ok(self.blocks.lock().unwrap().remove(cid).is_some())
    }
    fn pin(&self, _: &Cid) -> Result<u64, PutError> {
        Ok(1)
    }
    fn unpin(&self, _: &Cid) -> Result<u64, PutError> {
        Ok(0)
    }
    fn pins(&self) -> io::Result<Vec<(Cid, u64)>> {
        Ok(Vec::new())
    }
    fn gc(&self, _: Duration, _: Absent) -> Result<Collected, GcError> {
        Ok(Collected::default())
    }
}
