//! One node, one validator: operations in the order they come, group commit.
//!
//! A single thread takes what is queued, verifies it in one batch, builds a block, signs
//! it, commits it durably once, and answers all senders. While it commits, the next group
//! gathers; so groups grow with load and each costs one sync of the disk. There are no
//! empty blocks.

use base::{AccountId, Millis, key::OperationSecret};
use ledger::{
    Checked, CommitError, Fault, Head, Ledger, Pending, ProposeError, Receipt, Refusal, check_batch,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
};
use thiserror::Error;

use crate::{
    clock::Clock,
    sequencer::{Fate, Sequencer, SubmitError, Teller, told},
};

/// How much a solo sequencer takes at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Operations that may wait; more are refused.
    pub queue: usize,
    /// Operations in one block.
    pub group: usize,
    /// Bytes of operations in one block, about.
    pub group_bytes: usize,
}

impl Default for Limits {
    /// 4,096 waiting, 1,024 in a block, 4 MiB.
    fn default() -> Self {
        Self {
            queue: 4_096,
            group: 1_024,
            group_bytes: 4 << 20,
        }
    }
}

/// A running solo sequencer. Dropping it stops it after the group in hand.
pub struct Solo {
    ledger: Arc<Ledger>,
    queue: Option<SyncSender<Wish>>,
    waiting: Arc<AtomicUsize>,
    worker: Option<JoinHandle<()>>,
}

struct Wish {
    bytes: Vec<u8>,
    teller: Teller,
}

impl Solo {
    /// Starts the thread that orders operations for `ledger`, signing as its validator.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        ledger: Arc<Ledger>,
        secret: OperationSecret,
        clock: impl Clock,
        limits: Limits,
    ) -> Result<Self, StartError> {
        let validators = ledger.validators();
        let set = validators.newest();
        let seat = set.seats().iter().find(|seat| seat.key == secret.public());
        let proposer = seat.ok_or(StartError::NotValidator)?.account;
        if set.len() > 1 {
            return Err(StartError::NotAlone(set.len()));
        }
        let (queue, wishes) = mpsc::sync_channel(limits.queue.max(1));
        let waiting = Arc::new(AtomicUsize::new(0));
        let worker = Worker {
            ledger: Arc::clone(&ledger),
            secret,
            proposer,
            clock,
            limits,
            waiting: Arc::clone(&waiting),
        };
        let worker = thread::Builder::new()
            .name("solo sequencer".into())
            .spawn(move || worker.run(&wishes))
            .map_err(|error| StartError::Thread(error.to_string()))?;
        Ok(Self {
            ledger,
            queue: Some(queue),
            waiting,
            worker: Some(worker),
        })
    }

    /// The ledger that it writes.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Answers what is queued, then stops.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.queue = None; // the worker ends when the queue is empty and closed
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has nothing to hand over.
            let _ = worker.join();
        }
    }
}

impl Drop for Solo {
    fn drop(&mut self) {
        self.join();
    }
}

impl Solo {
    /// Puts an operation into the queue.
    fn put(&self, bytes: Vec<u8>, teller: Teller) {
        if bytes.len() > ledger::MAX_OPERATION {
            let refusal = Refusal::TooLarge {
                found: bytes.len() as u64,
                limit: ledger::MAX_OPERATION as u64,
            };
            return teller(Err(refusal.into()));
        }
        let Some(queue) = &self.queue else {
            return teller(Err(SubmitError::Stopped));
        };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(problem) = queue.try_send(Wish { bytes, teller }) {
            let waiting = self.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
            match problem {
                TrySendError::Full(wish) => (wish.teller)(Err(SubmitError::Busy { waiting })),
                TrySendError::Disconnected(wish) => (wish.teller)(Err(SubmitError::Stopped)),
            }
        }
    }
}

impl Sequencer for Solo {
    fn submit(&self, bytes: Vec<u8>) -> Fate {
        let (teller, fate) = told();
        self.put(bytes, teller);
        fate.recv().unwrap_or(Err(SubmitError::Stopped))
    }

    fn begin(&self, bytes: Vec<u8>, teller: Teller) -> Result<(), (Vec<u8>, Teller)> {
        self.put(bytes, teller);
        Ok(())
    }

    fn head(&self) -> Result<Head, Fault> {
        self.ledger.view()?.head()
    }
}

struct Worker<C> {
    ledger: Arc<Ledger>,
    secret: OperationSecret,
    proposer: AccountId,
    clock: C,
    limits: Limits,
    waiting: Arc<AtomicUsize>,
}

impl<C: Clock> Worker<C> {
    fn run(self, wishes: &Receiver<Wish>) {
        while let Ok(first) = wishes.recv() {
            let group = self.gather(first, wishes);
            self.waiting.fetch_sub(group.len(), Ordering::Relaxed);
            self.serve(group);
        }
    }

