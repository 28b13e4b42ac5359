//! Pins: each block that a pinned root reaches gets a direct pin of its own in the Kubo.
//!
//! Not one recursive pin for a root, as Kubo's users do: `block/rm` walks everything that is pinned recursively, once
//! for each block it removes and with the whole store locked, so that erasing one record would cost a walk over all
//! records; and a recursive pin of a tree with a hole makes Kubo ask the network for the hole. Which root a block
//! belongs to is in our index.

use super::{
    Kubo, RpcError,
    index::{self, Key, NAME_PREFIX, Taken},
};
use crate::{Absent, BlockStore as _, Collected, GcError, GetError, PutError, links};
use base::cid::{self, Cid};
use std::{
    collections::HashSet,
    io,
    time::{Duration, SystemTime},
};

/// What was amiss in the Kubo when it was opened, and was set right as far as possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reconciled {
    /// Blocks that pinned roots reach, the missing ones among them.
    pub reached: u64,
    /// Of these, blocks whose pin was gone and is there again.
    pub pinned_again: u64,
    /// Of these, blocks that the Kubo does not hold: never came, were erased, or were lost.
    pub absent: u64,
    /// One of them.
    pub first_absent: Option<Cid>,
    /// Pins of ours on blocks that no pinned root reaches, taken away.
    pub released: u64,
}

impl Kubo {
    pub(super) fn add_pin(&self, root: &Cid) -> Result<u64, PutError> {
        let key = index::key(root).ok_or(PutError::Unsupported(*root))?;
        let _order = self.order();
        if let Some(count) = self.index.add_pin(&key)? {
            return Ok(count);
        }
        let mut tree = Vec::new();
        self.walk(index::named(&key), &mut |key| tree.push(key))?;
        let known: HashSet<Key> = self.index.reached_of(&tree)?.into_iter().collect();
        let unknown: Vec<Key> = tree
            .iter()
            .copied()
            .filter(|key| !known.contains(key))
            .collect();
        for key in self.hold(&unknown)?.absent {
            if self.index.is_fresh(&key)? {
                return Err(lost(&index::named(&key)).into());
            }
        }
        Ok(self.index.pin(&key, &tree)?)
    }

    pub(super) fn take_pin(&self, root: &Cid) -> Result<u64, PutError> {
        let key = index::key(root).ok_or(PutError::NotPinned(*root))?;
        let _order = self.order();
        // A Kubo that is not there is found out before anything is changed.
        self.ask_version().map_err(io::Error::from)?;
        match self.index.take_pin(&key)? {
            Taken::NotPinned => Err(PutError::NotPinned(*root)),
            Taken::Left(0) => {
                self.remove_doomed()?;
                Ok(0)
            }
            Taken::Left(left) => Ok(left),
        }
    }

    /// Notes blocks that are about to come, and makes room for those that are there and damaged.
    pub(super) fn announce(&self, keys: &[Key]) -> Result<(), PutError> {
        let _order = self.order();
        self.index.note(keys)?;
        let mut damaged = self.damaged();
        let some: Vec<Key> = keys
            .iter()
            .copied()
            .filter(|key| damaged.remove(key))
            .collect();
        drop(damaged);
        if some.is_empty() {
            return Ok(());
        }
        self.release(&some)?;
        match self.remove_blocks(&some)?.first() {
            None => Ok(()),
            Some(kept) => {
                self.damaged().extend(some);
                Err(kept_elsewhere(1, kept).into())
            }
        }
    }

    /// Blocks have come: those that pinned roots reach get their pin, and what they link to belongs to the same roots.
    pub(super) fn adopt(&self, keys: &[Key]) -> Result<(), PutError> {
        let _order = self.order();
        let mut tree = self.index.reached_of(keys)?;
        if tree.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::new();
        for key in &tree {
            let roots = self.index.roots_of(key)?;
            for link in self.links(&index::named(key))? {
                let Some(to) = index::key(&link) else {
                    continue;
                };
                // Where the link belongs to a root already, what is below it does, too.
                let known = self.index.roots_of(&to)?;
                let new: Vec<&Key> = roots.iter().filter(|root| !known.contains(root)).collect();
                if new.is_empty() {
                    continue;
                }
                self.walk(link, &mut |block| {
                    rows.extend(new.iter().map(|root| (**root, block)));
                })?;
            }
        }
        tree.extend(rows.iter().map(|(_, block)| *block));
        tree.sort_unstable();
        tree.dedup();
        self.hold(&tree)?;
        Ok(self.index.extend(&rows)?)
    }

