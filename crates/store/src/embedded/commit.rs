//! Group commit: what several threads have written becomes durable and readable together,
//! by one sync of the pack they share and one change of the index.

use super::{
    Embedded, index::Rows, key::Key, now, record::Place, shared::SharedPack, writer::Written,
};
use crate::PutError;
use std::{
    collections::BTreeMap,
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// What a batch brings.
#[derive(Default)]
pub(super) struct Request {
    /// New blocks, and where they lie.
    pub(super) stored: Vec<(Key, Place)>,
    /// Blocks that were here already.
    pub(super) held: Vec<Key>,
    /// The batch whose further blocks are in the index's table.
    pub(super) spilled: Option<u64>,
    /// The pack that must be synced before.
    pub(super) shared: Option<Arc<SharedPack>>,
}

/// Why a batch is not in the store.
#[derive(Debug)]
pub(super) enum Refused {
    /// A block that was here already was erased before the batch was complete.
    Erased(Key),
    Io(io::Error),
}

impl From<Refused> for PutError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Erased(key) => {
                let cid = key.cid();
                let reason = format!("block {cid} was erased meanwhile; store it again");
                Self::Io(io::Error::other(reason))
            }
            Refused::Io(error) => error.into(),
        }
    }
}

/// The queue in front of the index.
#[derive(Default)]
pub(super) struct Committer {
    queue: Mutex<Queue>,
    answered: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// One thread works for a group.
    busy: bool,
}

struct Waiting {
    request: Request,
    answer: Arc<Mutex<Option<Result<(), Refused>>>>,
}

/// The group that one thread works for. Whatever happens to it, all are answered.
struct Lead<'a> {
    committer: &'a Committer,
    group: Vec<Waiting>,
}

impl Embedded {
    /// Makes what a batch brings readable and durable, or says why not.
    pub(super) fn commit(&self, request: Request) -> Result<(), Refused> {
        let answer = Arc::default();
        let mut queue = self.committer.queue();
        queue.waiting.push(Waiting {
            request,
            answer: Arc::clone(&answer),
        });
        loop {
            if let Some(answer) = lock(&answer).take() {
                return answer;
            }
            if queue.busy {
                let waited = self.committer.answered.wait(queue);
                queue = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.busy = true;
            let lead = Lead {
                committer: &self.committer,
                group: mem::take(&mut queue.waiting),
            };
            drop(queue);
            lead.answer(self);
            drop(lead);
            queue = self.committer.queue();
        }
    }

    /// Syncs, then changes the index. One answer for each request.
    fn write(&self, group: &[Waiting]) -> Vec<Result<(), Refused>> {
        let mut synced: BTreeMap<u64, io::Result<()>> = BTreeMap::new();
        for pack in group.iter().filter_map(|it| it.request.shared.as_ref()) {
            synced.entry(pack.number()).or_insert_with(|| pack.sync());
        }
        let sound = |request: &Request| match request.shared.as_ref() {
            Some(pack) => match synced.get(&pack.number()) {
                Some(Err(error)) => Err(Refused::Io(again(error))),
                _ => Ok(()),
            },
            None => Ok(()),
        };
        let mut answers: Vec<_> = group.iter().map(|it| sound(&it.request)).collect();
        let changed = self.index.change(|rows| {
            for (pack, synced) in &synced {
                if synced.is_ok() {
                    rows.share(*pack)?;
                }
            }
            let now = now();
            for (waiting, answer) in group.iter().zip(&mut answers) {
                if answer.is_err() {
                    continue;
                }
                match missing(rows, &waiting.request)? {
                    Some(key) => *answer = Err(Refused::Erased(key)),
                    None => enter(rows, &waiting.request, now)?,
                }
            }
            rows.follow(&|key, place| self.packs.block(key, place))
        });
        if let Err(error) = changed {
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(Refused::Io(again(&error)));
            }
        }
        for (waiting, answer) in group.iter().zip(&answers) {
            if answer.is_err()
                && let Some(pack) = &waiting.request.shared
            {
                self.shared.leave(pack.number()); // so that what is dead in it can go
            }
        }
        answers
    }

    /// Makes what the store itself has written durable, and has the index say so.
    pub(super) fn settle(
        &self,
        written: Written,
        enter: impl FnOnce(&mut Rows<'_>, &Written) -> io::Result<()>,
    ) -> io::Result<()> {
        let shared = match &written {
            Written::Shared(pack, _) => Some(Arc::clone(pack)),
            Written::Own(_) | Written::Nothing => None,
        };
        let synced = shared.as_ref().map_or(Ok(()), |pack| pack.sync());
        let settled = synced.and_then(|()| {
            self.index.change(|rows| {
                if let Some(pack) = &shared {
                    rows.share(pack.number())?;
                }
                enter(rows, &written)?;
                rows.follow(&|key, place| self.packs.block(key, place))
            })
        });
        let own = written.release();
        if settled.is_err() {
            if let Some(pack) = shared {
                self.shared.leave(pack.number());
            }
            self.abandon(&own);
        }
        settled
    }
}

/// A block that was here when the batch looked and is not any more.
fn missing(rows: &Rows<'_>, request: &Request) -> io::Result<Option<Key>> {
    for key in &request.held {
        if rows.block(key)?.is_none() {
            return Ok(Some(*key));
        }
    }
    Ok(None)
}

fn enter(rows: &mut Rows<'_>, request: &Request, now: u64) -> io::Result<()> {
    for (key, place) in &request.stored {
        rows.store(key, *place, now)?;
    }
    for key in &request.held {
        if let Some(row) = rows.block(key)? {
            rows.stamp(key, &row, row.awaited.and(now))?;
        }
    }
    if let Some(batch) = request.spilled {
        while let Some((key, place)) = rows.take_pending(batch)? {
            rows.store(&key, place, now)?;
        }
    }
    Ok(())
}

impl Committer {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

impl Lead<'_> {
    fn answer(&self, store: &Embedded) {
        for (waiting, answer) in self.group.iter().zip(store.write(&self.group)) {
            *lock(&waiting.answer) = Some(answer);
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        for waiting in &self.group {
            lock(&waiting.answer).get_or_insert_with(|| {
                Err(Refused::Io(io::Error::other("the store's writer stopped")))
            });
        }
        self.committer.queue().busy = false;
        self.committer.answered.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same error once more, for the others of a group.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
