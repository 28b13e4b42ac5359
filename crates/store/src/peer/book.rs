//! The peers this node knows: their addresses, whether they are connected, and when to dial
//! them again. It holds no socket and no clock.

use super::{Limits, Traffic, fault::DialFault};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::sync::Semaphore;

/// What a node knows of a peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerFacts {
    /// Its id.
    pub id: PeerId,
    /// Whether it is connected.
    pub status: PeerStatus,
    /// Where it is dialled.
    pub addresses: Vec<Multiaddr>,
    /// The last round trip measured.
    pub round_trip: Option<Duration>,
    /// Blocks that went to it and came from it.
    pub traffic: Traffic,
    /// Blocks that it sent unasked, and messages that were none.
    pub wrong: u32,
}

/// Whether a peer is connected.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PeerStatus {
    /// It is.
    Connected,
    /// It is being dialled.
    Dialing,
    /// It is not, and why; it is dialled again later.
    Away(DialFault),
}

/// Why an address was not taken.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not of the form that is dialled here.
    #[error("{0} is not /ip4, /ip6 or /dns, then /tcp with a port, then nothing or /p2p")]
    Form(Multiaddr),
    /// It ends in another peer's id.
    #[error("{0} is the address of another peer")]
    OtherPeer(Multiaddr),
    /// The peer has as many as are kept.
    #[error("a peer has at most {MAX_ADDRESSES} addresses")]
    TooMany,
}

/// Addresses kept of one peer.
pub(super) const MAX_ADDRESSES: usize = 16;

pub(super) struct Book {
    entries: HashMap<PeerId, Entry>,
    redial: Duration,
    redial_at_most: Duration,
    asks_per_peer: usize,
}

