//! The two nodes, each with ledger, store, post and `/v1` on a socket of its own.

use base::{
    AccountId, ChainId, Digest, Millis, Operation, Signed, SignedOperation,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Action, PatientKeys, Register, Role},
};
use consensus::{Follower, Limits, Sequencer, Solo, SystemClock, follow};
use ledger::{Ledger, OpenOptions, check_batch};
use medshare::{
    http::{
        Address, Credentials, HttpNode,
        events::Readers,
        interface::Interface,
        limit::{Rate, Rates},
        operator::Jobs,
        post::{Post, PostLimits},
        relay::Relay,
        routes::{post_router, router},
        server::{Listener, serve},
        session::Sessions,
        ticket::Gate,
        turn::Turns,
    },
    peers::{
        contacts::Contacts,
        copies::Copies,
        hints::Hints,
        porter::{Books, Counter, Porter},
        registry::Registry,
        remote::{Line, LineError, Remote},
    },
    system,
};
use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::Embedded;
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::watch};

pub(crate) fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

pub(crate) fn account(name: &str) -> AccountId {
    AccountId::of(&secret(name).public())
}

fn hpke() -> HpkeKey {
    HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap()
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        version: base::Version,
        network: "pair".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: vec![Validator {
            key: secret("node").public(),
            hpke_key: hpke(),
        }],
        institutions: vec![],
        policy: Policy::default(),
    }
}

pub(crate) fn chain() -> ChainId {
    genesis().chain()
}

pub(crate) fn sign(name: &str, sequence: u64, action: impl Into<Action>) -> SignedOperation {
    let operation = Operation {
        chain: chain(),
        account: account(name),
        delegation: None,
        sequence,
        action: action.into(),
    };
    Signed::new(operation, &secret(name))
}

pub(crate) fn register(name: &str, role: Role) -> SignedOperation {
    let patient = (role == Role::Patient).then(|| PatientKeys {
        pkh: Digest::of(name.as_bytes()),
        h: base::cid::of_block(base::cid::RAW, name.as_bytes()),
    });
    let action = Register {
        role,
        operation_key: secret(name).public(),
        hpke_key: hpke(),
        record_key: None,
        peer: None,
        patient,
    };
    sign(name, 1, action)
}

/// A line to a porter in this process.
#[derive(Clone)]
pub(crate) struct Wire {
    porter: Arc<Porter>,
    pub(crate) cut: Arc<AtomicBool>,
    /// Answers are lost, questions arrive.
    pub(crate) mute: Arc<AtomicBool>,
    pub(crate) largest: Arc<AtomicUsize>,
    pub(crate) bend: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Line for Wire {
    fn ask(&self, request: Vec<u8>) -> Result<Vec<u8>, LineError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(LineError::NotSent("the line is cut".into()));
        }
        let answer = self.porter.answer(b"the second node", &request);
        if self.mute.load(Ordering::SeqCst) {
            return Err(LineError::Lost("the answer is lost".into()));
        }
        if let Some(other) = self.bend.lock().unwrap().clone() {
            return Ok(other);
        }
        let answer = answer.ok_or_else(|| LineError::Lost("no answer".into()))?;
        self.largest.fetch_max(answer.len(), Ordering::SeqCst);
        Ok(answer)
    }
}

