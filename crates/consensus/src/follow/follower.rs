//! The running follower: a thread that chases the upstream's head, and the sequencer that
//! passes operations on.

use base::{SignedOperation, codec};
use ledger::{Fault, Head, HeadError, Ledger, Receipt, ReceiptError, Refusal, VerifiedHead};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use thiserror::Error;

use super::{
    Conflict, Upstream,
    chase::{self, Progress, Setback},
};
use crate::sequencer::{Sequencer, SubmitError};

/// How a follower runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Pause between two questions when there is nothing new.
    pub poll: Duration,
    /// Longest pause after trouble; the first is `poll`, each next one twice as long.
    pub retry: Duration,
    /// How long a sender waits for its operation in this node's own ledger, once the
    /// upstream has it.
    pub patience: Duration,
}

impl Default for Settings {
    /// A quarter of a second, five seconds, ten seconds.
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            retry: Duration::from_secs(5),
            patience: Duration::from_secs(10),
        }
    }
}

/// Where a follower stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// When the upstream last showed that this ledger was as high as its own.
    pub current: Option<Instant>,
    /// What keeps it from going on, since the last good step.
    pub trouble: Option<String>,
    /// Why it stopped for good.
    pub conflict: Option<Arc<Conflict>>,
}

/// A running follower. Dropping it stops it after the step in hand.
pub struct Follower {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

struct Shared {
    ledger: Arc<Ledger>,
    upstream: Arc<dyn Upstream>,
    settings: Settings,
    keep: Box<dyn Fn(&Conflict) + Send + Sync>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    standing: Standing,
    /// Somebody waits for a block.
    wanted: bool,
    stopped: bool,
}

impl Follower {
    /// Starts the thread that follows `upstream` into `ledger`. `keep` is given the conflict
    /// that stops it, before anybody else sees it; one that was kept earlier is `known`, and
    /// then nothing is followed.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        ledger: Arc<Ledger>,
        upstream: Arc<dyn Upstream>,
        settings: Settings,
        known: Option<Conflict>,
        keep: impl Fn(&Conflict) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let mut state = State::default();
        state.standing.conflict = known.map(Arc::new);
        let shared = Arc::new(Shared {
            ledger,
            upstream,
            settings,
            keep: Box::new(keep),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let runner = Arc::clone(&shared);
        let worker = thread::Builder::new()
            .name("follower".into())
            .spawn(move || runner.run())
            .map_err(|error| StartError::Thread(error.to_string()))?;
        Ok(Self {
            shared,
            worker: Some(worker),
        })
    }

    /// The ledger that it writes.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.shared.lock().standing.clone()
    }

    /// Waits until the ledger has this height, or nothing more comes; at most
    /// [`Settings::patience`]. Says whether it has.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn reach(&self, height: u64) -> Result<bool, Fault> {
        let has = |ledger: &Ledger| Ok(ledger.view()?.head()?.header.height >= height);
        self.shared.wait(has)?;
        has(&self.shared.ledger)
    }

    /// A head that somebody else showed: one that is certified and contradicts this ledger
    /// stops the follower. Says whether it was certified.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn observe(&self, head: Head) -> Result<bool, Fault> {
        let shared = &self.shared;
        let Ok(head) = head.verify(&shared.ledger.validators()) else {
            return Ok(false);
        };
        shared.judge(&head)?;
        Ok(true)
    }

    /// Stops it.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has nothing to hand over.
            let _ = worker.join();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.join();
    }
}

impl Sequencer for Follower {
    /// Passes the operation on, then waits until this node's own ledger has it. When that
    /// takes longer than [`Settings::patience`], the upstream's receipt is given: checked,
    /// and under a certified head.
    fn submit(&self, bytes: Vec<u8>) -> Result<Receipt, SubmitError> {
        let shared = &self.shared;
        if let Some(conflict) = &shared.lock().standing.conflict {
            return Err(SubmitError::Halted(conflict.fault.clone()));
        }
        let signed = parse(&bytes)?;
        let receipt = match shared.upstream.submit(bytes) {
            // The sender will ask for the receipt here.
            Err(SubmitError::Refused(Refusal::Duplicate { index })) => {
                let has = |ledger: &Ledger| Ok(ledger.view()?.head()?.header.tree_size > index);
                shared.wait(has).map_err(unread)?;
                return Err(Refusal::Duplicate { index }.into());
            }
            other => other?,
        };
        let checked = receipt.clone().verify(&shared.ledger.validators(), &signed);
        let checked = match checked {
            // The validators changed on the way to its block: that is here soon.
            Err(ReceiptError::Head(HeadError::OtherValidators)) => {
                self.reach(receipt.head.header.height).map_err(unread)?;
                receipt.verify(&shared.ledger.validators(), &signed)
            }
            other => other,
        };
        let receipt = checked.map_err(|error| {
            SubmitError::Unknown(format!("the upstream node's receipt: {error}"))
        })?;
        let height = receipt.head().header.height;
        self.reach(height).map_err(unread)?;
        shared.judge(receipt.head()).map_err(unread)?;
        if let Some(conflict) = &shared.lock().standing.conflict {
            return Err(SubmitError::Unknown(conflict.fault.clone()));
        }
        let own = shared
            .ledger
            .view()
            .and_then(|view| view.receipt(receipt.id));
        Ok(own
            .map_err(unread)?
            .unwrap_or_else(|| receipt.into_receipt()))
    }