struct Entry {
    addresses: Vec<Multiaddr>,
    connections: HashMap<ConnectionId, Connection>,
    dialing: bool,
    /// Dials in a row that came to nothing.
    failures: u32,
    tried: Option<Instant>,
    not_before: Instant,
    fault: DialFault,
    round_trip: Option<Duration>,
    /// Turns for requests to it, and for requests of it.
    asks: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

struct Connection {
    since: Instant,
    /// Whether the peer has said anything that a peer who admits us says.
    greeted: bool,
}

impl Book {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            entries: HashMap::new(),
            redial: limits.redial,
            redial_at_most: limits.redial_at_most,
            asks_per_peer: limits.asks_per_peer,
        }
    }

    fn entry(&mut self, peer: PeerId, now: Instant) -> &mut Entry {
        let asks = self.asks_per_peer;
        self.entries.entry(peer).or_insert_with(|| Entry {
            addresses: Vec::new(),
            connections: HashMap::new(),
            dialing: false,
            failures: 0,
            tried: None,
            not_before: now,
            fault: DialFault::NoAddress,
            round_trip: None,
            asks: Arc::new(Semaphore::new(asks)),
            answers: Arc::new(Semaphore::new(asks)),
        })
    }

    /// Adds an address; the peer is dialled from now on whenever it is not connected.
    pub(super) fn add(
        &mut self,
        peer: PeerId,
        address: Multiaddr,
        now: Instant,
    ) -> Result<(), AddressError> {
        let address = dialable(peer, address)?;
        let entry = self.entry(peer, now);
        if entry.addresses.contains(&address) {
            return Ok(());
        }
        if entry.addresses.len() == MAX_ADDRESSES {
            return Err(AddressError::TooMany);
        }
        entry.addresses.push(address);
        entry.not_before = now;
        Ok(())
    }

    /// Forgets a peer's addresses: it is dialled no more.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        if let Some(entry) = self.entries.get_mut(peer) {
            entry.addresses.clear();
            entry.fault = DialFault::NoAddress;
        }
        self.tidy(peer);
    }

    /// The peers to dial now; they count as being dialled.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, entry) in &mut self.entries {
            if entry.wants_dial() && entry.not_before <= now {
                entry.dialing = true;
                entry.tried = Some(now);
                due.push((*peer, entry.addresses.clone()));
            }
        }
        due
    }

    /// When [`due`](Self::due) has something to give.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self.entries.values().filter(|entry| entry.wants_dial());
        waiting.map(|entry| entry.not_before).min()
    }

    /// Somebody needs this peer: it is dialled without waiting for its turn, but not more
    /// often than at the first failure.
    pub(super) fn hurry(&mut self, peer: &PeerId, now: Instant) -> Result<(), DialFault> {
        let redial = self.redial;
        let entry = self.entries.get_mut(peer).ok_or(DialFault::NoAddress)?;
        if entry.connections.is_empty() && !entry.dialing {
            if entry.addresses.is_empty() {
                return Err(DialFault::NoAddress);
            }
            let soon = entry.tried.map_or(now, |tried| tried + redial);
            entry.not_before = entry.not_before.min(soon);
        }
        Ok(())
    }

    pub(super) fn connected(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) {
        let entry = self.entry(peer, now);
        entry.dialing = false;
        let greeted = false;
        let connection_now = Connection {
            since: now,
            greeted,
        };
        entry.connections.insert(connection, connection_now);
    }

    /// The peer speaks with us on this connection.
    pub(super) fn greeted(&mut self, peer: &PeerId, connection: ConnectionId) {
        if let Some(entry) = self.entries.get_mut(peer)
            && let Some(connection) = entry.connections.get_mut(&connection)
        {
            connection.greeted = true;
            entry.failures = 0;
        }
    }

    pub(super) fn measured(&mut self, peer: &PeerId, round_trip: Duration) {
        if let Some(entry) = self.entries.get_mut(peer) {
            entry.round_trip = Some(round_trip);
        }
    }

    /// A connection ended.
    pub(super) fn closed(&mut self, peer: &PeerId, connection: ConnectionId, now: Instant) {
        let Some(entry) = self.entries.get_mut(peer) else {
            return;
        };
        let ended = entry.connections.remove(&connection);
        if entry.connections.is_empty() {
            let cut = ended.is_some_and(|ended| {
                !ended.greeted && now.saturating_duration_since(ended.since) < AT_ONCE
            });
            let fault = if cut { DialFault::Cut } else { DialFault::Lost };
            self.wait(peer, fault, now);
        }
        self.tidy(peer);
    }

    /// A dial came to nothing.
    pub(super) fn failed(&mut self, peer: &PeerId, fault: DialFault, now: Instant) {
        if let Some(entry) = self.entries.get_mut(peer) {
            entry.dialing = false;
            self.wait(peer, fault, now);
        }
    }

    fn wait(&mut self, peer: &PeerId, fault: DialFault, now: Instant) {
        let (least, most) = (self.redial, self.redial_at_most);
        if let Some(entry) = self.entries.get_mut(peer) {
            let wait = least.saturating_mul(1 << entry.failures.min(16)).min(most);
            // Two nodes that lost each other must not dial at the same moments for ever.
            let share = u32::from(peer.to_bytes().last().copied().unwrap_or(0));
            entry.not_before = now + wait + wait * share / 1024;
            entry.failures = entry.failures.saturating_add(1);
            entry.fault = fault;
        }
    }

    fn tidy(&mut self, peer: &PeerId) {
        if let Some(entry) = self.entries.get(peer)
            && entry.addresses.is_empty()
            && entry.connections.is_empty()
        {
            self.entries.remove(peer);
        }
    }

    /// What bounds the requests to one peer.
    pub(super) fn asks(&mut self, peer: PeerId, now: Instant) -> Option<Arc<Semaphore>> {
        self.entries.get(&peer)?;
        Some(self.entry(peer, now).asks.clone())
    }

    /// What bounds the requests of one peer that are worked on.
    pub(super) fn answers(&mut self, peer: PeerId, now: Instant) -> Arc<Semaphore> {
        self.entry(peer, now).answers.clone()
    }

    /// What is known of each peer; its traffic is known elsewhere.
    pub(super) fn facts(&self) -> Vec<PeerFacts> {
        let mut facts: Vec<_> = self
            .entries
            .iter()
            .map(|(id, entry)| PeerFacts {
                id: *id,
                status: entry.status(),
                addresses: entry.addresses.clone(),
                round_trip: entry.round_trip,
                traffic: Traffic::default(),
                wrong: 0,
            })
            .collect();
        facts.sort_by_key(|facts| facts.id);
        facts
    }
}

impl Entry {
    fn wants_dial(&self) -> bool {
        !self.dialing && self.connections.is_empty() && !self.addresses.is_empty()
    }

    fn status(&self) -> PeerStatus {
        if !self.connections.is_empty() {
            PeerStatus::Connected
        } else if self.dialing {
            PeerStatus::Dialing
        } else {
            PeerStatus::Away(self.fault.clone())
        }
    }
}

/// A connection that ends sooner, before a word was said, was cut.
const AT_ONCE: Duration = Duration::from_secs(3);

/// The address without its `/p2p` end, if it is one that is dialled here.
fn dialable(peer: PeerId, address: Multiaddr) -> Result<Multiaddr, AddressError> {
    let mut parts = address.iter();
    let host = matches!(
        parts.next(),
        Some(
            Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_)
        )
    );
    let port = matches!(parts.next(), Some(Protocol::Tcp(1..)));
    match (host && port, parts.next(), parts.next()) {
        (true, None, _) => Ok(address),
        (true, Some(Protocol::P2p(named)), None) if named == peer => {
            Ok(address.iter().take(2).collect())
        }
        (true, Some(Protocol::P2p(_)), None) => Err(AddressError::OtherPeer(address)),
        _ => Err(AddressError::Form(address)),
    }
}
