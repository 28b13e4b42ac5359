//! Several nodes that order one ledger together and survive that fewer than a third of them
//! lie, by the engine Malachite (Tendermint's algorithm). Protocol page, "Consensus as the
//! situation demands"; ADR 20.
//!
//! State machine, blocks and storage are those of every other ledger. The engine decides on
//! hashes of headers; a header holds the log's root and the state's hash, so that who votes
//! for a block has worked out the same. The engine's commit certificate is the block's own.
//!
//! - `context`, `validators`, `signing`, `codec`: the engine's types in terms of ours.
//! - `pool`, `intake`: operations that wait, verified once, told to the others.
//! - `proposed`, `stream`, `journal`: blocks before they are decided.
//! - `recall`: whether this node knows what it has voted for.
//! - `app`: answers the engine. `engine`: starts it. Here: the running validator.
//!
//! `liar` (feature `lies`, which only tests have) is one that lies.

mod app;
mod codec;
mod context;
mod engine;
mod intake;
mod journal;
mod pool;
mod proposed;
mod recall;
mod ring;
mod shared;
mod signing;
mod stream;
mod validators;

use base::{AccountId, key::OperationSecret};
use ledger::{Fault, Head, Ledger, MAX_OPERATION, Refusal};
use malachite::app::types::core::LinearTimeouts;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use thiserror::Error;

#[cfg(feature = "lies")]
pub use app::liar;
pub use journal::{JOURNAL, TABLES_VERSION as JOURNAL_VERSION};
pub use recall::Lost;
pub use shared::{Counters, Standing, Watching};

use crate::{
    clock::Clock,
    follow::Conflict,
    sequencer::{Fate, Sequencer, SubmitError, Teller, told},
};
use app::{App, Memory, Watch};
use engine::Seat;
use intake::{Incoming, Intake};
use journal::Journal;
use pool::{Pool, PoolLimits};
use ring::Ring;
use shared::Shared;
use stream::Numbers;
use validators::Validators;

/// How a validator reaches the others.
pub struct Network {
    /// Where it listens for them: `/ip4/0.0.0.0/tcp/7600`.
    pub listen: String,
    /// Where the others are, with their peer ids: `/ip4/…/tcp/…/p2p/…`.
    pub peers: Vec<String>,
    /// Seed of the Ed25519 key of its peer id.
    pub seed: zeroize::Zeroizing<[u8; 32]>,
}

impl Network {
    /// The peer id that others know the node with this seed by.
    ///
    /// # Errors
    /// [`StartError::Engine`] for a seed that is none.
    pub fn peer_id(seed: &[u8; 32]) -> Result<String, StartError> {
        engine::peer_id(seed)
    }
}

/// How much a validator takes at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Operations that may wait; more are refused.
    pub waiting: usize,
    /// Operations in one block.
    pub operations: usize,
    /// Bytes of operations in one block.
    pub bytes: usize,
    /// How long a sender waits for its operation to be ordered.
    pub patience: Duration,
}

impl Default for Limits {
    /// 16,384 waiting, 4,096 in a block, 4 MiB, 20 s.
    fn default() -> Self {
        Self {
            waiting: 16_384,
            operations: 4_096,
            bytes: 4 << 20,
            patience: Duration::from_secs(20),
        }
    }
}

/// What a validator is made of. A node that is none, or none any more, follows the others,
/// and decides with them from the height on at which the ledger says so.
pub struct Parts {
    /// Its ledger.
    pub ledger: Arc<Ledger>,
    /// Its account, of role node.
    pub account: AccountId,
    /// Its operation key, which signs votes; and where that was or is to be replaced, the
    /// others: each signs at the heights at which the ledger says so.
    pub secrets: Vec<OperationSecret>,
    /// Its clock.
    pub clock: Box<dyn Clock>,
    /// The others.
    pub network: Network,
    /// Folder of the engine's write-ahead log and the journal; it must be there.
    pub folder: PathBuf,
    /// Limits.
    pub limits: Limits,
}

/// What becomes of a conflict, before anybody else hears of it.
pub type Keep = Box<dyn Fn(&Conflict) + Send + Sync>;