pub(crate) struct Pair {
    pub(crate) wire: Wire,
    pub(crate) first: Arc<Ledger>,
    pub(crate) second: Arc<Ledger>,
    pub(crate) solo: Arc<Solo>,
    pub(crate) dir: TempDir,
    stop: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl Pair {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (stop, stopped) = watch::channel(false);
        for name in ["one", "two"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let first = ledger(&dir.path().join("one"));
        let limits = Limits::default();
        let node = secret("node");
        let solo = Solo::start(Arc::clone(&first), node, SystemClock, limits).unwrap();
        let solo = Arc::new(solo);
        let one = interface(
            &dir.path().join("one"),
            &first,
            Arc::<Solo>::clone(&solo),
            None,
        );
        let porter = porter(&dir.path().join("one"), &first);
        porter.open(Counter {
            sequencer: Arc::<Solo>::clone(&solo),
            post: post_router(Arc::clone(&one)),
            runtime: runtime.handle().clone(),
        });
        let wire = Wire {
            porter,
            cut: Arc::default(),
            mute: Arc::default(),
            largest: Arc::default(),
            bend: Arc::default(),
        };
        let remote = Arc::new(Remote::new(Arc::new(wire.clone()), Some(chain())));
        let second = ledger(&dir.path().join("two"));
        let settings = follow::Settings {
            poll: Duration::from_millis(10),
            ..follow::Settings::default()
        };
        let upstream = Arc::<Remote>::clone(&remote);
        let follower = Follower::start(Arc::clone(&second), upstream, settings, None, |_| {});
        let follower = Arc::new(follower.unwrap());
        let two = interface(&dir.path().join("two"), &second, follower, Some(remote));
        for (name, interface) in [("one", one), ("two", two)] {
            let socket = Address::Unix(dir.path().join(name).join("s"));
            let listener = runtime.block_on(Listener::bind(&socket)).unwrap();
            runtime.spawn(serve(listener, router(interface), 100, stopped.clone()));
        }
        Self {
            wire,
            first,
            second,
            solo,
            dir,
            stop,
            runtime: Some(runtime),
        }
    }

    /// One block of these operations at the first node.
    pub(crate) fn block(&self, operations: Vec<Vec<u8>>) {
        let view = self.first.view().unwrap();
        let checked = check_batch(operations, chain(), &view).unwrap();
        let checked = checked.into_iter().collect::<Result<_, _>>().unwrap();
        let time = system::now().max(view.head().unwrap().header.time.plus(1));
        let pending = self.first.propose(checked, time, account("node")).unwrap();
        let certificate = pending.header().certify(&secret("node"));
        self.first.commit(pending, certificate).unwrap();
    }

    /// A party at one of the nodes.
    pub(crate) fn party(&self, node: &str, name: &str) -> HttpNode {
        let address = Address::Unix(self.dir.path().join(node).join("s"));
        let credentials = Credentials {
            chain: chain(),
            account: account(name),
            secret: secret(name),
        };
        HttpNode::new(address, Duration::from_secs(20), Some(credentials)).unwrap()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        self.wire.cut.store(true, Ordering::SeqCst);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn ledger(folder: &Path) -> Arc<Ledger> {
    let path = folder.join("ledger.redb");
    Arc::new(Ledger::create(&path, &genesis(), OpenOptions::default()).unwrap())
}

fn porter(folder: &Path, ledger: &Arc<Ledger>) -> Arc<Porter> {
    let views = Arc::clone(ledger);
    let hints = Hints::open(&folder.join("hints.redb"), 1_000).unwrap();
    let copies = Copies::open(&folder.join("copies.redb"), 1 << 20).unwrap();
    let about = Books {
        contacts: Arc::<Contacts>::default(),
        hints: Arc::new(hints),
        registry: Arc::new(Registry::new(&ledger.validators())),
        copies: Arc::new(copies),
    };
    let views = Arc::new(move || views.view());
    Arc::new(Porter::new(
        genesis(),
        account("node"),
        views,
        about,
        |_| {},
    ))
}

fn interface(
    folder: &Path,
    ledger: &Arc<Ledger>,
    sequencer: Arc<dyn Sequencer>,
    relay: Option<Arc<Remote>>,
) -> Arc<Interface> {
    let views = Arc::clone(ledger);
    Arc::new(Interface {
        genesis: genesis(),
        sequencer,
        views: Arc::new(move || views.view()),
        store: Arc::new(Embedded::open(folder.join("blocks")).unwrap()),
        finder: None,
        post: Post::open(&folder.join("post.redb"), PostLimits::default()).unwrap(),
        relay: relay.map(|relay| relay as Arc<dyn Relay>),
        operator: account("node"),
        anchors: None,
        jobs: Jobs::default(),
        standing: Arc::new(Default::default),
        scrubs: Arc::default(),
        gate: Gate::new(chain(), system::now()),
        sessions: Sessions::default(),
        readers: Readers::default(),
        rate: Rate::new(10_000),
        newcomers: Rate::new(50),
        taken_prekeys: Rates::new(20),
        left_prekeys: Rates::new(1_000),
        turns: Turns::new(64, 16),
        request_time: Duration::from_secs(20),
        file_limit: 1 << 30,
    })
}
