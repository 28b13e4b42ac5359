//! The tables, open for a change, and what must be changed together.

use super::{
    super::{
        key::Key,
        record::{PACK_HEAD, Place},
    },
    fault,
    tables::{
        BLOCKS, CHANGES, GRAVES, K, LOOSE, PACKS, PENDING, PLACES, QUEUE, REACH, ROOTS, ROOTS_OF,
        SCRUBBED, SHARED, WANTED,
    },
    view::place_of,
};
use redb::{ReadableTable as _, Table, WriteTransaction};
use std::io;

/// What the index knows of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Row {
    pub(in super::super) place: Place,
    pub(in super::super) awaited: Awaited,
}

/// Those who have stored a block and are still to pin it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in super::super) struct Awaited {
    /// How many. That a request was repeated counts as two, until collection forgets them.
    pub(in super::super) count: u32,
    /// When the last of them stored it; 0 if there is none.
    pub(in super::super) time: u64,
}

impl Awaited {
    pub(in super::super) const NOBODY: Self = Self { count: 0, time: 0 };

    /// One more.
    pub(in super::super) const fn and(self, now: u64) -> Self {
        Self {
            count: self.count.saturating_add(1),
            time: now,
        }
    }

    /// One has pinned it.
    pub(in super::super) const fn less(self) -> Self {
        match self.count {
            0 | 1 => Self::NOBODY,
            count => Self {
                count: count - 1,
                ..self
            },
        }
    }

    pub(in super::super) const fn is_nobody(self) -> bool {
        self.count == 0
    }
}

/// The tables, open for one change.
pub(in super::super) struct Rows<'t> {
    blocks: Table<'t, K, (u64, u64, u32, u32, u64)>,
    places: Table<'t, (u64, u64), K>,
    packs: Table<'t, u64, (u64, u64)>,
    pub(in super::super) roots: Table<'t, K, u64>,
    pub(in super::super) reach: Table<'t, (K, K), ()>,
    pub(in super::super) roots_of: Table<'t, (K, K), ()>,
    pub(in super::super) loose: Table<'t, (u64, K), ()>,
    pub(in super::super) wanted: Table<'t, K, ()>,
    pub(in super::super) queue: Table<'t, (K, K), ()>,
    graves: Table<'t, (u64, u64), u64>,
    pending: Table<'t, (u64, K), (u64, u64, u32)>,
    shared: Table<'t, u64, ()>,
    changes: Table<'t, (), u64>,
    scrubbed: Table<'t, (), (u64, u64)>,
}

