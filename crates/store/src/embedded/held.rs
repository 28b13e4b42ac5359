//! Blocks that a batch counts on: they were here already when it brought them.

use super::{Embedded, key::Key};
use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many batches count on each block. Who forgets blocks for want of a pin keeps the
/// lock until that is done, so that nobody begins to count on one meanwhile.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<Key, u32>>);

impl Held {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<Key, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, key: &Key) {
        *self.lock().entry(*key).or_default() += 1;
    }

    pub(super) fn release(&self, key: &Key) {
        let mut held = self.lock();
        if let Some(count) = held.get_mut(key) {
            *count -= 1; // never 0 in the map
            if *count == 0 {
                held.remove(key);
            }
        }
    }
}

impl Embedded {
    /// Whether the block is here, whole; then it is held. One that is damaged or cannot be
    /// read is as good as absent: it is written again.
    pub(super) fn hold(&self, key: &Key, bytes: &[u8]) -> io::Result<bool> {
        if self.index.read(|view| view.block(key))?.is_none() {
            return Ok(false);
        }
        self.held.hold(key);
        let place = match self.index.read(|view| view.block(key)) {
            Ok(row) => row.map(|row| row.place),
            Err(error) => {
                self.held.release(key);
                return Err(error);
            }
        };
        let is_whole = place
            .filter(|place| place.length as usize == bytes.len())
            .and_then(|place| self.packs.read(&place).ok())
            .is_some_and(|held| held == bytes);
        if !is_whole {
            self.held.release(key);
        }
        Ok(is_whole)
    }
}
