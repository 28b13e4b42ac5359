//! A node's watch over its own files: what it has on disk is read again in the background,
//! bit by bit, and a node whose tables are damaged ends and says so, before it would give
//! or take a wrong answer.

use database::Tables;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    exit::{Exit, Fault},
    stop::Stop,
};

/// A database that is watched.
pub(crate) struct Watched<'a> {
    path: PathBuf,
    tables: &'a Tables,
    /// The page to look at next; none until the next round.
    next: Option<usize>,
    again: Instant,
}

impl<'a> Watched<'a> {
    /// The database at `path`.
    pub(crate) fn new(path: &Path, tables: &'a Tables) -> Self {
        Self {
            path: path.to_owned(),
            tables,
            next: None,
            again: Instant::now() + ROUND,
        }
    }

    /// Looks at a few pages.
    fn look(&mut self) -> Option<Fault> {
        if self.next.is_none() && Instant::now() >= self.again {
            (self.next, self.again) = (Some(0), Instant::now() + ROUND);
        }
        if let Some(page) = self.next {
            // What cannot be read now is looked at in the next round.
            self.next = self.tables.inspect(page, PAGES).unwrap_or(None);
        }
        let damage = self.tables.damage()?;
        let message = format!(
            "{}: {damage}; the node has ended, restore the file from a backup",
            self.path.display()
        );
        Some(Fault::new(Exit::Home, message))
    }
}

/// Watches until `stop` is set, and sets it when something is damaged: then that is given.
pub(crate) fn watch(mut files: Vec<Watched<'_>>, stop: &Stop) -> Option<Fault> {
    while !stop.wait(PAUSE) {
        if let Some(fault) = files.iter_mut().find_map(Watched::look) {
            stop.set();
            return Some(fault);
        }
    }
    None
}

const PAUSE: Duration = Duration::from_millis(500);
/// Pages of 4 KiB between two pauses: 8 MiB a second.
const PAGES: usize = 1024;
/// From one round through a file to the next.
const ROUND: Duration = Duration::from_secs(24 * 3600);
