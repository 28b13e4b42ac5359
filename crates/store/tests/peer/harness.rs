//! What the tests of peers share: nodes on loopback, policies, waiting.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::{
    Embedded,
    peer::{Exchange, PeerId, PeerKey, PeerNode, PeerSettings, PeerStatus, Policy},
};

/// Admits everybody and lets everybody have everything, until told otherwise.
#[derive(Default)]
pub(crate) struct Open {
    pub(crate) shut: AtomicBool,
}

impl Policy for Open {
    fn admits(&self, _: &PeerId) -> bool {
        !self.shut.load(Ordering::Relaxed)
    }
    fn may_have(&self, _: &PeerId, _: &base::cid::Cid) -> bool {
        true
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
        if request == b"slow" {
            std::thread::sleep(Duration::from_millis(300));
        }
        request.push(b'.');
        Some(request)
    }
}

pub(crate) struct Node {
    pub(crate) peer: PeerNode,
    pub(crate) policy: Arc<Open>,
    _folder: tempfile::TempDir,
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
    let policy = Arc::new(Open::default());
    let peer = PeerNode::start(settings, store, policy.clone(), Arc::new(Echo)).unwrap();
    Node {
        peer,
        policy,
        _folder: folder,
    }
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
