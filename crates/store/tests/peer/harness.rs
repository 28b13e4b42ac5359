//! What the tests of peers share: nodes on loopback, policies, waiting.

use base::cid::Cid;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::{
    BlockStore, Embedded,
    peer::{Exchange, FetchOptions, PeerId, PeerKey, PeerNode, PeerSettings, PeerStatus, Policy},
    unixfs::{Profile, add},
};

/// Admits everybody and lets everybody have everything, until told otherwise.
#[derive(Default)]
pub(crate) struct Open {
    pub(crate) shut: AtomicBool,
    pub(crate) secret: Mutex<HashSet<Cid>>,
}

impl Policy for Open {
    fn admits(&self, _: &PeerId) -> bool {
        !self.shut.load(Ordering::Relaxed)
    }
    fn may_have(&self, _: &PeerId, cid: &Cid) -> bool {
        !self.secret.lock().unwrap().contains(cid)
    }
}

/// Answers a request with the request, a dot, and nothing to an empty one.
pub(crate) struct Echo;

impl Exchange for Echo {
    fn answer(&self, _: &PeerId, mut request: Vec<u8>) -> Option<Vec<u8>> {
        if request.is_empty() {
            return None;
        }
        assert_ne!(request, b"panic");
        match &request[..] {
            b"slow" => std::thread::sleep(Duration::from_millis(300)),
            b"slower" => std::thread::sleep(Duration::from_secs(3)),
            _ => {}
        }
        request.push(b'.');
        Some(request)
    }
}

pub(crate) struct Node {
    pub(crate) peer: Arc<PeerNode>,
    pub(crate) policy: Arc<Open>,
    pub(crate) store: Arc<dyn BlockStore>,
    _folder: Option<tempfile::TempDir>,
}

pub(crate) fn settings(seed: u8) -> PeerSettings {
    let mut settings = PeerSettings::new(PeerKey::from_seed(&mut [seed; 32]));
    settings.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    settings.limits.recheck = Duration::from_millis(200);
    settings.limits.handshake = Duration::from_secs(1);
    settings.limits.redial = Duration::from_millis(50);
    settings
}

pub(crate) fn node(settings: PeerSettings) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    let mut node = node_of(settings, store);
    node._folder = Some(folder);
    node
}

pub(crate) fn node_of(settings: PeerSettings, store: Arc<dyn BlockStore>) -> Node {
    let policy = Arc::new(Open::default());
    let exchange = Arc::new(Echo);
    let peer = PeerNode::start(settings, store.clone(), policy.clone(), exchange).unwrap();
    Node {
        peer: Arc::new(peer),
        policy,
        store,
        _folder: None,
    }
}

/// Stores a file as a tree of small blocks, pinned.
pub(crate) fn file(store: &dyn BlockStore, size: usize, chunk: usize) -> Cid {
    let mut batch = store.batch();
    let profile = Profile::UNIXFS_V1_2025.resized(chunk, 8).unwrap();
    let built = add(profile, &content(size)[..], &mut *batch).unwrap();
    batch.commit().unwrap();
    store.pin(&built.cid).unwrap();
    built.cid
}

/// Bytes that do not repeat.
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bytes.extend((state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Impatient, so that tests of waiting do not wait long.
pub(crate) fn options() -> FetchOptions {
    let mut options = FetchOptions::default();
    options.patience = Duration::from_millis(500);
    options.stall = Duration::from_secs(3);
    options
}

impl Node {
    pub(crate) fn knows(&self, other: &Self) {
        let address = other.peer.listening().remove(0);
        self.peer.add_address(other.peer.id(), address).unwrap();
    }

    pub(crate) fn status(&self, of: &Self) -> Option<PeerStatus> {
        let facts = self.peer.peers();
        let found = facts.into_iter().find(|facts| facts.id == of.peer.id());
        found.map(|facts| facts.status)
    }
}

/// Waits until `done`, for at most ten seconds.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain: {what}");
}