    fn head(&self) -> Result<Head, Fault> {
        self.shared.ledger.view()?.head()
    }
}

/// Bytes that cannot be an operation go nowhere.
fn parse(bytes: &[u8]) -> Result<SignedOperation, SubmitError> {
    if bytes.len() > ledger::MAX_OPERATION {
        return Err(SubmitError::Refused(Refusal::TooLarge {
            found: bytes.len() as u64,
            limit: ledger::MAX_OPERATION as u64,
        }));
    }
    codec::decode(bytes).map_err(|error| Refusal::Malformed(error.to_string()).into())
}

/// The operation is with the upstream by now: "nothing was taken in" would be wrong.
fn unread(fault: Fault) -> SubmitError {
    SubmitError::Unknown(fault.to_string())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut pause = self.settings.poll;
        loop {
            {
                let mut state = self.lock();
                if state.stopped || state.standing.conflict.is_some() {
                    return;
                }
                state.wanted = false;
            }
            let progress = chase::step(&self.ledger, &*self.upstream);
            pause = match &progress {
                Ok(_) => self.settings.poll,
                Err(_) => (pause * 2).min(self.settings.retry),
            };
            let more = progress == Ok(Progress::Behind);
            self.note(progress);
            if !more {
                self.rest(pause);
            }
        }
    }

    fn note(&self, progress: Result<Progress, Setback>) {
        match progress {
            Ok(progress) => {
                let standing = &mut self.lock().standing;
                standing.trouble = None;
                if progress == Progress::Current {
                    standing.current = Some(Instant::now());
                }
            }
            Err(Setback::Trouble(trouble)) => self.lock().standing.trouble = Some(trouble),
            Err(Setback::Conflict(conflict)) => self.halt(*conflict),
        }
        self.changed.notify_all();
    }

    fn halt(&self, conflict: Conflict) {
        (self.keep)(&conflict);
        self.lock().standing.conflict = Some(Arc::new(conflict));
        self.changed.notify_all();
    }

    fn judge(&self, head: &VerifiedHead) -> Result<(), Fault> {
        match chase::compare(&self.ledger.view()?, head) {
            Ok(()) => {}
            Err(Setback::Conflict(conflict)) => self.halt(*conflict),
            Err(Setback::Trouble(trouble)) => return Err(Fault::Storage(trouble)),
        }
        Ok(())
    }

    /// Sleeps, unless somebody wants a block or the end.
    fn rest(&self, pause: Duration) {
        let state = self.lock();
        let awake = |state: &mut State| !state.wanted && !state.stopped;
        let _ = self
            .changed
            .wait_timeout_while(state, pause, awake)
            .unwrap_or_else(PoisonError::into_inner);
    }

    /// Waits, within patience, until the ledger is `far` enough or nothing more will come.
    fn wait(&self, far: impl Fn(&Ledger) -> Result<bool, Fault>) -> Result<(), Fault> {
        let until = Instant::now() + self.settings.patience;
        loop {
            if far(&self.ledger)? {
                return Ok(());
            }
            let mut state = self.lock();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.stopped || state.standing.conflict.is_some() {
                return Ok(());
            }
            state.wanted = true;
            self.changed.notify_all();
            // A block that came between the look and the lock is seen at the latest here.
            let nap = left.min(self.settings.poll);
            let _ = self
                .changed
                .wait_timeout(state, nap)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Why a follower cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system gave no thread.
    #[error("no thread for the follower: {0}")]
    Thread(String),
}
