//! Records on their way into packs: kept in memory while they are few, then in packs of
//! their own, one after the other, written in one go from front to end.

use super::{
    key::Key,
    packs::{Pack, Packs},
    record::{self, HEAD, PACK_HEAD, Place},
    shared::{Shared, SharedPack},
};
use crate::MAX_BLOCK;
use std::{io, mem, sync::Arc};

/// Writes records. Their places are final once [`Writer::finish`] has returned, moved by
/// what it gives.
pub(super) struct Writer {
    packs: Arc<Packs>,
    /// What belongs at `flushed` of the last pack, or in a pack not made yet.
    buffer: Vec<u8>,
    flushed: u64,
    /// Bytes that the disk was told it may write.
    complete: u64,
    written: Vec<Pack>,
}

/// What a writer has written. Its packs are not removed while this lives.
pub(super) enum Written {
    /// In packs of its own, durable.
    Own(Vec<Pack>),
    /// In the pack that all share, so many bytes further on; not synced yet.
    Shared(Arc<SharedPack>, u64),
    Nothing,
}

impl Written {
    /// Where the block lies that the writer has given this place.
    pub(super) fn place(&self, place: &Place) -> Place {
        match self {
            Self::Shared(pack, moved) => Place {
                pack: pack.number(),
                offset: place.offset + moved,
                ..*place
            },
            Self::Own(packs) => settled(place, packs.first()),
            Self::Nothing => *place,
        }
    }

    /// The numbers of its own packs, which it lets go of.
    pub(super) fn release(self) -> Vec<u64> {
        match self {
            Self::Own(packs) => packs.iter().map(Pack::number).collect(),
            Self::Shared(..) | Self::Nothing => Vec::new(),
        }
    }
}

/// The place of a block that may have been in memory alone when it got it.
fn settled(place: &Place, first: Option<&Pack>) -> Place {
    match (place.pack, first) {
        (0, Some(pack)) => Place {
            pack: pack.number(),
            ..*place
        },
        _ => *place,
    }
}

impl Writer {
    pub(super) fn new(packs: &Arc<Packs>) -> Self {
        Self {
            packs: Arc::clone(packs),
            buffer: Vec::new(),
            flushed: PACK_HEAD.len() as u64,
            complete: 0,
            written: Vec::new(),
        }
    }

    /// Takes a block of at most [`MAX_BLOCK`] bytes. Its place is in pack 0 while it is in
    /// memory alone: all such places belong to what is flushed or finished next.
    pub(super) fn add(&mut self, key: &Key, bytes: &[u8]) -> io::Result<Place> {
        let length = bytes.len() as u32; // at most `MAX_BLOCK`
        let size = record::size(length);
        let mut start = self.flushed + self.buffer.len() as u64;
        if self.written.is_empty() && start + size > SMALL {
            self.begin()?;
        } else if start + size > FULL {
            self.flush()?;
            self.sync_last()?;
            self.begin()?;
            start = self.flushed;
        }
        self.buffer.extend_from_slice(&record::head(key, length));
        if !self.written.is_empty() && bytes.len() >= DIRECT {
            self.flush()?;
            self.write(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.buffer.extend_from_slice(record::padding(length));
        if !self.written.is_empty() && self.buffer.len() >= SMALL as usize {
            self.flush()?;
        }
        Ok(Place {
            pack: self.written.last().map_or(0, Pack::number),
            offset: start + HEAD as u64,
            length,
        })
    }

    /// Where a block lies for good, `None` while it is in memory alone.
    pub(super) fn settled(&self, place: &Place) -> Option<Place> {
        let place = settled(place, self.written.first());
        (place.pack != 0).then_some(place)
    }

    /// Writes what is still in memory. What lies in packs of its own is durable; what is
    /// in the shared one is after the caller has synced that.
    pub(super) fn finish(mut self, shared: &Shared) -> io::Result<Written> {
        if !self.written.is_empty() {
            self.flush()?;
            self.sync_last()?;
            return Ok(Written::Own(mem::take(&mut self.written)));
        }
        if self.buffer.is_empty() {
            return Ok(Written::Nothing);
        }
        let (pack, at) = shared.append(&self.packs, &self.buffer)?;
        Ok(Written::Shared(pack, at - PACK_HEAD.len() as u64))
    }

    fn begin(&mut self) -> io::Result<()> {
        self.written.push(self.packs.create()?);
        self.flushed = PACK_HEAD.len() as u64;
        self.complete = 0;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let buffer = mem::take(&mut self.buffer);
        let done = self.write(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        done
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(pack) = self.written.last() else {
            return Ok(());
        };
        pack.file().write_at(self.flushed, bytes)?;
        self.flushed += bytes.len() as u64;
        // Not the last page, which will be written to again.
        let whole = self.flushed & !0xfff;
        if whole - self.complete >= AHEAD {
            pack.file().complete(self.complete, whole - self.complete);
            self.complete = whole;
        }
        Ok(())
    }

    fn sync_last(&self) -> io::Result<()> {
        match self.written.last() {
            Some(pack) => pack.file().sync_data(),
            None => Ok(()),
        }
    }
}

/// What is dropped unfinished leaves nothing behind.
impl Drop for Writer {
    fn drop(&mut self) {
        for pack in &self.written {
            let _ = self.packs.remove(pack.number()); // at the next start otherwise
        }
    }
}

/// Up to here a batch is kept in memory and ends in the shared pack; one block always fits.
const SMALL: u64 = MAX_BLOCK as u64 + 4096;
/// A block of so many bytes is written from where it is.
const DIRECT: usize = 64 << 10;
/// The disk begins to write after so many bytes.
const AHEAD: u64 = 8 << 20;
/// A pack is not begun to be written beyond this: what is rewritten at once is bounded.
const FULL: u64 = 1 << 30;