/// A running validator. Dropping it stops it.
pub struct Bft {
    shared: Arc<Shared>,
    ring: Ring,
    intake: SyncSender<Incoming>,
    patience: Duration,
    threads: Vec<JoinHandle<()>>,
}

impl Bft {
    /// Starts the engine and the threads around it. `keep` is given the conflict that stops it
    /// for good, before anybody else sees it; one that was kept earlier is `known`.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(parts: Parts, known: Option<Conflict>, keep: Keep) -> Result<Self, StartError> {
        if let Some(conflict) = known {
            return Err(StartError::Halted(conflict.fault));
        }
        let Idle {
            app,
            seat,
            taker,
            incoming,
        } = Idle::of(parts, keep)?;
        let session = seat.start(app.watch.is_none())?;
        app.journal
            .mark(app.watch.is_none())
            .map_err(|error| StartError::Journal(error.to_string()))?;
        app.show_watch();
        let (shared, ring, intake) = (
            Arc::clone(&app.shared),
            app.ring.clone(),
            app.intake.clone(),
        );
        let patience = app.limits.patience;
        let threads = vec![
            spawn("application", move || app.serve(&seat, session))?,
            spawn("intake", move || taker.run(&incoming))?,
        ];
        Ok(Self {
            shared,
            ring,
            intake,
            patience,
            threads,
        })
    }

    /// Makes `folder` that of a validator that has never voted anywhere; a memory that is there
    /// stays. A validator that is
    /// started in a folder without this has lost its memory: it follows the others, and votes
    /// again once everything that it can have voted for is decided.
    ///
    /// # Errors
    /// [`StartError::Journal`].
    pub fn prepare(folder: &Path) -> Result<(), StartError> {
        Journal::prepare(&folder.join(JOURNAL))
            .map_err(|error| StartError::Journal(error.to_string()))
    }

    /// The ledger that it writes.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// A further key: the node signs with it once the ledger names it. Give it before the
    /// `RotateKey` is sent, or the validator stops at the height after.
    pub fn add_key(&self, secret: OperationSecret) {
        self.ring.add(secret);
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.shared.standing().clone()
    }

    /// Stops it; who waits for an operation is told so.
    pub fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing to hand over.
            let _ = thread.join();
        }
    }
}

impl Drop for Bft {
    fn drop(&mut self) {
        self.join();
    }
}

/// A validator whose engine does not run yet.
struct Idle {
    app: App,
    seat: Seat,
    taker: Intake,
    incoming: Receiver<Incoming>,
}

impl Idle {
    fn of(parts: Parts, keep: Keep) -> Result<Self, StartError> {
        let Parts {
            ledger,
            account,
            secrets,
            clock,
            network,
            folder,
            limits,
        } = parts;
        let validators = Validators::of(ledger.validators().newest());
        let validators = validators.ok_or(StartError::NoValidators)?;
        let key = validators.key(account);
        let key = key.or_else(|| secrets.last().map(OperationSecret::public));
        let ring = Ring::new(account, Arc::clone(&ledger), secrets);
        if ring.is_missing() {
            return Err(StartError::NoKey);
        }
        let key = key.ok_or(StartError::NoKey)?;
        let journal = Journal::open(&folder.join(JOURNAL))
            .map_err(|error| StartError::Journal(error.to_string()))?;
        let log = folder.join(WAL);
        let height = ledger.view().and_then(|view| view.head());
        let height = height.map_err(|fault| StartError::Ledger(fault.to_string()))?;
        let past = journal
            .past()
            .map_err(|error| StartError::Journal(error.to_string()))?;
        let lost = recall::lost(past, &log, height.header.height)
            .map_err(|error| StartError::Journal(error.to_string()))?;
        let seat = Seat {
            chain: ledger.genesis().chain(),
            ring: ring.clone(),
            key,
            network,
            log,
        };
        let pool = Pool::new(PoolLimits {
            operations: limits.waiting,
            bytes: POOL_BYTES,
            account: limits.waiting.div_ceil(4),
        });
        let shared = Arc::new(Shared::new(ledger, pool));
        shared.standing().accusations = journal.accusations().unwrap_or_default();
        let (intake, incoming) = mpsc::sync_channel(limits.waiting.max(1));
        let run = clock.now().0;
        let taker = Intake::new(Arc::clone(&shared), Numbers::new(!run));
        let app = App {
            shared,
            journal,
            ring,
            validators,
            timeouts: TIMEOUTS,
            limits,
            clock,
            intake,
            keep,
            numbers: Numbers::new(run),
            memory: Memory::default(),
            watch: lost.map(Watch::of),
        };
        Ok(Self {
            app,
            seat,
            taker,
            incoming,
        })
    }
}

