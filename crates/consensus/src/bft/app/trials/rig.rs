//! One application that can be killed and started again on what it has written.

use base::Millis;
use ledger::{Head, Ledger, OpenOptions};
use malachite::{AppMsg, NetworkMsg, Reply, app::streaming::StreamMessage, app::types::PeerId};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver},
    },
    time::Duration,
};
use tokio::{runtime::Runtime, sync::oneshot};

use super::{
    device::Memory as Device,
    people::{account, genesis, validator},
};
use crate::{
    bft::{
        Limits, TIMEOUTS,
        app::{App, Memory},
        context::{Chain, Part},
        intake::{Incoming, Intake},
        journal::Journal,
        pool::{Pool, PoolLimits},
        ring::Ring,
        shared::Shared,
        stream::Numbers,
        validators::Validators,
    },
    follow::Conflict,
};

pub struct Rig {
    pub at: usize,
    ledger: Device,
    journal: Device,
    time: Arc<AtomicU64>,
    lives: u64,
    /// The conflicts that it kept.
    pub kept: Arc<Mutex<Vec<Conflict>>>,
    alive: Option<Alive>,
}

struct Alive {
    app: App,
    intake: Intake,
    queue: Receiver<Incoming>,
    wire: tokio::sync::mpsc::Receiver<NetworkMsg<Chain>>,
}

impl Rig {
    pub fn new(at: usize, time: &Arc<AtomicU64>) -> Self {
        let mut rig = Self {
            at,
            ledger: Device::default(),
            journal: Device::default(),
            time: Arc::clone(time),
            lives: 0,
            kept: Arc::default(),
            alive: None,
        };
        Ledger::create_on(Arc::new(rig.ledger.clone()), &genesis(), OPTIONS).unwrap();
        Journal::prepare_on(Arc::new(rig.journal.clone())).unwrap();
        rig.start();
        rig
    }

    /// As kill -9 does: what was written stays. Or with the power lost: what was synced does.
    pub fn restart(&mut self, power: bool) {
        if power {
            self.ledger.lose_power();
            self.journal.lose_power();
        }
        self.alive = None;
        self.start();
    }

    fn start(&mut self) {
        self.lives += 1;
        let device = Arc::new(self.ledger.clone());
        let ledger = Arc::new(Ledger::open_on(device, &genesis(), OPTIONS).unwrap());
        let journal = Journal::open_on(Arc::new(self.journal.clone())).unwrap();
        let limits = Limits {
            waiting: 64,
            operations: 6,
            bytes: 4_000,
            patience: Duration::from_secs(1),
        };
        let pool = Pool::new(PoolLimits {
            operations: limits.waiting,
            bytes: 1 << 20,
            account: 16,
        });
        let validators = Validators::of(ledger.validators().newest()).unwrap();
        let kept = Arc::clone(&self.kept);
        let secret = validator(self.at);
        let ring = Ring::new(account(&secret), Arc::clone(&ledger), vec![secret]);
        let shared = Arc::new(Shared::new(ledger, pool));
        let (sender, wire) = tokio::sync::mpsc::channel(4_096);
        shared.attach(sender, None);
        let (intake, queue) = mpsc::sync_channel(limits.waiting);
        let time = Arc::clone(&self.time);
        let app = App {
            shared: Arc::clone(&shared),
            journal,
            ring,
            validators,
            timeouts: TIMEOUTS,
            limits,
            clock: Box::new(move || Millis(time.load(Ordering::Relaxed))),
            intake,
            keep: Box::new(move |conflict| kept.lock().unwrap().push(conflict.clone())),
            numbers: Numbers::new(self.lives),
            memory: Memory::default(),
            watch: None,
        };
        self.alive = Some(Alive {
            app,
            intake: Intake::new(shared, Numbers::new(!self.lives)),
            queue,
            wire,
        });
    }

    fn alive(&mut self) -> &mut Alive {
        self.alive.as_mut().unwrap()
    }

    pub fn app(&self) -> &App {
        &self.alive.as_ref().unwrap().app
    }

    pub fn app_mut(&mut self) -> &mut App {
        &mut self.alive().app
    }

    pub fn ledger(&self) -> &Ledger {
        &self.app().shared.ledger
    }

    pub fn head(&self) -> Head {
        self.ledger().view().unwrap().head().unwrap()
    }

    /// The height in hand.
    pub fn next(&self) -> u64 {
        self.head().header.height + 1
    }

    /// Asks as the engine does; none if there is no answer.
    pub fn ask<T>(
        &mut self,
        runtime: &Runtime,
        message: impl FnOnce(Reply<T>) -> AppMsg<Chain>,
    ) -> Option<T> {
        let (reply, mut answer) = oneshot::channel();
        self.tell(runtime, message(reply));
        answer.try_recv().ok()
    }

    pub fn tell(&mut self, runtime: &Runtime, message: AppMsg<Chain>) {
        let app = &mut self.alive().app;
        runtime.block_on(app.answer(message));
        app.begin_next().unwrap();
    }

    /// Time passes for it.
    pub fn tick(&mut self, runtime: &Runtime) {
        let app = &mut self.alive().app;
        runtime.block_on(app.look_around());
        app.begin_next().unwrap();
    }

    /// Takes in an operation of a party of this node, or what others have sent.
    pub fn take_in(&mut self, own: Option<Incoming>) {
        let alive = self.alive();
        let mut group: Vec<_> = own.into_iter().collect();
        group.extend(alive.queue.try_iter());
        alive.intake.take(group);
        alive.app.begin_next().unwrap();
    }

    /// What it wants to tell others.
    pub fn sent(&mut self) -> Vec<StreamMessage<Part>> {
        let wire = &mut self.alive().wire;
        let next = || match wire.try_recv().ok()? {
            NetworkMsg::PublishProposalPart(part) => Some(part),
        };
        std::iter::from_fn(next).collect()
    }
}

/// The peer id of a validator.
pub fn peer(at: usize) -> PeerId {
    // An identity multihash of a key of 36 bytes.
    let mut bytes = vec![0, 36, 8, 1, 18, 32];
    bytes.extend([at as u8; 32]);
    PeerId::from_bytes(&bytes).unwrap()
}

const OPTIONS: OpenOptions = OpenOptions { cache: 1 << 20 };
