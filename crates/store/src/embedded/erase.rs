//! Erasure: what the index has forgotten is destroyed, and packs that are mostly dead are
//! written anew.
//!
//! The index says in the same change that a block is forgotten and where its bytes lie, so
//! that a crash in between only delays their end. A pack in which nothing lives is removed;
//! inside a living pack the bytes become a hole, or zeros.

use super::{
    Embedded,
    index::PackFacts,
    key::Key,
    record::{PACK_HEAD, Place},
    writer::Writer,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is left to do about packs.
#[derive(Default)]
pub(super) struct Chores {
    /// One thread destroys at a time.
    destroying: Mutex<()>,
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    /// Packs that may be mostly dead.
    sparse: BTreeSet<u64>,
    /// Packs of batches that failed; whether the index knows them is not certain.
    abandoned: BTreeSet<u64>,
}

impl Chores {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Embedded {
    /// Destroys everything that is forgotten; durable when this returns.
    pub(super) fn destroy(&self) -> io::Result<()> {
        let destroying = self.chores.destroying.lock();
        let _one = destroying.unwrap_or_else(PoisonError::into_inner);
        loop {
            let graves = self.index.read(|view| view.graves(AT_ONCE))?;
            if graves.is_empty() {
                return Ok(());
            }
            let mut by_pack: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
            for (pack, start, size) in graves {
                by_pack.entry(pack).or_default().push((start, size));
            }
            let mut removed = Vec::new();
            for (pack, places) in &by_pack {
                if self.is_dead(*pack)? {
                    self.packs.remove(*pack)?;
                    removed.push(*pack);
                } else {
                    self.destroy_in(*pack, places)?;
                }
            }
            if !removed.is_empty() {
                self.packs.sync_names()?;
            }
            self.index.note(|rows| {
                for (pack, places) in &by_pack {
                    for (start, _) in places {
                        rows.forget_grave(*pack, *start)?;
                    }
                }
                for pack in removed {
                    rows.forget_pack(pack)?;
                }
                Ok(())
            })?;
        }
    }

    fn destroy_in(&self, pack: u64, places: &[(u64, u64)]) -> io::Result<()> {
        let file = match self.packs.file(pack) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for (start, size) in places {
            file.destroy(*start, *size)?;
        }
        file.sync_data()?;
        self.chores.lists().sparse.insert(pack);
        Ok(())
    }

    /// Whether nothing lives in a pack and nobody will write to it again: asked in this
    /// order, for who writes to it may just have entered what he wrote.
    fn is_dead(&self, pack: u64) -> io::Result<bool> {
        if self.packs.in_use(pack) {
            return Ok(false);
        }
        let facts = self.index.read(|view| view.pack(pack))?;
        Ok(facts.is_none_or(|facts| facts.live == 0))
    }

    /// Removes the packs of a batch that failed, unless the index has them after all.
    pub(super) fn abandon(&self, packs: &[u64]) {
        self.chores.lists().abandoned.extend(packs);
        self.tidy();
    }

    fn tidy(&self) {
        let abandoned = self.chores.lists().abandoned.clone();
        if abandoned.is_empty() {
            return;
        }
        for pack in &abandoned {
            let pack = *pack;
            let is_known = match self.index.read(|view| view.pack(pack)) {
                Ok(facts) => facts.is_some(),
                Err(_) => continue, // asked again later
            };
            if is_known || self.packs.remove(pack).is_ok() {
                self.chores.lists().abandoned.remove(&pack);
            }
        }
        if self.packs.sync_names().is_err() {
            self.chores.lists().abandoned.extend(abandoned); // once more
        }
    }

    /// At the start: removes files that the index does not know, and finds the packs that
    /// are mostly dead.
    pub(super) fn survey(&self, files: &[u64], known: &[PackFacts]) {
        let sparse = known.iter().filter(|facts| is_sparse(facts));
        self.chores.lists().sparse = sparse.map(|facts| facts.pack).collect();
        let known: BTreeSet<u64> = known.iter().map(|facts| facts.pack).collect();
        let is_unknown = |pack: &u64| !known.contains(pack);
        let unknown: Vec<u64> = files.iter().copied().filter(is_unknown).collect();
        self.abandon(&unknown);
    }

    /// Writes anew what lives in packs that are mostly dead, and removes those.
    pub(super) fn rewrite_sparse(&self) -> io::Result<()> {
        self.tidy();
        let sparse: Vec<u64> = {
            let lists = self.chores.lists();
            lists.sparse.iter().copied().collect()
        };
        for pack in sparse {
            let facts = self.index.read(|view| view.pack(pack))?;
            let Some(facts) = facts.filter(is_sparse) else {
                self.chores.lists().sparse.remove(&pack);
                continue;
            };
            self.shared.leave(pack);
            if self.packs.in_use(pack) {
                continue; // next time
            }
            if facts.live > 0 && !self.evacuate(pack)? {
                // Something in it is damaged: for the scrubber to repair.
                self.chores.lists().sparse.remove(&pack);
                continue;
            }
            self.index.change(|rows| rows.bury_pack(pack))?;
            self.destroy()?;
            self.chores.lists().sparse.remove(&pack);
        }
        Ok(())
    }

    /// Moves every live block out of a pack; `false` if one of them is damaged.
    fn evacuate(&self, pack: u64) -> io::Result<bool> {
        loop {
            let mut writer = Writer::new(&self.packs);
            let mut moves = Vec::new();
            let mut bytes = 0;
            let living = self.index.read(|view| view.living(pack, 0, AT_ONCE))?;
            for (key, old) in living {
                let Some(block) = self.packs.block(&key, &old)? else {
                    return Ok(false);
                };
                moves.push((key, old, writer.add(&key, &block)?));
                bytes += old.size();
                if bytes >= MOVED_AT_ONCE {
                    break;
                }
            }
            if moves.is_empty() {
                return Ok(true);
            }
            self.relocate(writer, &moves)?;
        }
    }

    fn relocate(&self, writer: Writer, moves: &[(Key, Place, Place)]) -> io::Result<()> {
        let written = writer.finish(&self.shared)?;
        self.settle(written, |rows, written| {
            for (key, old, new) in moves {
                let new = written.place(new);
                match rows.block(key)? {
                    Some(row) if row.place == *old => rows.set(key, new, row.awaited)?,
                    _ => rows.bury(&new)?, // erased since, and so must the copy be
                }
            }
            Ok(())
        })
    }

    /// Destroys what failed batches have left in packs that many wrote to and nobody
    /// writes to any more.
    pub(super) fn close_gaps(&self) -> io::Result<()> {
        for pack in self.index.read(|view| view.shared())? {
            if self.packs.in_use(pack) {
                continue;
            }
            match self.close_gaps_in(pack) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.index.note(|rows| rows.unshare(pack))?,
            }
        }
        Ok(())
    }

    fn close_gaps_in(&self, pack: u64) -> io::Result<()> {
        let file = self.packs.file(pack)?;
        let mut end = PACK_HEAD.len() as u64;
        loop {
            let living = self.index.read(|view| view.living(pack, end, AT_ONCE))?;
            if living.is_empty() {
                break;
            }
            for (_, place) in living {
                if place.start() > end {
                    file.destroy(end, place.start() - end)?;
                }
                end = place.end();
            }
        }
        if file.length()? > end {
            file.set_length(end)?;
        }
        file.sync_data()
    }
}

/// Whether a pack is worth writing anew: mostly dead, or one of the many little ones that
/// starts and stops leave.
fn is_sparse(facts: &PackFacts) -> bool {
    facts.live < facts.end.max(LITTLE) / 2
}

/// Graves, or blocks that move, that are in memory at once.
const AT_ONCE: usize = 4096;
/// Bytes that move in one change of the index.
const MOVED_AT_ONCE: u64 = 256 << 20;
const LITTLE: u64 = 1 << 20;