    /// Removes a block whoever pins it here.
    pub(super) fn remove(&self, cid: &Cid) -> Result<bool, PutError> {
        let key = index::key(cid).ok_or(PutError::Unsupported(*cid))?;
        let cid = index::named(&key);
        let _order = self.order();
        if !self.has(&cid).map_err(io::Error::other)? {
            return Ok(false);
        }
        self.release(&[key])?;
        match self.remove_blocks(&[key])?.first() {
            None => Ok(true),
            Some(kept) => {
                let why = kept_elsewhere(1, kept);
                if self.index.reached_of(&[key])?.contains(&key) {
                    self.hold(&[key])?;
                }
                Err(why.into())
            }
        }
    }

    pub(super) fn collect(&self, grace: Duration, absent: Absent) -> Result<Collected, GcError> {
        let failed = |source: io::Error| GcError::Io {
            path: self.folder().to_owned(),
            source,
        };
        let _order = self.order();
        let state = self.reconcile().map_err(failed)?;
        if let Some(first) = state.first_absent
            && absent == Absent::Refused
        {
            return Err(GetError::Missing(first).into());
        }
        let before = SystemTime::now().checked_sub(grace);
        let (doomed, recent) = self
            .index
            .doom(before.unwrap_or(SystemTime::UNIX_EPOCH))
            .map_err(|fault| failed(fault.into()))?;
        let mut collected = Collected {
            pinned: state.reached - state.absent,
            absent: state.absent,
            recent,
            ..Collected::default()
        };
        for key in doomed {
            if let Some(bytes) = self.size(&index::named(&key))? {
                collected.deleted += 1;
                collected.bytes += bytes;
            }
        }
        self.remove_doomed().map_err(failed)?;
        Ok(collected)
    }

    /// Compares the pins of the Kubo with the index and sets right what differs.
    pub(super) fn reconcile(&self) -> io::Result<Reconciled> {
        let mut missing = self.index.reached()?;
        let reached = missing.len() as u64;
        let mut orphans = Vec::new();
        self.pinned(&mut |key, name| {
            if name == self.index.name() && !missing.remove(&key) {
                orphans.push(key);
            }
        })?;
        self.release(&orphans)?;
        let missing: Vec<Key> = missing.into_iter().collect();
        let held = self.hold(&missing)?;
        let absent = held.absent.len() as u64;
        Ok(Reconciled {
            reached,
            pinned_again: missing.len() as u64 - absent - held.elsewhere,
            absent,
            first_absent: held.absent.first().map(index::named),
            released: orphans.len() as u64,
        })
    }

    /// The name of another medshare's pins in this Kubo, if there is one.
    pub(super) fn other_owner(&self) -> Result<Option<String>, RpcError> {
        let mut other = None;
        self.pinned(&mut |_, name| {
            if name.starts_with(NAME_PREFIX) && name != self.index.name() {
                other = Some(name.to_owned());
            }
        })?;
        Ok(other)
    }

    /// Everything that `root` reaches, held or not, each block once.
    fn walk(&self, root: Cid, found: &mut dyn FnMut(Key)) -> io::Result<()> {
        let mut waiting = vec![root];
        let mut seen = HashSet::new();
        while let Some(cid) = waiting.pop() {
            // Links of another hash or codec lead nowhere: nothing of the kind is kept.
            if let Some(key) = index::key(&cid)
                && seen.insert(key)
            {
                found(key);
                waiting.extend(self.links(&cid)?);
            }
        }
        Ok(())
    }

    /// What a block links to; nothing if it is not held.
    fn links(&self, cid: &Cid) -> io::Result<Vec<Cid>> {
        if cid.codec() == cid::RAW {
            return Ok(Vec::new());
        }
        match self.get(cid).and_then(|bytes| links(cid, &bytes)) {
            Ok(links) => Ok(links),
            Err(GetError::Missing(_)) => Ok(Vec::new()),
            Err(GetError::Io { source, .. }) => Err(source),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Deletes what the index dooms. What somebody else's pin holds stays, stays doomed, and is told.
    pub(super) fn remove_doomed(&self) -> io::Result<()> {
        let doomed = self.index.doomed()?;
        self.release(&doomed)?;
        let kept = self.remove_blocks(&doomed)?;
        let stays: HashSet<Key> = kept.iter().map(|(key, _)| *key).collect();
        let gone: Vec<Key> = doomed
            .into_iter()
            .filter(|key| !stays.contains(key))
            .collect();
        self.index.spare(&gone)?;
        match kept.first() {
            None => Ok(()),
            Some(first) => Err(kept_elsewhere(kept.len(), first)),
        }
    }
}

fn lost(cid: &Cid) -> io::Error {
    io::Error::other(format!(
        "Kubo lost block {cid} after it had taken it: is it running with --enable-gc? store it again"
    ))
}

fn kept_elsewhere(count: usize, (key, reason): &(Key, String)) -> io::Error {
    io::Error::other(format!(
        "Kubo keeps {count} blocks that were to be deleted, {} first: {reason}; take that pin away, \
         they are deleted at the next collection",
        index::named(key)
    ))
}
