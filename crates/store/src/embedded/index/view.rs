//! The tables at one moment, for reading.

use super::{
    super::{
        key::{KEY, Key},
        record::{PACK_HEAD, Place},
    },
    fault,
    rows::{Row, row_of},
    tables::{
        BLOCKS, CHANGES, GRAVES, LOOSE, PACKS, PENDING, PLACES, ROOTS, ROOTS_OF, SCRUBBED, SHARED,
        WANTED,
    },
    torn,
};
use redb::{ReadTransaction, ReadableTableMetadata as _};
use std::{
    io,
    ops::{Bound, RangeInclusive},
};

/// The index as it was when the reading began.
pub(in super::super) struct View(ReadTransaction);

/// A pack, how far it is written, and the bytes of live records in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct PackFacts {
    pub(in super::super) pack: u64,
    pub(in super::super) end: u64,
    pub(in super::super) live: u64,
}

impl View {
    pub(super) const fn new(transaction: ReadTransaction) -> Self {
        Self(transaction)
    }

    pub(in super::super) fn block(&self, key: &Key) -> io::Result<Option<Row>> {
        let blocks = self.0.open_table(BLOCKS).map_err(fault)?;
        let found = blocks.get(&key.0).map_err(fault)?;
        Ok(found.map(|row| row_of(row.value())))
    }

    /// The pinned roots that reach a block.
    pub(in super::super) fn roots_of(&self, key: &Key) -> io::Result<Vec<Key>> {
        let table = self.0.open_table(ROOTS_OF).map_err(fault)?;
        let range = (&key.0, &Key::FIRST.0)..=(&key.0, &Key::LAST.0);
        let mut roots = Vec::new();
        for row in table.range(range).map_err(fault)? {
            roots.push(Key(*row.map_err(fault)?.0.value().1));
        }
        Ok(roots)
    }

    /// Every root with its pins.
    pub(in super::super) fn pins(&self) -> io::Result<Vec<(Key, u64)>> {
        let table = self.0.open_table(ROOTS).map_err(fault)?;
        let mut pins = Vec::new();
        for row in table.range::<&[u8; KEY]>(..).map_err(fault)? {
            let (root, count) = row.map_err(fault)?;
            pins.push((Key(*root.value()), count.value()));
        }
        Ok(pins)
    }

    /// The next live blocks at or after a place, as they lie.
    pub(in super::super) fn places(
        &self,
        from: (u64, u64),
        limit: usize,
    ) -> io::Result<Vec<(Key, Place)>> {
        self.placed(from..=(u64::MAX, u64::MAX), limit)
    }

    /// Some of the blocks that live in a pack, from an offset on, as they lie.
    pub(in super::super) fn living(
        &self,
        pack: u64,
        from: u64,
        limit: usize,
    ) -> io::Result<Vec<(Key, Place)>> {
        self.placed((pack, from)..=(pack, u64::MAX), limit)
    }

    fn placed(
        &self,
        range: RangeInclusive<(u64, u64)>,
        limit: usize,
    ) -> io::Result<Vec<(Key, Place)>> {
        let table = self.0.open_table(PLACES).map_err(fault)?;
        let mut places = Vec::new();
        for row in table.range(range).map_err(fault)?.take(limit) {
            let key = Key(*row.map_err(fault)?.1.value());
            let row = self
                .block(&key)?
                .ok_or_else(|| torn("a place of no block"))?;
            places.push((key, row.place));
        }
        Ok(places)
    }

    /// The next blocks after `after` that a root misses.
    pub(in super::super) fn wanted(&self, after: &Key, limit: usize) -> io::Result<Vec<Key>> {
        let table = self.0.open_table(WANTED).map_err(fault)?;
        let range = (Bound::Excluded(&after.0), Bound::Unbounded);
        let mut keys = Vec::new();
        for row in table.range::<&[u8; KEY]>(range).map_err(fault)?.take(limit) {
            keys.push(Key(*row.map_err(fault)?.0.value()));
        }
        Ok(keys)
    }

