//! Validators in one process.

use base::{
    AccountId, Digest, Millis, Operation, Signed,
    genesis::{Genesis, Policy, Validator},
    key::{HpkeKey, OperationSecret},
    operation::{Action, Bag, PatientKeys, Register, Role, SignedOperation},
};
use consensus::{
    Sequencer, SystemClock,
    bft::{Bft, Limits, Network, Parts},
};
use ledger::{Head, Ledger, OpenOptions, replay};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub(crate) struct Net {
    dir: TempDir,
    genesis: Genesis,
    ports: Vec<u16>,
    nodes: Vec<Option<Bft>>,
    accounts: Vec<AccountId>,
    /// What each node can sign with.
    pub(crate) secrets: Vec<Vec<OperationSecret>>,
}

impl Net {
    pub(crate) fn start(count: usize) -> Self {
        let secrets = (0..count).map(|at| secret(&validator(at))).collect();
        Self::on(genesis(count), secrets, None)
    }

    /// The last validator runs twice: with one key, and two memories.
    pub(crate) fn start_with_twins(count: usize) -> Self {
        let secrets = (0..=count).map(|at| secret(&validator(at.min(count - 1))));
        Self::on(genesis(count), secrets.collect(), None)
    }

    /// Nodes with these keys; each begins with a copy of the ledger at `from`, if there is one.
    pub(crate) fn on(genesis: Genesis, secrets: Vec<OperationSecret>, from: Option<&Path>) -> Self {
        let count = secrets.len();
        // Held until all are known, so that no port comes twice.
        let held: Vec<_> = (0..count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports = held
            .iter()
            .map(|held| held.local_addr().unwrap().port())
            .collect();
        drop(held);
        let mut net = Self {
            dir: tempfile::tempdir().unwrap(),
            genesis,
            ports,
            nodes: (0..count).map(|_| None).collect(),
            accounts: secrets
                .iter()
                .map(|secret| AccountId::of(&secret.public()))
                .collect(),
            secrets: secrets.into_iter().map(|secret| vec![secret]).collect(),
        };
        for at in 0..count {
            let folder = net.folder(at);
            std::fs::create_dir_all(&folder).unwrap();
            Bft::prepare(&folder).unwrap();
            if let Some(from) = from {
                std::fs::copy(from, folder.join("ledger.redb")).unwrap();
            }
            net.restart(at);
        }
        net
    }

    pub(crate) fn genesis(&self) -> Genesis {
        self.genesis.clone()
    }

    pub(crate) fn node(&self, at: usize) -> &Bft {
        self.nodes[at].as_ref().unwrap()
    }

    pub(crate) fn stop(&mut self, at: usize) {
        self.nodes[at].take().unwrap().stop();
    }

    pub(crate) fn restart(&mut self, at: usize) {
        let folder = self.folder(at);
        let path = folder.join("ledger.redb");
        let ledger = match path.exists() {
            true => Ledger::open(&path, &self.genesis, OpenOptions::default()).unwrap(),
            false => Ledger::create(&path, &self.genesis, OpenOptions::default()).unwrap(),
        };
        let peers = (0..self.ports.len())
            .filter(|other| *other != at)
            .map(|other| self.address(other));
        let parts = Parts {
            ledger: Arc::new(ledger),
            account: self.accounts[at],
            secrets: self.secrets[at].clone(),
            clock: Box::new(SystemClock),
            network: Network {
                listen: format!("/ip4/127.0.0.1/tcp/{}", self.ports[at]),
                peers: peers.collect(),
                seed: seed(at).into(),
            },
            folder,
            limits: Limits {
                patience: Duration::from_secs(8),
                ..Limits::default()
            },
        };
        let keep = move |conflict: &consensus::follow::Conflict| {
            panic!("validator {at}: {}", conflict.fault);
        };
        self.nodes[at] = Some(Bft::start(parts, None, Box::new(keep)).unwrap());
    }

    pub(crate) fn account(&self, at: usize) -> AccountId {
        AccountId::of(&secret(&validator(at)).public())
    }

    pub(crate) fn folder(&self, at: usize) -> PathBuf {
        self.dir.path().join(at.to_string())
    }

    fn address(&self, at: usize) -> String {
        let id = Network::peer_id(&seed(at)).unwrap();
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{id}", self.ports[at])
    }

    /// Waits until every running node has `leaves` leaves; they have one head then.
    pub(crate) fn agree(&self, leaves: u64) -> Head {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let heads: Vec<_> = self.running().map(|node| node.head().unwrap()).collect();
            let first = &heads[0].header;
            let same = heads.iter().all(|head| head.header == *first);
            if same && first.tree_size == leaves {
                return heads[0].clone();
            }
            if Instant::now() > until {
                let standings: Vec<_> = self.running().map(Bft::standing).collect();
                panic!("no agreement on {leaves} leaves: {heads:#?} {standings:#?}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Bft> {
        self.nodes.iter().flatten()
    }

    /// Replays each node's blocks from genesis.
    pub(crate) fn replay_each(&self) {
        for node in self.running() {
            let view = node.ledger().view().unwrap();
            let head = view.head().unwrap().header;
            let blocks = (1..=head.height).map(|height| view.block(height).unwrap().unwrap());
            let blocks: Vec<_> = blocks.collect();
            let replayed = replay(&self.genesis, &blocks).unwrap();
            assert_eq!(replayed.state_hash().digest(), head.state_hash);
        }
    }
}

fn validator(at: usize) -> String {
    format!("validator {at}")
}

fn seed(at: usize) -> [u8; 32] {
    Digest::of(format!("peer {at}").as_bytes()).0
}

pub(crate) fn secret(name: &str) -> OperationSecret {
    OperationSecret::new(Digest::of(name.as_bytes()).0)
}

fn genesis(count: usize) -> Genesis {
    Genesis {
        version: base::Version,
        network: "test".into(),
        created: Millis(1_000),
        drift: 5_000,
        validators: (0..count)
            .map(|at| Validator {
                key: secret(&validator(at)).public(),
                hpke_key: HpkeKey::new(vec![1; HpkeKey::LENGTH]).unwrap(),
            })
            .collect(),
        institutions: vec![],
        policy: Policy::default(),
    }
}

pub(crate) fn sign(
    genesis: &Genesis,
    name: &str,
    sequence: u64,
    action: impl Into<Action>,
) -> SignedOperation {
    let secret = secret(name);
    let operation = Operation {
        chain: genesis.chain(),
        account: AccountId::of(&secret.public()),
        delegation: None,
        sequence,
        action: action.into(),
    };
    Signed::new(operation, &secret)
}

pub(crate) fn register(name: &str, role: Role) -> Register {
    Register {
        role,
        operation_key: secret(name).public(),
        hpke_key: HpkeKey::new(vec![2; HpkeKey::LENGTH]).unwrap(),
        record_key: None,
        peer: None,
        patient: Some(PatientKeys {
            pkh: Digest::of(name.as_bytes()),
            h: base::cid::of_block(base::cid::RAW, name.as_bytes()),
        }),
    }
}

pub(crate) fn bag(version: u64) -> Bag {
    Bag {
        version,
        commitment: Digest([3; 32]),
    }
}
