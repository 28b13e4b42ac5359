//! What the threads of a validator share.

use base::AccountId;
use ledger::{Checked, Fault, Ledger, Refusal, Signatures, View};
use malachite::{NetworkMsg, app::engine::node::NodeRef};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, mpsc::Sender};

use super::{context::Chain, pool::Pool, recall::Lost};
use crate::follow::Conflict;

pub(super) struct Shared {
    pub(super) ledger: Arc<Ledger>,
    pool: Mutex<Pool>,
    /// Held while signatures are verified: nobody verifies what another is at.
    signatures: Mutex<Signatures>,
    standing: Mutex<Standing>,
    /// Something came in, or the node stops.
    pub(super) wake: Notify,
    stopped: AtomicBool,
    /// The time from the last block but one to the last, microseconds.
    block_time: AtomicU64,
    engine: Mutex<Option<Engine>>,
}

/// What others than the application need of the running engine.
struct Engine {
    wire: Sender<NetworkMsg<Chain>>,
    actor: Option<NodeRef>,
}

/// How a validator stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The height that is being decided, or that nothing waits for yet.
    pub height: u64,
    /// Its round, once it has begun.
    pub round: Option<u32>,
    /// Whose turn it is.
    pub proposer: Option<AccountId>,
    /// Validators, this one included, each with its newest height that it signed for, and when.
    pub seen: BTreeMap<AccountId, (u64, Instant)>,
    /// Operations that wait.
    pub waiting: usize,
    /// Proofs against validators that this node keeps.
    pub accusations: u64,
    /// It has lost its memory of votes and does not vote.
    pub watching: Option<Watching>,
    /// What keeps it from going on.
    pub trouble: Option<String>,
    /// Why it stopped for good.
    pub conflict: Option<Arc<Conflict>>,
    /// What it did since it was started.
    pub counters: Counters,
}

/// A validator that lost its memory of votes: it follows until everything that it can have
/// voted for is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watching {
    /// What is gone.
    pub lost: Lost,
    /// The height of its ledger from which on it votes again; none before more than two thirds
    /// of the validators have said how far they are.
    pub until: Option<u64>,
}

/// Counts since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Blocks committed.
    pub blocks: u64,
    /// Of these, blocks that this node built.
    pub own: u64,
    /// Of these, blocks without operations.
    pub empty: u64,
    /// Operations ordered.
    pub operations: u64,
    /// Operations whose signature was verified, ordered or not.
    pub verified: u64,
    /// Rounds that began after a first one failed.
    pub further_rounds: u64,
    /// Blocks that this node would not vote for.
    pub refused: u64,
}

impl Shared {
    pub(super) fn new(ledger: Arc<Ledger>, pool: Pool) -> Self {
        Self {
            ledger,
            pool: Mutex::new(pool),
            signatures: Mutex::new(Signatures::new(REMEMBERED)),
            standing: Mutex::default(),
            wake: Notify::new(),
            stopped: AtomicBool::new(false),
            block_time: AtomicU64::new(0),
            engine: Mutex::default(),
        }
    }

    fn engine(&self) -> MutexGuard<'_, Option<Engine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another engine runs from now on.
    pub(super) fn attach(&self, wire: Sender<NetworkMsg<Chain>>, actor: Option<NodeRef>) {
        *self.engine() = Some(Engine { wire, actor });
        if self.is_stopped() {
            self.stop(); // it came while this node stopped
        }
    }

    /// None runs for a while.
    pub(super) fn detach(&self) {
        *self.engine() = None;
    }

    /// The way to the other nodes, while there is one.
    pub(super) fn wire(&self) -> Option<Sender<NetworkMsg<Chain>>> {
        self.engine().as_ref().map(|engine| engine.wire.clone())
    }

    pub(super) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks operations that are not in the pool: of each the signature once, whether it comes
    /// from its sender, from another node or in a block, and however often.
    pub(super) fn check(
        &self,
        batch: Vec<Vec<u8>>,
        view: &View,
    ) -> Result<Vec<Result<Checked, Refusal>>, Fault> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let signatures = self.signatures.lock();
        let mut signatures = signatures.unwrap_or_else(PoisonError::into_inner);
        let checked = signatures.check_batch(batch, self.ledger.genesis().chain(), view);
        self.standing().counters.verified = signatures.verified();
        checked
    }

    /// How long a block takes now.
    pub(super) fn block_time(&self) -> Duration {
        Duration::from_micros(self.block_time.load(Ordering::Relaxed))
    }

    pub(super) fn set_block_time(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.block_time.store(micros, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // Whoever waits for the engine hears that it ended.
        if let Some(actor) = self
            .engine()
            .as_ref()
            .and_then(|engine| engine.actor.as_ref())
        {
            actor.kill();
        }
        self.wake.notify_one();
    }
}

/// Good signatures that are remembered, at least: twice the operations that wait in a full pool
/// of the usual size, and eight full blocks.
const REMEMBERED: usize = 32_768;
