//! Who keeps what: each pinned root and the blocks that it reaches, in the index.
//!
//! `reach` and `roots of` are one relation, read from either end. It grows when a root is
//! pinned and when a block comes that a root has missed, and it is followed link by link
//! through a queue in the index, so that neither depth nor width of a tree costs memory.

use super::{
    index::{Awaited, Row, Rows, fault},
    key::Key,
    record::Place,
};
use crate::links;
use redb::ReadableTable as _;
use std::io;

/// Gives a block's bytes, `None` if they are missing or are not the block's.
pub(super) type ReadBlock<'a> = &'a dyn Fn(&Key, &Place) -> io::Result<Option<Vec<u8>>>;

impl Rows<'_> {
    /// A block was stored by somebody who is still to pin it.
    pub(super) fn store(&mut self, key: &Key, place: Place, now: u64) -> io::Result<()> {
        let old = self.block(key)?;
        // One that a root has missed belongs to the root at once.
        let awaited = match old {
            None if self.is_kept(key)? => Awaited::NOBODY,
            None => Awaited::NOBODY.and(now),
            Some(row) => row.awaited.and(now),
        };
        self.arrive(key, old, place, awaited)
    }

    /// A whole copy was got for a block that is damaged or missed. One that nobody wants
    /// any more is buried.
    pub(super) fn mend(&mut self, key: &Key, place: Place) -> io::Result<()> {
        let old = self.block(key)?;
        if old.is_none() && self.wanted.get(&key.0).map_err(fault)?.is_none() {
            return self.bury(&place);
        }
        let awaited = old.map_or(Awaited::NOBODY, |row| row.awaited);
        self.arrive(key, old, place, awaited)
    }

    /// A block is here and damaged: whoever keeps it misses it.
    pub(super) fn miss(&mut self, key: &Key) -> io::Result<()> {
        if self.is_kept(key)? && self.block(key)?.is_some() {
            self.wanted.insert(&key.0, ()).map_err(fault)?;
        }
        Ok(())
    }

    fn arrive(
        &mut self,
        key: &Key,
        old: Option<Row>,
        place: Place,
        awaited: Awaited,
    ) -> io::Result<()> {
        self.set(key, place, awaited)?;
        let missed = self.wanted.remove(&key.0).map_err(fault)?.is_some();
        if key.links() && (missed || old.is_none()) {
            // Its links are followed for every root that has waited for it.
            let range = (&key.0, &Key::FIRST.0)..=(&key.0, &Key::LAST.0);
            for row in self.roots_of.range(range).map_err(fault)? {
                let root = Key(*row.map_err(fault)?.0.value().1);
                self.queue.insert((&root.0, &key.0), ()).map_err(fault)?;
            }
        }
        Ok(())
    }

    /// One pin more; returns how many there are.
    pub(super) fn pin(&mut self, root: &Key) -> io::Result<u64> {
        let count = self
            .roots
            .get(&root.0)
            .map_err(fault)?
            .map_or(0, |count| count.value());
        self.roots
            .insert(&root.0, count.saturating_add(1))
            .map_err(fault)?;
        if count == 0 {
            self.join(root, root)?;
        } else {
            // Who stored it again has pinned it now.
            let mut after = Key::FIRST;
            while let Some(last) = self.each_member(root, &after, |rows, key| rows.settle(key))? {
                after = last;
            }
        }
        Ok(count.saturating_add(1))
    }

    /// One pin less; returns how many are left, `None` if there was none. With the last
    /// one, what no other root reaches is forgotten and buried, except what `is_held` or
    /// somebody is still to pin.
    pub(super) fn unpin(
        &mut self,
        root: &Key,
        now: u64,
        is_held: &dyn Fn(&Key) -> bool,
    ) -> io::Result<Option<u64>> {
        let Some(count) = self
            .roots
            .get(&root.0)
            .map_err(fault)?
            .map(|count| count.value())
        else {
            return Ok(None);
        };
        if count > 1 {
            self.roots.insert(&root.0, count - 1).map_err(fault)?;
            return Ok(Some(count - 1));
        }
        self.roots.remove(&root.0).map_err(fault)?;
        while self
            .each_member(root, &Key::FIRST, |rows, key| {
                rows.part(root, key, now, is_held)
            })?
            .is_some()
        {}
        Ok(Some(0))
    }

    /// Forgets and buries a block, whoever keeps it. Nobody misses it: that it is gone was
    /// somebody's will. `false` if it was not here.
    pub(super) fn erase(&mut self, key: &Key) -> io::Result<bool> {
        self.wanted.remove(&key.0).map_err(fault)?;
        let Some(row) = self.block(key)? else {
            return Ok(false);
        };
        self.remove(key, &row)?;
        Ok(true)
    }

    /// Does `work` to some members of a root after `after`; the last of them.
    fn each_member(
        &mut self,
        root: &Key,
        after: &Key,
        mut work: impl FnMut(&mut Self, &Key) -> io::Result<()>,
    ) -> io::Result<Option<Key>> {
        let mut some = Vec::with_capacity(AT_ONCE);
        let range = (&root.0, &after.0)..=(&root.0, &Key::LAST.0);
        for row in self.reach.range(range).map_err(fault)? {
            let key = Key(*row.map_err(fault)?.0.value().1);
            if key != *after {
                some.push(key);
            }
            if some.len() == AT_ONCE {
                break;
            }
        }
        for key in &some {
            work(self, key)?;
        }
        Ok(some.last().copied())
    }

    /// A root reaches a block.
    fn join(&mut self, root: &Key, key: &Key) -> io::Result<()> {
        if self
            .reach
            .insert((&root.0, &key.0), ())
            .map_err(fault)?
            .is_some()
        {
            return Ok(());
        }
        self.roots_of.insert((&key.0, &root.0), ()).map_err(fault)?;
        if self.block(key)?.is_none() {
            self.wanted.insert(&key.0, ()).map_err(fault)?;
            return Ok(());
        }
        self.settle(key)?;
        if key.links() {
            self.queue.insert((&root.0, &key.0), ()).map_err(fault)?;
        }
        Ok(())
    }

    /// One of those who stored it has pinned it.
    fn settle(&mut self, key: &Key) -> io::Result<()> {
        match self.block(key)? {
            Some(row) => self.stamp(key, &row, row.awaited.less()),
            None => Ok(()),
        }
    }

    /// A root that has lost its last pin lets go of a block.
    fn part(
        &mut self,
        root: &Key,
        key: &Key,
        now: u64,
        is_held: &dyn Fn(&Key) -> bool,
    ) -> io::Result<()> {
        self.reach.remove((&root.0, &key.0)).map_err(fault)?;
        self.roots_of.remove((&key.0, &root.0)).map_err(fault)?;
        if self.is_kept(key)? {
            return Ok(());
        }
        self.wanted.remove(&key.0).map_err(fault)?;
        match self.block(key)? {
            Some(row) if row.awaited.is_nobody() && is_held(key) => {
                self.stamp(key, &row, Awaited::NOBODY.and(now))
            }
            Some(row) if row.awaited.is_nobody() => self.remove(key, &row),
            _ => Ok(()),
        }
    }

    /// Follows every link in the queue. A block that cannot be followed because it is
    /// damaged is wanted; one that is no valid node has no links.
    pub(super) fn follow(&mut self, read: ReadBlock<'_>) -> io::Result<()> {
        loop {
            let (root, key) = match self.queue.pop_first().map_err(fault)? {
                Some((pair, _)) => {
                    let (root, key) = pair.value();
                    (Key(*root), Key(*key))
                }
                None => return Ok(()),
            };
            let Some(row) = self.block(&key)? else {
                continue;
            };
            match read(&key, &row.place)? {
                Some(bytes) => {
                    let found = links(&key.cid(), &bytes).unwrap_or_default();
                    for link in found.iter().filter_map(Key::of) {
                        self.join(&root, &link)?;
                    }
                }
                None => drop(self.wanted.insert(&key.0, ()).map_err(fault)?),
            }
        }
    }

    /// Whether a pinned root reaches the block.
    pub(super) fn is_kept(&self, key: &Key) -> io::Result<bool> {
        let range = (&key.0, &Key::FIRST.0)..=(&key.0, &Key::LAST.0);
        match self.roots_of.range(range).map_err(fault)?.next() {
            Some(row) => row.map(|_| true).map_err(fault),
            None => Ok(false),
        }
    }
}

/// Members of a root that are in memory at once.
const AT_ONCE: usize = 1024;