    /// Some of what is dead and not destroyed: pack, where it begins, bytes.
    pub(in super::super) fn graves(&self, limit: usize) -> io::Result<Vec<(u64, u64, u64)>> {
        let table = self.0.open_table(GRAVES).map_err(fault)?;
        let mut graves = Vec::new();
        for row in table.range::<(u64, u64)>(..).map_err(fault)?.take(limit) {
            let (at, size) = row.map_err(fault)?;
            let (pack, start) = at.value();
            graves.push((pack, start, size.value()));
        }
        Ok(graves)
    }

    /// The packs that many have written to.
    pub(in super::super) fn shared(&self) -> io::Result<Vec<u64>> {
        let table = self.0.open_table(SHARED).map_err(fault)?;
        let mut packs = Vec::new();
        for row in table.range::<u64>(..).map_err(fault)? {
            packs.push(row.map_err(fault)?.0.value());
        }
        Ok(packs)
    }

    pub(in super::super) fn pack(&self, pack: u64) -> io::Result<Option<PackFacts>> {
        let table = self.0.open_table(PACKS).map_err(fault)?;
        let found = table.get(pack).map_err(fault)?;
        Ok(found.map(|row| facts(pack, row.value())))
    }

    pub(in super::super) fn packs(&self) -> io::Result<Vec<PackFacts>> {
        let table = self.0.open_table(PACKS).map_err(fault)?;
        let mut packs = Vec::new();
        for row in table.range::<u64>(..).map_err(fault)? {
            let (pack, row) = row.map_err(fault)?;
            packs.push(facts(pack.value(), row.value()));
        }
        Ok(packs)
    }

    /// Where a batch has put a block.
    pub(in super::super) fn pending(&self, batch: u64, key: &Key) -> io::Result<Option<Place>> {
        let table = self.0.open_table(PENDING).map_err(fault)?;
        let found = table.get((batch, &key.0)).map_err(fault)?;
        Ok(found.map(|row| place_of(row.value())))
    }

    /// Blocks that are here.
    pub(in super::super) fn blocks(&self) -> io::Result<u64> {
        let table = self.0.open_table(BLOCKS).map_err(fault)?;
        table.len().map_err(fault)
    }

    /// Blocks that no root reaches.
    pub(in super::super) fn unpinned(&self) -> io::Result<u64> {
        let loose = self.0.open_table(LOOSE).map_err(fault)?;
        let roots_of = self.0.open_table(ROOTS_OF).map_err(fault)?;
        let mut count = 0;
        for row in loose.range::<(u64, &[u8; KEY])>(..).map_err(fault)? {
            let at = row.map_err(fault)?.0;
            let key = at.value().1;
            let range = (key, &Key::FIRST.0)..=(key, &Key::LAST.0);
            let mut roots = roots_of.range(range).map_err(fault)?;
            count += u64::from(roots.next().is_none());
        }
        Ok(count)
    }

    /// The number of the last change.
    pub(super) fn last_change(&self) -> io::Result<u64> {
        let table = self.0.open_table(CHANGES).map_err(fault)?;
        let found = table.get(()).map_err(fault)?;
        Ok(found.map_or(0, |row| row.value()))
    }

    pub(in super::super) fn scrubbed(&self) -> io::Result<Option<(u64, u64)>> {
        let table = self.0.open_table(SCRUBBED).map_err(fault)?;
        Ok(table.get(()).map_err(fault)?.map(|row| row.value()))
    }
}

fn facts(pack: u64, (end, live): (u64, u64)) -> PackFacts {
    PackFacts {
        pack,
        end: end.max(PACK_HEAD.len() as u64),
        live,
    }
}

pub(super) fn place_of((pack, offset, length): (u64, u64, u32)) -> Place {
    Place {
        pack,
        offset,
        length,
    }
}
