//! Scrubbing: every block is hashed again, as they lie in the packs, at a bounded rate.

use super::{
    Embedded,
    key::Key,
    record::{self, HEAD, Place},
    writer::Writer,
};
use crate::{
    MAX_BLOCK, block,
    scrub::{Finding, Flaw, Outcome, Repair, ScrubReport},
};
use std::{
    collections::HashSet,
    io, thread,
    time::{Duration, Instant},
};

impl Embedded {
    /// Hashes every block, asks `repair` for those that are damaged or missing, and stores
    /// what comes. Goes on where the last call was stopped, in this process or one before;
    /// a call that begins at the front checks the index first. `stop` is asked after every
    /// block; at most `bytes_per_second` are read on average.
    ///
    /// # Errors
    /// If the index cannot be read or written: `InvalidData` if it is damaged. Blocks that
    /// cannot be read are findings.
    pub fn scrub(
        &self,
        repair: &dyn Repair,
        bytes_per_second: u64,
        stop: &dyn Fn() -> bool,
    ) -> io::Result<ScrubReport> {
        let mut report = ScrubReport::default();
        let mut pace = Pace::new(bytes_per_second);
        let mut next = self.index.read(|view| view.scrubbed())?;
        if next.is_none() {
            self.index.check()?;
        }
        loop {
            let from = next.unwrap_or_default();
            let places = self.index.read(|view| view.places(from, AT_ONCE))?;
            if places.is_empty() {
                break;
            }
            for (key, place) in places {
                if stop() {
                    self.index.note(|rows| rows.scrubbed(next))?;
                    return Ok(report);
                }
                pace.take(place.size());
                self.examine(&key, &place, repair, &mut report)?;
                next = Some((place.pack, place.offset + 1));
            }
            self.index.note(|rows| rows.scrubbed(next))?;
        }
        report.complete = self.search(repair, &mut pace, stop, &mut report)?;
        if report.complete {
            self.index.note(|rows| rows.scrubbed(None))?;
        }
        Ok(report)
    }

    /// Asks for what pinned roots miss, and for what that in turn links to; `false` if it
    /// was stopped.
    fn search(
        &self,
        repair: &dyn Repair,
        pace: &mut Pace,
        stop: &dyn Fn() -> bool,
        report: &mut ScrubReport,
    ) -> io::Result<bool> {
        let mut asked = HashSet::new();
        loop {
            let (mut after, mut found) = (Key::FIRST, false);
            loop {
                let wanted = self.index.read(|view| view.wanted(&after, AT_ONCE))?;
                let Some(last) = wanted.last() else { break };
                after = *last;
                for key in wanted {
                    if stop() {
                        return Ok(false);
                    }
                    let is_here = self.index.read(|view| view.block(&key))?.is_some();
                    if is_here || asked.len() >= MAX_ASKED || !asked.insert(key) {
                        continue; // one that is here and damaged was found before
                    }
                    let finding = self.repair(&key, Flaw::Missing, None, repair)?;
                    found |= finding.outcome == Outcome::Repaired;
                    report.enter(finding);
                    pace.take(MAX_BLOCK as u64 / 2);
                }
            }
            if !found {
                return Ok(true);
            }
        }
    }

    fn examine(
        &self,
        key: &Key,
        place: &Place,
        repair: &dyn Repair,
        report: &mut ScrubReport,
    ) -> io::Result<()> {
        let length = (place.length as usize).min(MAX_BLOCK);
        let read = self.packs.file(place.pack);
        let record = read.and_then(|file| file.read_vec(place.start(), HEAD + length));
        let whole = record.ok().and_then(|record| {
            let (head, bytes) = record.split_first_chunk::<HEAD>()?;
            let is_block = block::check(&key.cid(), bytes).is_ok();
            let is_named = record::parse(head) == Some((*key, place.length));
            is_block.then(|| (bytes.to_vec(), is_named))
        });
        report.blocks += 1;
        report.bytes += u64::from(place.length);
        // If only the head in front of it is damaged, the block itself is the copy.
        let own = match whole {
            Some((_, true)) => return Ok(()),
            Some((bytes, false)) => Some(bytes),
            None => None,
        };
        let row = self.index.read(|view| view.block(key))?;
        if row.is_none_or(|row| row.place != *place) {
            return Ok(()); // moved or erased meanwhile
        }
        report.enter(self.repair(key, Flaw::Damaged, own, repair)?);
        Ok(())
    }

    fn repair(
        &self,
        key: &Key,
        flaw: Flaw,
        own: Option<Vec<u8>>,
        repair: &dyn Repair,
    ) -> io::Result<Finding> {
        let cid = key.cid();
        let roots = self.index.read(|view| view.roots_of(key))?;
        let roots: Vec<_> = roots.iter().map(Key::cid).collect();
        let outcome = match own.or_else(|| repair.block(&cid, &roots)) {
            None => Outcome::NoCopy,
            Some(copy) if block::check(&cid, &copy).is_err() => Outcome::WrongCopy,
            Some(copy) => match self.mend(key, &copy) {
                Ok(()) => Outcome::Repaired,
                Err(error) => Outcome::Failed(error.to_string()),
            },
        };
        if flaw == Flaw::Damaged && outcome != Outcome::Repaired {
            self.index.note(|rows| rows.miss(key))?;
        }
        Ok(Finding {
            cid,
            roots,
            flaw,
            outcome,
        })
    }

    /// Stores a whole copy, unless nobody wants the block any more.
    fn mend(&self, key: &Key, copy: &[u8]) -> io::Result<()> {
        let mut writer = Writer::new(&self.packs);
        let place = writer.add(key, copy)?;
        let written = writer.finish(&self.shared)?;
        self.settle(written, |rows, written| {
            rows.mend(key, written.place(&place))
        })?;
        self.destroy()
    }
}

/// Keeps the average rate.
struct Pace {
    per_second: f64,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    fn new(per_second: u64) -> Self {
        Self {
            per_second: per_second.max(1) as f64,
            begun: Instant::now(),
            bytes: 0,
        }
    }

    fn take(&mut self, bytes: u64) {
        let due = self.bytes as f64 / self.per_second;
        let passed = self.begun.elapsed().as_secs_f64();
        self.bytes += bytes;
        if due > passed {
            // A pause at a time, so that a call that is to stop does.
            thread::sleep(Duration::from_secs_f64((due - passed).min(LONGEST_PAUSE)));
        }
    }
}

/// Blocks looked up in the index at once.
const AT_ONCE: usize = 64;
/// Missing blocks that are asked for in one call.
const MAX_ASKED: usize = 100_000;
const LONGEST_PAUSE: f64 = 1.0;
