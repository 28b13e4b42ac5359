//! The link over libp2p: `store::peer` asks here who is admitted and who may have what,
//! brings questions to the porter, and carries ours.

use base::Cid;
use std::{sync::Arc, time::Duration};
use store::{
    BlockStore,
    peer::{
        AskError, Exchange, FetchOptions, Limits, Multiaddr, PeerId, PeerKey, PeerNode,
        PeerSettings, PeerStatus, Policy,
    },
};
use tokio::{runtime::Handle, time};
use zeroize::Zeroizing;

use super::{
    keeper::Net,
    key::PeerSeed,
    porter::Porter,
    reach::Carrier,
    registry::Registry,
    releases::Releases,
    remote::{Line, LineError},
    settings::{Allowed, PeerPlan, Reachable},
};
use crate::{
    exit::{Exit, Fault, Result},
    http::message::PeerStanding,
};

/// Who is at the door, and what is handed out.
pub struct Door {
    /// Nodes that the ledger admits.
    pub registry: Arc<Registry>,
    /// Nodes that the operator admits.
    pub allowed: Arc<Allowed>,
    /// The nodes of the configuration: followed or known.
    pub named: Vec<PeerId>,
    /// Who may have what.
    pub releases: Arc<Releases>,
}

impl Policy for Door {
    fn admits(&self, peer: &PeerId) -> bool {
        self.named.contains(peer)
            || self.allowed.contains(peer)
            || self.registry.admits(&peer.to_bytes())
    }

    fn may_have(&self, peer: &PeerId, cid: &Cid) -> bool {
        self.releases.may_have(&peer.to_bytes(), cid)
    }
}

/// A door that lets one peer in and hands nothing out: for a node that joins.
struct OnlyUpstream(PeerId);

impl Policy for OnlyUpstream {
    fn admits(&self, peer: &PeerId) -> bool {
        *peer == self.0
    }

    fn may_have(&self, _: &PeerId, _: &Cid) -> bool {
        false
    }
}

struct Ear(Arc<Porter>);

impl Exchange for Ear {
    fn answer(&self, from: &PeerId, request: Vec<u8>) -> Option<Vec<u8>> {
        self.0.answer(&from.to_bytes(), &request)
    }
}

struct Deaf;

impl Exchange for Deaf {
    fn answer(&self, _: &PeerId, _: Vec<u8>) -> Option<Vec<u8>> {
        None
    }
}

/// A running node of the link.
#[derive(Clone)]
pub struct Link {
    node: Arc<PeerNode>,
    runtime: Handle,
}

impl Link {
    /// Starts the node on `runtime`, and tells it where the nodes of the plan are.
    ///
    /// # Errors
    /// [`Exit::Config`] for an address that cannot be listened on or reached.
    pub fn start(
        plan: &PeerPlan,
        seed: &PeerSeed,
        store: Arc<dyn BlockStore>,
        door: Door,
        porter: Arc<Porter>,
        runtime: &Handle,
    ) -> Result<Self> {
        let mut settings = settings(seed, plan);
        settings.listen.clone_from(&plan.listen);
        let node = {
            let _inside = runtime.enter();
            PeerNode::start(settings, store, Arc::new(door), Arc::new(Ear(porter)))
        };
        let link = Self {
            node: Arc::new(node.map_err(wrong)?),
            runtime: runtime.clone(),
        };
        for other in plan.upstream.iter().chain(&plan.known) {
            link.add(other)?;
        }
        Ok(link)
    }

    /// A node that speaks to `upstream` alone and answers nothing.
    ///
    /// # Errors
    /// As [`Link::start`].
    pub fn to(
        upstream: &Reachable,
        plan: &PeerPlan,
        seed: &PeerSeed,
        store: Arc<dyn BlockStore>,
        runtime: &Handle,
    ) -> Result<Self> {
        let node = {
            let _inside = runtime.enter();
            let door = OnlyUpstream(upstream.peer);
            PeerNode::start(settings(seed, plan), store, Arc::new(door), Arc::new(Deaf))
        };
        let link = Self {
            node: Arc::new(node.map_err(wrong)?),
            runtime: runtime.clone(),
        };
        link.add(upstream)?;
        Ok(link)
    }

    fn add(&self, other: &Reachable) -> Result<()> {
        let known = self.node.add_address(other.peer, other.address.clone());
        known.map_err(wrong)
    }

    /// Where it listens, as multiaddresses without its id.
    pub fn listening(&self) -> Vec<String> {
        let addresses = self.node.listening();
        addresses.iter().map(ToString::to_string).collect()
    }

    /// Its own peer id.
    pub fn id(&self) -> Vec<u8> {
        self.node.id().to_bytes()
    }

    /// Every peer that is connected or whose address is known.
    pub fn standing(&self, registry: &Registry) -> Vec<PeerStanding> {
        let peers = self.node.peers().into_iter();
        peers
            .map(|facts| {
                let peer = facts.id.to_bytes();
                let node = registry.nodes_of(&peer).into_iter().next();
                PeerStanding {
                    account: node.map(|node| node.account),
                    institution: node.and_then(|node| node.institution),
                    connected: facts.status == PeerStatus::Connected,
                    away: match &facts.status {
                        PeerStatus::Away(fault) => Some(fault.to_string()),
                        _ => None,
                    },
                    addresses: facts.addresses.iter().map(ToString::to_string).collect(),
                    peer: peer.into(),
                }
            })
            .collect()
    }