impl Bft {
    /// Gives an operation to the intake.
    fn put(&self, bytes: Vec<u8>, teller: Teller) {
        if bytes.len() > MAX_OPERATION {
            let refusal = Refusal::TooLarge {
                found: bytes.len() as u64,
                limit: MAX_OPERATION as u64,
            };
            return teller(Err(refusal.into()));
        }
        let conflict = self.shared.standing().conflict.clone();
        if let Some(conflict) = conflict {
            return teller(Err(SubmitError::Halted(conflict.fault.clone())));
        }
        let incoming = Incoming {
            bytes,
            waiter: Some(teller),
        };
        let Err(problem) = self.intake.try_send(incoming) else {
            return;
        };
        let (incoming, problem) = match problem {
            TrySendError::Full(incoming) => {
                let waiting = self.shared.pool().len();
                (incoming, SubmitError::Busy { waiting })
            }
            TrySendError::Disconnected(incoming) => (incoming, SubmitError::Stopped),
        };
        if let Some(teller) = incoming.waiter {
            teller(Err(problem));
        }
    }
}

impl Sequencer for Bft {
    fn submit(&self, bytes: Vec<u8>) -> Fate {
        let (teller, fate) = told();
        self.put(bytes, teller);
        match fate.recv_timeout(self.patience) {
            Ok(fate) => fate,
            Err(RecvTimeoutError::Disconnected) => Err(SubmitError::Stopped),
            Err(RecvTimeoutError::Timeout) => Err(SubmitError::undecided()),
        }
    }

    fn begin(&self, bytes: Vec<u8>, teller: Teller) -> Result<(), (Vec<u8>, Teller)> {
        self.put(bytes, teller);
        Ok(())
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.patience)
    }

    fn head(&self) -> Result<Head, Fault> {
        self.shared.ledger.view()?.head()
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|error| StartError::Thread(error.to_string()))
}

/// Why a validator cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The ledger has none.
    #[error("the ledger has no validators")]
    NoValidators,
    /// The node is a validator under a key that was not given, or no key was given.
    #[error("the key that the ledger names for this node is not here")]
    NoKey,
    /// An address that is none.
    #[error("{0:?} is no address of a node: {1}")]
    Address(String, String),
    /// It stopped for good in an earlier run.
    #[error("this validator has halted: {0}")]
    Halted(String),
    /// The ledger cannot be read.
    #[error("the ledger: {0}")]
    Ledger(String),
    /// The journal cannot be opened.
    #[error("the journal of undecided blocks: {0}")]
    Journal(String),
    /// The engine does not start.
    #[error("the consensus engine does not start: {0}")]
    Engine(String),
    /// The system gave no thread.
    #[error("no thread for the validator: {0}")]
    Thread(String),
}

const WAL: &str = "engine.wal";
/// Memory for operations that wait.
const POOL_BYTES: usize = 64 << 20;
/// How long a step of a round may take; each further round gives more.
const TIMEOUTS: LinearTimeouts = LinearTimeouts {
    propose: Duration::from_millis(1_000),
    propose_delta: Duration::from_millis(500),
    prevote: Duration::from_millis(400),
    prevote_delta: Duration::from_millis(200),
    precommit: Duration::from_millis(400),
    precommit_delta: Duration::from_millis(200),
    rebroadcast: Duration::from_millis(2_000),
    max_timeout: Duration::from_secs(20),
};
