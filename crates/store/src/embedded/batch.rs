//! Blocks on their way in.

use super::{
    Embedded,
    commit::{Refused, Request},
    key::Key,
    record::Place,
    writer::{Writer, Written},
};
use crate::{
    Batch, MAX_BLOCK, PutError,
    block::{self, Mismatch},
};
use base::cid::Cid;
use std::{
    collections::HashMap,
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A batch of [`Embedded`]; [`DiskBatch::finish`] is its commit.
pub(super) struct DiskBatch<'a> {
    store: &'a Embedded,
    writer: Writer,
    /// The blocks taken and not yet in the index's table.
    taken: HashMap<Key, Taken>,
    /// This batch's number in the index's table, once it has anything there.
    spilled: Option<u64>,
}

#[derive(Clone, Copy)]
enum Taken {
    Written(Place),
    /// It is in the store, and is not forgotten while this batch holds it.
    Held,
}

impl<'a> DiskBatch<'a> {
    pub(super) fn new(store: &'a Embedded) -> Self {
        Self {
            store,
            writer: Writer::new(&store.packs),
            taken: HashMap::new(),
            spilled: None,
        }
    }

    fn is_taken(&self, key: &Key) -> io::Result<bool> {
        if self.taken.contains_key(key) {
            return Ok(true);
        }
        let Some(batch) = self.spilled else {
            return Ok(false);
        };
        let pending = self.store.index.read(|view| view.pending(batch, key))?;
        Ok(pending.is_some())
    }

    /// Gives memory back: what was taken goes into a table of the index, under this
    /// batch's number, and is no block before the batch is complete.
    fn spill(&mut self) -> io::Result<()> {
        let batch = *self
            .spilled
            .get_or_insert_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
        let now = super::now();
        let (taken, writer) = (&self.taken, &self.writer);
        self.store.index.change(|rows| {
            for (key, taken) in taken {
                match taken {
                    Taken::Written(place) => {
                        if let Some(place) = writer.settled(place) {
                            rows.add_pending(batch, key, &place)?;
                        }
                    }
                    Taken::Held => {
                        // From now on its time protects it.
                        if let Some(row) = rows.block(key)? {
                            rows.stamp(key, &row, row.awaited.and(now))?;
                        }
                    }
                }
            }
            Ok(())
        })?;
        self.taken.retain(|key, taken| match taken {
            Taken::Written(place) => writer.settled(place).is_none(),
            Taken::Held => {
                self.store.held.release(key);
                false
            }
        });
        Ok(())
    }

    fn release(&mut self) {
        for (key, taken) in self.taken.drain() {
            if matches!(taken, Taken::Held) {
                self.store.held.release(&key);
            }
        }
    }

    /// Makes every block readable and durable.
    pub(super) fn finish(mut self) -> Result<(), Refused> {
        let writer = mem::replace(&mut self.writer, Writer::new(&self.store.packs));
        let written = writer.finish(&self.store.shared).map_err(Refused::Io)?;
        let mut request = Request {
            spilled: self.spilled,
            ..Request::default()
        };
        for (key, taken) in &self.taken {
            match taken {
                Taken::Held => request.held.push(*key),
                Taken::Written(place) => request.stored.push((*key, written.place(place))),
            }
        }
        if let Written::Shared(pack, _) = &written {
            request.shared = Some(Arc::clone(pack));
        }
        let committed = self.store.commit(request);
        let own = written.release();
        if committed.is_err() {
            self.store.abandon(&own);
        }
        committed
    }
}

impl Batch for DiskBatch<'_> {
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        match block::check(cid, bytes) {
            Ok(()) => self.put_hashed(cid, bytes),
            Err(Mismatch::Hash) => Err(PutError::Mismatch(*cid)),
            Err(Mismatch::Unsupported) => Err(PutError::Unsupported(*cid)),
        }
    }

    fn put_hashed(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), PutError> {
        let key = Key::of(cid).ok_or(PutError::Unsupported(*cid))?;
        if bytes.len() > MAX_BLOCK {
            return Err(PutError::TooLarge {
                cid: *cid,
                bytes: bytes.len(),
            });
        }
        if self.is_taken(&key)? {
            return Ok(());
        }
        let taken = if self.store.hold(&key, bytes)? {
            Taken::Held
        } else {
            Taken::Written(self.writer.add(&key, bytes)?)
        };
        self.taken.insert(key, taken);
        if self.taken.len() >= IN_MEMORY {
            self.spill()?;
        }
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), PutError> {
        Ok(self.finish()?)
    }
}

impl Drop for DiskBatch<'_> {
    fn drop(&mut self) {
        self.release();
        if let Some(batch) = self.spilled {
            // At the next start otherwise.
            let _ = self.store.index.note(|rows| rows.drop_pending(batch));
        }
    }
}

/// Numbers of batches; they mean something only while the process runs.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Blocks of one batch whose places are kept in memory: some 8 MiB.
const IN_MEMORY: usize = 64 << 10;