    /// What waits now, up to the limits.
    fn gather(&self, first: Wish, wishes: &Receiver<Wish>) -> Vec<Wish> {
        let mut size = first.bytes.len();
        let mut group = vec![first];
        while group.len() < self.limits.group && size < self.limits.group_bytes {
            let Ok(next) = wishes.try_recv() else { break };
            size += next.bytes.len();
            group.push(next);
        }
        group
    }

    /// One group: verify, build, sign, commit, answer.
    fn serve(&self, group: Vec<Wish>) {
        let (bytes, tellers): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|wish| (wish.bytes, wish.teller))
            .unzip();
        let fates = self.order(bytes, tellers.len());
        for (teller, fate) in tellers.into_iter().zip(fates) {
            teller(fate);
        }
    }

    fn order(&self, bytes: Vec<Vec<u8>>, count: usize) -> Vec<Fate> {
        match self.commit(bytes) {
            Ok(results) => results,
            Err(problem) => vec![Err(problem); count],
        }
    }

    fn commit(&self, bytes: Vec<Vec<u8>>) -> Result<Vec<Fate>, SubmitError> {
        self.still_alone()?;
        let view = self.ledger.view().map_err(storage)?;
        let time = self.next_time(view.head().map_err(storage)?.header.time)?;
        let chain = self.ledger.genesis().chain();
        let checked = check_batch(bytes, chain, &view).map_err(storage)?;
        drop(view);
        let mut slots = Vec::with_capacity(checked.len());
        let mut good = Vec::with_capacity(checked.len());
        for result in checked {
            match result {
                Ok(operation) => {
                    slots.push(Ok(operation.id()));
                    good.push(operation);
                }
                Err(refusal) => slots.push(Err(refusal)),
            }
        }
        let fates = self.block(good, time)?;
        let mut fates = fates.into_iter();
        Ok(slots
            .into_iter()
            .map(|slot| match slot {
                Ok(_) => fates.next().unwrap_or(Err(SubmitError::Stopped)),
                Err(refusal) => Err(refusal.into()),
            })
            .collect())
    }

    /// The fate of each operation, in order.
    fn block(&self, operations: Vec<Checked>, time: Millis) -> Result<Vec<Fate>, SubmitError> {
        let pending = self
            .ledger
            .propose(operations, time, self.proposer)
            .map_err(propose)?;
        let fates = pending.fates().to_vec();
        let mut receipts = self.write(pending)?.into_iter();
        Ok(fates
            .into_iter()
            .map(|fate| match fate {
                Ok(_) => receipts.next().ok_or(SubmitError::Stopped),
                Err(refusal) => Err(refusal.into()),
            })
            .collect())
    }

    fn write(&self, pending: Pending) -> Result<Vec<Receipt>, SubmitError> {
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let certificate = pending.header().certify(&self.secret);
        self.ledger
            .commit(pending, certificate)
            .map_err(|error| match error {
                CommitError::Fault(fault) => storage(fault),
                CommitError::Unknown(fault) => SubmitError::Unknown(fault.to_string()),
                other => SubmitError::Storage(other.to_string()),
            })
    }

    /// Once the ledger names others, or another key, nothing more is ordered here.
    fn still_alone(&self) -> Result<(), SubmitError> {
        let validators = self.ledger.validators();
        let key = self.secret.public();
        match validators.newest().seats() {
            [only] if only.key == key => Ok(()),
            [_] => Err(SubmitError::Outgrown("this node's key was replaced")),
            _ => Err(SubmitError::Outgrown("it has several validators now")),
        }
    }

    /// Now, but after the last block. A clock that is further behind than a validator may
    /// be would carry the ledger's time away from the world's: refused.
    fn next_time(&self, last: Millis) -> Result<Millis, SubmitError> {
        let now = self.clock.now();
        let behind = last.0.saturating_sub(now.0);
        let limit = self.ledger.genesis().drift;
        if behind > limit {
            return Err(SubmitError::Clock { behind, limit });
        }
        Ok(now.max(last.plus(1)))
    }
}

fn storage(fault: Fault) -> SubmitError {
    SubmitError::Storage(fault.to_string())
}

fn propose(error: ProposeError) -> SubmitError {
    SubmitError::Storage(error.to_string())
}

/// Why a solo sequencer cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The key is no validator's.
    #[error("the key is not a validator's of this ledger")]
    NotValidator,
    /// One of several validators cannot decide alone.
    #[error("a ledger of {0} validators cannot run on one")]
    NotAlone(usize),
    /// The system gave no thread.
    #[error("no thread for the sequencer: {0}")]
    Thread(String),
}