    /// A way to a peer.
    pub fn to_peer(&self, peer: PeerId) -> PeerLine {
        PeerLine {
            link: self.clone(),
            peer,
        }
    }

    /// Stops it: connections are closed and ports free when this returns.
    pub fn stop(&self) {
        self.runtime.block_on(self.node.stop());
    }
}

fn settings(seed: &PeerSeed, plan: &PeerPlan) -> PeerSettings {
    let mut copy = Zeroizing::new(*seed.as_secret());
    let mut settings = PeerSettings::new(PeerKey::from_seed(&mut copy));
    settings.swarm_key.clone_from(&plan.swarm_key);
    let mut limits = Limits::default();
    // Operations and requests of the post of a whole hospital go through one line.
    limits.asks_per_peer = ASKS;
    limits.answers = ANSWERS;
    limits.ask = ASK;
    settings.limits = limits;
    settings
}

fn wrong(error: impl std::fmt::Display) -> Fault {
    Fault::new(Exit::Config, format!("peers: {error}"))
}

impl Net for Link {
    fn line(&self, peer: &[u8]) -> Arc<dyn Line> {
        match PeerId::from_bytes(peer) {
            Ok(peer) => Arc::new(self.to_peer(peer)),
            Err(_) => Arc::new(NoLine),
        }
    }

    fn connected(&self) -> Vec<Vec<u8>> {
        let peers = self.node.peers().into_iter();
        peers
            .filter(|peer| peer.status == PeerStatus::Connected)
            .map(|peer| peer.id.to_bytes())
            .collect()
    }

    fn know(&self, peer: &[u8], addresses: &[String]) {
        let Ok(peer) = PeerId::from_bytes(peer) else {
            return;
        };
        if peer == self.node.id() {
            return;
        }
        for address in addresses
            .iter()
            .filter_map(|text| text.parse::<Multiaddr>().ok())
        {
            // What is no address of this peer is left out: it was only a hint.
            let _ = self.node.add_address(peer, address);
        }
    }
}

impl Carrier for Link {
    fn bring(&self, cid: &Cid, providers: &[Vec<u8>]) -> std::result::Result<Vec<u8>, String> {
        let peers = providers
            .iter()
            .filter_map(|peer| PeerId::from_bytes(peer).ok());
        let peers: Vec<PeerId> = peers.filter(|peer| *peer != self.node.id()).collect();
        let brought = async { time::timeout(BRING, self.node.block(cid, &peers)).await };
        match self.runtime.block_on(brought) {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("nobody gave it in time".into()),
        }
    }

    fn fetch(
        &self,
        root: &Cid,
        providers: &[Vec<u8>],
        bytes: u64,
        told: &dyn Fn(u64, u64, Option<u64>),
    ) -> std::result::Result<(), String> {
        let peers = providers
            .iter()
            .filter_map(|peer| PeerId::from_bytes(peer).ok());
        let peers: Vec<PeerId> = peers.filter(|peer| *peer != self.node.id()).collect();
        let mut options = FetchOptions::default();
        options.bytes = bytes.min(options.bytes);
        self.runtime.block_on(async {
            let mut fetch = self.node.fetch(*root, &peers, options);
            let progress = fetch.progress();
            let mut ticks = time::interval(TICK);
            loop {
                tokio::select! {
                    fetched = &mut fetch => {
                        let progress = *progress.borrow();
                        told(progress.blocks, progress.bytes, progress.expected);
                        return fetched.map(drop).map_err(|error| error.to_string());
                    }
                    _ = ticks.tick() => {
                        let progress = *progress.borrow();
                        told(progress.blocks, progress.bytes, progress.expected);
                    }
                }
            }
        })
    }
}

/// A way to one peer.
pub struct PeerLine {
    link: Link,
    peer: PeerId,
}

impl Line for PeerLine {
    fn ask(&self, request: Vec<u8>) -> std::result::Result<Vec<u8>, LineError> {
        let asked = self.link.node.ask(self.peer, request);
        self.link
            .runtime
            .block_on(asked)
            .map_err(|error| match error {
                AskError::Away(_) | AskError::TooLarge(_) | AskError::Unsupported => {
                    LineError::NotSent(error.to_string())
                }
                other => LineError::Lost(other.to_string()),
            })
    }
}

/// Bytes that are no peer id lead nowhere.
struct NoLine;

impl Line for NoLine {
    fn ask(&self, _: Vec<u8>) -> std::result::Result<Vec<u8>, LineError> {
        Err(LineError::NotSent("that is no peer id".into()))
    }
}

/// Requests at once to and from one node.
const ASKS: usize = 16;
/// Answers worked on at once.
const ANSWERS: usize = 64;
/// How often the progress of a fetch is told.
const TICK: Duration = Duration::from_millis(200);
/// Longest wait for one block that a party reads: less than she waits for her answer.
const BRING: Duration = Duration::from_secs(20);
/// Longest time for one request, the disk of the other node included.
const ASK: Duration = Duration::from_secs(20);
