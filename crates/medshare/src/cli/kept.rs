//! A home that a running process keeps open: a loop between its rounds, a page between its
//! requests.
//!
//! Opening a vault verifies every page and every entry of it, which takes the longer the more
//! it holds; here that is done once. The home's lock is held meanwhile, so that one process
//! at a time has it, as ever. Another one that wants it says so ([`crate::home::lock`]): the
//! home is closed and its secrets are wiped as soon as nobody here uses it, at most [`LOOK`]
//! later when nobody does, and it is opened anew for the next one who does.

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use std::{
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use super::context::{Entered, Unlocked};
use crate::{
    exit::{Exit, Fault, Result},
    home::Home,
};

/// A home, open or not, and how to open it.
#[derive(Debug)]
pub struct Kept {
    unlocked: Unlocked,
    patience: Duration,
    open: Mutex<Option<Entered>>,
}

/// The open home, for one user at a time.
pub type Taken<'a> = MappedMutexGuard<'a, Entered>;

impl Kept {
    /// Keeps `unlocked` from when it is first entered; each waits up to `patience` for the
    /// one before.
    ///
    /// # Errors
    /// [`Exit::Internal`] when there is no thread that gives it back.
    pub fn new(unlocked: Unlocked, patience: Duration) -> Result<Arc<Self>> {
        let kept = Arc::new(Self {
            unlocked,
            patience,
            open: Mutex::new(None),
        });
        let here = Arc::downgrade(&kept);
        thread::Builder::new()
            .name("home".into())
            .spawn(move || give_way(&here))
            .map_err(|error| {
                Fault::new(Exit::Internal, format!("no thread for the home: {error}"))
            })?;
        Ok(kept)
    }

    /// The home's public part.
    pub fn home(&self) -> &Home {
        &self.unlocked.home
    }

    /// Takes the home, as it was left or opened anew.
    ///
    /// # Errors
    /// As [`Unlocked::enter`].
    pub fn enter(&self) -> Result<Taken<'_>> {
        let busy = || {
            let folder = self.home().folder().display();
            let message = format!("the home {folder} is still at work; try again in a moment");
            Fault::new(Exit::Busy, message)
        };
        let mut open = self.open.try_lock_for(self.patience).ok_or_else(busy)?;
        // Closed before it is opened again: the file has one user.
        *open = open.take().filter(|entered| entered.session.is_current());
        match &*open {
            Some(entered) => entered.check()?,
            None => *open = Some(self.unlocked.enter(self.patience)?),
        }
        MutexGuard::try_map(open, Option::as_mut).map_err(|_| busy())
    }

    /// Closes the home, once nobody uses it; who works longer than the patience is left.
    pub fn close(&self) {
        if let Some(mut open) = self.open.try_lock_for(self.patience) {
            *open = None;
        }
    }
}

/// Closes the home whenever another process waits for it, as long as it is kept.
fn give_way(kept: &Weak<Kept>) {
    while let Some(kept) = kept.upgrade() {
        let mut open = kept.open.lock();
        if open.as_ref().is_some_and(|open| open.session.is_wanted()) {
            *open = None;
        }
        drop(open);
        drop(kept);
        thread::sleep(LOOK);
    }
}

/// Between two looks whether somebody waits.
const LOOK: Duration = Duration::from_millis(50);