impl<'t> Rows<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> io::Result<Self> {
        Ok(Self {
            blocks: transaction.open_table(BLOCKS).map_err(fault)?,
            places: transaction.open_table(PLACES).map_err(fault)?,
            packs: transaction.open_table(PACKS).map_err(fault)?,
            roots: transaction.open_table(ROOTS).map_err(fault)?,
            reach: transaction.open_table(REACH).map_err(fault)?,
            roots_of: transaction.open_table(ROOTS_OF).map_err(fault)?,
            loose: transaction.open_table(LOOSE).map_err(fault)?,
            wanted: transaction.open_table(WANTED).map_err(fault)?,
            queue: transaction.open_table(QUEUE).map_err(fault)?,
            graves: transaction.open_table(GRAVES).map_err(fault)?,
            pending: transaction.open_table(PENDING).map_err(fault)?,
            shared: transaction.open_table(SHARED).map_err(fault)?,
            changes: transaction.open_table(CHANGES).map_err(fault)?,
            scrubbed: transaction.open_table(SCRUBBED).map_err(fault)?,
        })
    }

    pub(in super::super) fn block(&self, key: &Key) -> io::Result<Option<Row>> {
        let found = self.blocks.get(&key.0).map_err(fault)?;
        Ok(found.map(|row| row_of(row.value())))
    }

    /// Says that a block lies at `place`, in place of where it lay, which is buried.
    pub(in super::super) fn set(
        &mut self,
        key: &Key,
        place: Place,
        awaited: Awaited,
    ) -> io::Result<()> {
        if let Some(old) = self.block(key)? {
            self.remove(key, &old)?;
        }
        self.places
            .insert((place.pack, place.offset), &key.0)
            .map_err(fault)?;
        let (end, live) = self.pack(place.pack)?;
        self.packs
            .insert(
                place.pack,
                (end.max(place.end()), live.saturating_add(place.size())),
            )
            .map_err(fault)?;
        self.put(key, &Row { place, awaited })
    }

    /// Changes who is to pin a block.
    pub(in super::super) fn stamp(
        &mut self,
        key: &Key,
        row: &Row,
        awaited: Awaited,
    ) -> io::Result<()> {
        if row.awaited == awaited {
            return Ok(());
        }
        if !row.awaited.is_nobody() {
            self.loose
                .remove((row.awaited.time, &key.0))
                .map_err(fault)?;
        }
        self.put(key, &Row { awaited, ..*row })
    }

    /// Forgets a block that is here, and buries its bytes.
    pub(in super::super) fn remove(&mut self, key: &Key, row: &Row) -> io::Result<()> {
        let Place { pack, offset, .. } = row.place;
        self.blocks.remove(&key.0).map_err(fault)?;
        self.places.remove((pack, offset)).map_err(fault)?;
        if !row.awaited.is_nobody() {
            self.loose
                .remove((row.awaited.time, &key.0))
                .map_err(fault)?;
        }
        let (end, live) = self.pack(pack)?;
        let live = live.saturating_sub(row.place.size());
        self.packs.insert(pack, (end, live)).map_err(fault)?;
        self.bury(&row.place)
    }

    /// Notes that what lies at a place is dead and must be destroyed.
    pub(in super::super) fn bury(&mut self, place: &Place) -> io::Result<()> {
        self.graves
            .insert((place.pack, place.start()), place.size())
            .map_err(fault)?;
        Ok(())
    }

    /// Has a pack removed in which nothing lives.
    pub(in super::super) fn bury_pack(&mut self, pack: u64) -> io::Result<()> {
        self.graves.insert((pack, 0), 0).map_err(fault)?;
        Ok(())
    }

    /// What lay there is destroyed.
    pub(in super::super) fn forget_grave(&mut self, pack: u64, start: u64) -> io::Result<()> {
        self.graves.remove((pack, start)).map_err(fault)?;
        Ok(())
    }

    /// Many write to a pack.
    pub(in super::super) fn share(&mut self, pack: u64) -> io::Result<()> {
        if self.shared.get(pack).map_err(fault)?.is_none() {
            self.shared.insert(pack, ()).map_err(fault)?;
        }
        Ok(())
    }

    /// Nobody writes to it any more, and nothing lies between its live blocks.
    pub(in super::super) fn unshare(&mut self, pack: u64) -> io::Result<()> {
        self.shared.remove(pack).map_err(fault)?;
        Ok(())
    }

    /// Forgets a pack whose file is gone.
    pub(in super::super) fn forget_pack(&mut self, pack: u64) -> io::Result<()> {
        self.unshare(pack)?;
        self.packs.remove(pack).map_err(fault)?;
        self.graves
            .retain_in((pack, 0)..=(pack, u64::MAX), |_, _| false)
            .map_err(fault)
    }

    /// How far a pack is written, and the bytes of live records in it.
    pub(in super::super) fn pack(&self, pack: u64) -> io::Result<(u64, u64)> {
        let found = self.packs.get(pack).map_err(fault)?;
        Ok(found.map_or((PACK_HEAD.len() as u64, 0), |row| row.value()))
    }

    /// A batch has put a block there, and is not complete yet.
    pub(in super::super) fn add_pending(
        &mut self,
        batch: u64,
        key: &Key,
        place: &Place,
    ) -> io::Result<()> {
        let value = (place.pack, place.offset, place.length);
        self.pending.insert((batch, &key.0), value).map_err(fault)?;
        Ok(())
    }

    /// Takes one block of a batch out of the table.
    pub(in super::super) fn take_pending(
        &mut self,
        batch: u64,
    ) -> io::Result<Option<(Key, Place)>> {
        let range = (batch, &Key::FIRST.0)..=(batch, &Key::LAST.0);
        let next = match self.pending.range(range).map_err(fault)?.next() {
            Some(row) => {
                let (at, place) = row.map_err(fault)?;
                Some((Key(*at.value().1), place_of(place.value())))
            }
            None => None,
        };
        if let Some((key, _)) = &next {
            self.pending.remove((batch, &key.0)).map_err(fault)?;
        }
        Ok(next)
    }

    /// Forgets what an incomplete batch has put.
    pub(in super::super) fn drop_pending(&mut self, batch: u64) -> io::Result<()> {
        let range = (batch, &Key::FIRST.0)..=(batch, &Key::LAST.0);
        self.pending.retain_in(range, |_, _| false).map_err(fault)
    }

    /// Forgets what all batches have put that were incomplete when the process ended.
    pub(in super::super) fn drop_all_pending(&mut self) -> io::Result<()> {
        self.pending.retain(|_, _| false).map_err(fault)
    }

    /// Numbers the change.
    pub(super) fn number(&mut self, change: u64) -> io::Result<()> {
        self.changes.insert((), change).map_err(fault)?;
        Ok(())
    }

    /// Notes where the scrubber goes on.
    pub(in super::super) fn scrubbed(&mut self, next: Option<(u64, u64)>) -> io::Result<()> {
        match next {
            Some(next) => self.scrubbed.insert((), next).map_err(fault)?,
            None => self.scrubbed.remove(()).map_err(fault)?,
        };
        Ok(())
    }

    fn put(&mut self, key: &Key, row: &Row) -> io::Result<()> {
        let Place {
            pack,
            offset,
            length,
        } = row.place;
        let Awaited { count, time } = row.awaited;
        let value = (pack, offset, length, count, time);
        self.blocks.insert(&key.0, value).map_err(fault)?;
        if !row.awaited.is_nobody() {
            self.loose.insert((time, &key.0), ()).map_err(fault)?;
        }
        Ok(())
    }
}

pub(super) fn row_of((pack, offset, length, count, time): (u64, u64, u32, u32, u64)) -> Row {
    Row {
        place: Place {
            pack,
            offset,
            length,
        },
        awaited: Awaited { count, time },
    }
}
