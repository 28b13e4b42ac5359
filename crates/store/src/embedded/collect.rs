//! Collection: what came up and was never pinned goes after a while.

use super::{
    Embedded,
    index::{Awaited, Rows, fault},
    key::Key,
    now,
};
use crate::{Absent, Collected, GcError, GetError};
use redb::ReadableTable as _;
use std::{io, time::Duration};

/// One stretch of a collection.
struct Stretch {
    deleted: u64,
    bytes: u64,
    /// Where the next one begins; `None` if this was the last.
    next: Option<(u64, Key)>,
}

impl Embedded {
    pub(super) fn collect(&self, grace: Duration, absent: Absent) -> Result<Collected, GcError> {
        let failed = |source| GcError::Io {
            path: self.layout.folder().to_owned(),
            source,
        };
        if absent == Absent::Refused
            && let Some(fault) = self.first_fault().map_err(failed)?
        {
            return Err(fault.into());
        }
        let now = now();
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let mut collected = Collected::default();
        let mut next = Some((1, Key::FIRST)); // no block has time 0 in the table
        while let Some(from) = next {
            let held = self.held.lock();
            let stretch = self
                .index
                .change(|rows| rows.collect(from, now, grace, &|key: &Key| held.contains_key(key)));
            drop(held);
            let stretch = stretch.map_err(failed)?;
            collected.deleted += stretch.deleted;
            collected.bytes += stretch.bytes;
            next = stretch.next;
        }
        self.destroy().map_err(failed)?;
        self.close_gaps().map_err(failed)?;
        self.rewrite_sparse().map_err(failed)?;
        self.count(&mut collected).map_err(failed)?;
        Ok(collected)
    }

    /// The first block that a root misses, if there is one.
    fn first_fault(&self) -> io::Result<Option<GetError>> {
        self.index.read(|view| {
            let Some(key) = view.wanted(&Key::FIRST, 1)?.pop() else {
                return Ok(None);
            };
            let cid = key.cid();
            Ok(Some(match view.block(&key)? {
                Some(_) => GetError::Damaged(cid),
                None => GetError::Missing(cid),
            }))
        })
    }

    fn count(&self, collected: &mut Collected) -> io::Result<()> {
        self.index.read(|view| {
            collected.recent = view.unpinned()?;
            collected.pinned = view.blocks()?.saturating_sub(collected.recent);
            let mut after = Key::FIRST;
            loop {
                let wanted = view.wanted(&after, AT_ONCE)?;
                for key in &wanted {
                    collected.absent += u64::from(view.block(key)?.is_none());
                }
                match wanted.last() {
                    Some(last) => after = *last,
                    None => return Ok(()),
                }
            }
        })
    }
}

impl Rows<'_> {
    /// Some of the blocks that somebody is still to pin, from one on: those whose time is
    /// over are deleted or, if a root reaches them, nobody is awaited any more. A time that
    /// is long to come is of a clock that was set back since, and becomes now.
    fn collect(
        &mut self,
        from: (u64, Key),
        now: u64,
        grace: u64,
        is_held: &dyn Fn(&Key) -> bool,
    ) -> io::Result<Stretch> {
        let mut stretch = Stretch {
            deleted: 0,
            bytes: 0,
            next: None,
        };
        let soon = now.saturating_add(AN_HOUR);
        let mut some = Vec::with_capacity(AT_ONCE);
        for row in self.loose.range((from.0, &from.1.0)..).map_err(fault)? {
            let at = row.map_err(fault)?.0;
            let (time, key) = at.value();
            if some.len() == AT_ONCE {
                stretch.next = Some((time, Key(*key)));
                break;
            }
            if time <= now.saturating_sub(grace) || time > soon {
                some.push(Key(*key));
            } else {
                // What lies between is recent, or was stored since this began.
                stretch.next = Some((soon + 1, Key::FIRST));
                break;
            }
        }
        for key in some {
            let Some(row) = self.block(&key)? else {
                continue;
            };
            let again = Awaited {
                time: now,
                ..row.awaited
            };
            if row.awaited.time > soon {
                self.stamp(&key, &row, again)?;
            } else if self.is_kept(&key)? {
                self.stamp(&key, &row, Awaited::NOBODY)?;
            } else if is_held(&key) {
                self.stamp(&key, &row, again)?;
            } else {
                self.remove(&key, &row)?;
                stretch.deleted += 1;
                stretch.bytes += u64::from(row.place.length);
            }
        }
        Ok(stretch)
    }
}

/// A time that is so many milliseconds ahead is of another clock.
const AN_HOUR: u64 = 3600 * 1000;
/// Blocks that one change of the index is about.
const AT_ONCE: usize = 1024;
