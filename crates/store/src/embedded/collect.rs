//! Collection: mark what the pinned roots reach, then delete the rest.

use super::{Embedded, layout, pins::Pins};
use crate::{
    Absent, BlockStore as _, Collected, GcError, GetError, PutError, block, links, walk::Walk,
};
use base::cid::{self, Cid};
use std::{
    collections::HashSet,
    io,
    path::Path,
    sync::PoisonError,
    time::{Duration, SystemTime},
};

/// Digests of blocks; those of two codecs under one digest are kept or deleted together.
pub(super) type Marked = HashSet<[u8; 32]>;

/// [`BlockStore::gc`](crate::BlockStore::gc) of the embedded store.
pub(super) fn collect(
    store: &Embedded,
    grace: Duration,
    absent: Absent,
) -> Result<Collected, GcError> {
    let pins = store.pins(); // held to the end: no root is pinned meanwhile
    let mut collected = Collected::default();
    let mut marked = Marked::new();
    for root in pins.roots() {
        mark(store, root, absent, &mut marked, &mut collected)?;
    }
    let before = SystemTime::now().checked_sub(grace);
    let _guard = store.sweep.write().unwrap_or_else(PoisonError::into_inner);
    for shard in store.layout.shards() {
        sweep(store, &shard, &marked, before, &mut collected)?;
    }
    Ok(collected)
}

/// Digests of what `root` reaches, as far as it is here.
pub(super) fn reached(store: &Embedded, root: &Cid) -> Result<Marked, GetError> {
    let mut marked = Marked::new();
    let collected = &mut Collected::default();
    mark(store, root, Absent::Allowed, &mut marked, collected)?;
    Ok(marked)
}

/// Deletes what only `root`, which has lost its last pin, reaches.
pub(super) fn release(store: &Embedded, pins: &Pins, root: &Cid) -> Result<(), PutError> {
    let unreadable = |error: GetError| PutError::Io(io::Error::other(error));
    let mut kept = Marked::new();
    for other in pins.roots() {
        let collected = &mut Collected::default();
        mark(store, other, Absent::Allowed, &mut kept, collected).map_err(unreadable)?;
    }
    for found in Walk::new(store, *root) {
        if let Ok((cid, _)) = found
            && block::digest(&cid).is_some_and(|digest| !kept.contains(&digest))
        {
            store.delete(&cid)?;
        }
    }
    Ok(())
}

fn mark(
    store: &Embedded,
    root: &Cid,
    absent: Absent,
    marked: &mut Marked,
    collected: &mut Collected,
) -> Result<(), GetError> {
    let mut waiting = vec![*root];
    while let Some(cid) = waiting.pop() {
        if let Some(digest) = block::digest(&cid)
            && !marked.insert(digest)
        {
            continue;
        }
        // A raw block has no links: that it is there is all there is to know.
        let found = if cid.codec() == cid::RAW {
            match store.has(&cid) {
                Ok(true) => Ok(Vec::new()),
                Ok(false) => Err(GetError::Missing(cid)),
                Err(error) => Err(error),
            }
        } else {
            store.get(&cid)
        };
        match found {
            Ok(bytes) => {
                collected.pinned += 1;
                waiting.extend(links(&cid, &bytes)?);
            }
            Err(GetError::Missing(_) | GetError::Unsupported(_)) if absent == Absent::Allowed => {
                collected.absent += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn sweep(
    store: &Embedded,
    shard: &Path,
    marked: &Marked,
    before: Option<SystemTime>,
    collected: &mut Collected,
) -> Result<(), GcError> {
    let disk = &*store.disk;
    let paths = match disk.list(shard) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(shard, source)),
    };
    for path in paths {
        // A file that is no block of ours is not ours to delete.
        let Some(cid) = layout::parse(&path) else {
            continue;
        };
        if block::digest(&cid).is_some_and(|digest| marked.contains(&digest)) {
            continue;
        }
        let facts = disk.facts(&path).map_err(|source| failed(&path, source))?;
        if before.is_none_or(|before| facts.modified > before) {
            collected.recent += 1;
            continue;
        }
        disk.remove(&path).map_err(|source| failed(&path, source))?;
        collected.deleted += 1;
        collected.bytes += facts.length;
    }
    // Also if nothing was: a collection before may have died before this.
    disk.sync_dir(shard).map_err(|source| failed(shard, source))
}

fn failed(path: &Path, source: io::Error) -> GcError {
    GcError::Io {
        path: path.to_owned(),
        source,
    }
}
