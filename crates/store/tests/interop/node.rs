//! One of our nodes for a test: a store, a policy that can be narrowed, loopback, the swarm key of the tests.

use crate::daemon::SWARM_KEY;
use base::cid::Cid;
use std::{
    collections::HashSet,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{
    BlockStore, Embedded,
    peer::{
        Exchange, FetchError, FetchOptions, Fetched, PeerId, PeerKey, PeerNode, PeerSettings,
        Policy, SwarmKey,
    },
};
use tempfile::TempDir;

/// Who may speak, and what nobody may have.
#[derive(Default)]
pub(crate) struct Rules {
    everybody: AtomicBool,
    admitted: RwLock<HashSet<PeerId>>,
    withheld: RwLock<HashSet<Cid>>,
    asked: AtomicUsize,
}

impl Policy for Rules {
    fn admits(&self, peer: &PeerId) -> bool {
        self.everybody.load(Ordering::Relaxed) || self.admitted.read().unwrap().contains(peer)
    }

    fn may_have(&self, _: &PeerId, cid: &Cid) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        !self.withheld.read().unwrap().contains(cid)
    }
}

struct Silent;

impl Exchange for Silent {
    fn answer(&self, _: &PeerId, _: Vec<u8>) -> Option<Vec<u8>> {
        None
    }
}

pub(crate) struct Node {
    pub(crate) peer: PeerNode,
    pub(crate) store: Arc<dyn BlockStore>,
    rules: Arc<Rules>,
    _folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Node {
    /// With a store of its own.
    pub(crate) fn new(seed: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(folder.path()).unwrap());
        Self::over(seed, store, SWARM_KEY, folder)
    }

    /// Over a store that is there, in the swarm of this key.
    pub(crate) fn over(seed: u8, store: Arc<dyn BlockStore>, swarm: &str, folder: TempDir) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut settings = PeerSettings::new(PeerKey::from_seed(&mut [seed; 32]));
        settings.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        settings.swarm_key = Some(swarm.parse::<SwarmKey>().unwrap());
        let rules = Arc::new(Rules::default());
        let peer = {
            let _inside = runtime.enter();
            PeerNode::start(settings, store.clone(), rules.clone(), Arc::new(Silent)).unwrap()
        };
        Self {
            peer,
            store,
            rules,
            _folder: folder,
            runtime,
        }
    }

    pub(crate) fn admit(&self, id: PeerId) {
        self.rules.admitted.write().unwrap().insert(id);
    }

    /// For a peer that makes itself a new id each time.
    pub(crate) fn admit_everybody(&self) {
        self.rules.everybody.store(true, Ordering::Relaxed);
    }

    pub(crate) fn withhold(&self, cid: Cid) {
        self.rules.withheld.write().unwrap().insert(cid);
    }

    /// How many blocks it was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.rules.asked.load(Ordering::Relaxed)
    }

    /// Its address for others.
    pub(crate) fn multiaddr(&self) -> String {
        format!("{}/p2p/{}", self.peer.listening()[0], self.peer.id())
    }

    /// Fetches a tree from one provider, `ADDRESS/p2p/ID`.
    pub(crate) fn fetch(&self, root: Cid, from: &str) -> Result<Fetched, FetchError> {
        let id = id(from);
        self.admit(id);
        self.peer.add_address(id, from.parse().unwrap()).unwrap();
        let mut options = FetchOptions::default();
        options.stall = Duration::from_secs(10);
        self.runtime.block_on(self.peer.fetch(root, &[id], options))
    }
}

/// The peer of an address.
pub(crate) fn id(address: &str) -> PeerId {
    address.rsplit_once("/p2p/").unwrap().1.parse().unwrap()
}
