//! The network's task: it owns every connection, dials who is to be dialled, and passes
//! requests and answers on. Blocks do not pass through it.

use super::{
    Exchange, Limits, Multiaddr, PeerId, PeerSettings, Policy, StartError,
    ask::{self, AskError},
    bitswap::{Bitswap, Hub},
    fault::DialFault,
    gate::Gate,
    node::Shared,
    resolve::resolve,
    transport,
};
use libp2p::{
    Swarm,
    connection_limits::{self, ConnectionLimits},
    futures::{FutureExt as _, StreamExt as _},
    identify, ping,
    request_response::{Message, OutboundRequestId, ResponseChannel},
    swarm::{self, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};
use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::{self, JoinSet},
    time::sleep_until,
};

/// What the handle asks for.
pub(super) enum Command {
    Ask {
        peer: PeerId,
        request: Vec<u8>,
        reply: Reply,
    },
    Stop(oneshot::Sender<()>),
}

/// A request that was answered, and where the answer goes.
type Answered = (ResponseChannel<Vec<u8>>, Option<Vec<u8>>);

type Reply = oneshot::Sender<Result<Vec<u8>, AskError>>;

#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    gate: Gate,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    ask: ask::Behaviour,
    bitswap: Bitswap,
}

/// What the driver hears besides the network.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) banned: mpsc::UnboundedReceiver<PeerId>,
}

pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    exchange: Arc<dyn Exchange>,
    limits: Limits,
    /// Requests to peers that are not connected yet.
    waiting: HashMap<PeerId, Vec<(Vec<u8>, Reply)>>,
    /// Requests that are under way.
    asked: HashMap<OutboundRequestId, Reply>,
    /// Requests of others that are being answered.
    answering: JoinSet<Answered>,
    answer_turns: Arc<Semaphore>,
    /// Peers whose host names are being looked up.
    resolving: JoinSet<(PeerId, Vec<Multiaddr>)>,
    /// Pings in a row that a connection did not answer.
    silent: HashMap<swarm::ConnectionId, u32>,
    hub: Arc<Hub>,
    /// Peers that have been banned just now.
    banned: mpsc::UnboundedReceiver<PeerId>,
    next_check: Instant,
}

impl Driver {
    pub(super) fn new(
        settings: &PeerSettings,
        shared: Arc<Shared>,
        policy: Arc<dyn Policy>,
        exchange: Arc<dyn Exchange>,
        hub: Arc<Hub>,
        ends: Ends,
    ) -> Result<Self, StartError> {
        let limits = settings.limits.clone();
        let transport = transport::build(&settings.key, settings.swarm_key.as_ref(), &limits)?;
        let bounds = ConnectionLimits::default()
            .with_max_pending_incoming(Some(limits.handshakes))
            .with_max_pending_outgoing(Some(limits.handshakes))
            .with_max_established(Some(limits.connections))
            .with_max_established_per_peer(Some(limits.connections_per_peer));
        // It tells the protocols, and of the program no more than its name.
        let public = settings.key.as_secret().public();
        let identity = identify::Config::new("medshare/1".to_owned(), public)
            .with_agent_version("medshare".to_owned())
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        let behaviour = Behaviour {
            limits: connection_limits::Behaviour::new(bounds),
            gate: Gate::new(policy, hub.board.clone()),
            identify: identify::Behaviour::new(identity),
            ping: ping::Behaviour::new(ping::Config::new()),
            ask: ask::behaviour(&limits),
            bitswap: Bitswap(hub.clone()),
        };
        let config = swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(KEEP)
            .with_max_negotiating_inbound_streams(NEGOTIATING);
        Ok(Self {
            swarm: Swarm::new(transport, behaviour, settings.key.id(), config),
            shared,
            commands: ends.commands,
            banned: ends.banned,
            hub,
            exchange,
            waiting: HashMap::new(),
            asked: HashMap::new(),
            answering: JoinSet::new(),
            answer_turns: Arc::new(Semaphore::new(limits.answers)),
            resolving: JoinSet::new(),
            silent: HashMap::new(),
            next_check: Instant::now() + limits.recheck,
            limits,
        })
    }

    /// Listens, and learns the ports where the machine tells them at once.
    pub(super) fn listen(&mut self, addresses: &[Multiaddr]) -> Result<(), StartError> {
        for address in addresses {
            let listening = transport::refuse_taken(address).and_then(|()| {
                self.swarm
                    .listen_on(address.clone())
                    .map_err(io::Error::other)
            });
            listening.map_err(|source| StartError::Listen {
                address: address.clone(),
                source,
            })?;
        }
        while let Some(Some(event)) = self.swarm.next().now_or_never() {
            self.on_event(event);
        }
        Ok(())
    }

    pub(super) async fn run(mut self) {
        let done = loop {
            let next = self.shared.book().next_due();
            let wake = next.map_or(self.next_check, |due| due.min(self.next_check));
            let shared = self.shared.clone();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                command = self.commands.recv() => match command {
                    Some(Command::Ask { peer, request, reply }) => self.ask(peer, request, reply),
                    Some(Command::Stop(done)) => break Some(done),
                    None => break None, // the handle is gone
                },
                Some(answered) = self.answering.join_next() => {
                    if let Ok((channel, Some(answer))) = answered {
                        // An error says that the one who asked has gone.
                        let _ = self.swarm.behaviour_mut().ask.send_response(channel, answer);
                    }
                }
                Some(resolved) = self.resolving.join_next() => {
                    if let Ok((peer, addresses)) = resolved {
                        self.dial(peer, addresses);
                    }
                }
                Some(peer) = self.banned.recv() => {
                    let _ = self.swarm.disconnect_peer_id(peer); // it may have gone by itself
                }
                () = shared.changed.notified() => {}
                () = sleep_until(wake.into()) => self.on_time(Instant::now()),
            }
        };
        self.shared.stopped.send_replace(true);
        drop(self);
        if let Some(done) = done {
            let _ = done.send(()); // nobody may wait
        }
    }

    fn on_time(&mut self, now: Instant) {
        for (peer, addresses) in self.shared.book().due(now) {
            self.resolving
                .spawn(async move { (peer, resolve(addresses).await) });
        }
        if self.next_check <= now {
            self.next_check = now + self.limits.recheck;
            let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
            for peer in peers {
                if !self.swarm.behaviour().gate.admits(&peer) {
                    let _ = self.swarm.disconnect_peer_id(peer); // it may have gone by itself
                }
            }
        }
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        if addresses.is_empty() {
            let fault = DialFault::Unreachable("its host name has no address".to_owned());
            return self.dial_failed(&peer, fault);
        }
        let options = DialOpts::peer_id(peer)
            .addresses(addresses)
            .allocate_new_port() // a port that is dialled from twice may still be in use
            .build();
        if let Err(error) = self.swarm.dial(options) {
            self.dial_failed(&peer, DialFault::from(&error));
        }
    }

    fn dial_failed(&mut self, peer: &PeerId, fault: DialFault) {
        self.shared
            .book()
            .failed(peer, fault.clone(), Instant::now());
        if self.swarm.is_connected(peer) {
            return; // it was quicker
        }
        self.hub.board.away(peer);
        for (_, reply) in self.waiting.remove(peer).unwrap_or_default() {
            let _ = reply.send(Err(AskError::Away(fault.clone()))); // it may have given up
        }
    }

    fn ask(&mut self, peer: PeerId, request: Vec<u8>, reply: Reply) {
        if self.swarm.is_connected(&peer) {
            let id = self.swarm.behaviour_mut().ask.send_request(&peer, request);
            self.asked.insert(id, reply);
            return;
        }
        let hurried = self.shared.book().hurry(&peer, Instant::now());
        match hurried {
            Ok(()) => self.waiting.entry(peer).or_default().push((request, reply)),
            Err(fault) => {
                let _ = reply.send(Err(AskError::Away(fault))); // it may have given up
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::NewListenAddr { address, .. } => self.shared.listening().push(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.shared.listening().retain(|held| *held != address);
            }
            SwarmEvent::ListenerClosed { addresses, .. } => {
                let mut listening = self.shared.listening();
                listening.retain(|held| !addresses.contains(held));
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } => {
                self.shared.book().connected(peer_id, connection_id, now);
                for (request, reply) in self.waiting.remove(&peer_id).unwrap_or_default() {
                    self.ask(peer_id, request, reply);
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                self.silent.remove(&connection_id);
                self.shared.book().closed(&peer_id, connection_id, now);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => self.dial_failed(&peer, DialFault::from(&error)),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Ask(event) => self.on_ask(event),
            BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                connection_id,
                ..
            }) => self.shared.book().greeted(&peer_id, connection_id),
            BehaviourEvent::Ping(ping) => self.on_ping(&ping),
            BehaviourEvent::Identify(_) => {}
        }
    }

    fn on_ask(&mut self, event: ask::Event) {
        match event {
            ask::Event::Message { peer, message, .. } => match message {
                Message::Request {
                    request, channel, ..
                } => self.answer(peer, request, channel),
                Message::Response {
                    request_id,
                    response,
                } => self.answered(request_id, Ok(response)),
            },
            ask::Event::OutboundFailure {
                request_id, error, ..
            } => self.answered(request_id, Err(error.into())),
            ask::Event::InboundFailure { .. } | ask::Event::ResponseSent { .. } => {}
        }
    }

    fn answered(&mut self, id: OutboundRequestId, answer: Result<Vec<u8>, AskError>) {
        if let Some(reply) = self.asked.remove(&id) {
            let _ = reply.send(answer); // it may have given up
        }
    }

    /// Has a request answered on a thread that may block. A panic there answers nothing. One
    /// peer cannot take all threads.
    fn answer(&mut self, peer: PeerId, request: Vec<u8>, channel: ResponseChannel<Vec<u8>>) {
        let (exchange, turns) = (self.exchange.clone(), self.answer_turns.clone());
        let of_peer = self.shared.book().answers(peer, Instant::now());
        self.answering.spawn(async move {
            let turn = (of_peer.acquire().await, turns.acquire().await);
            let answer = task::spawn_blocking(move || exchange.answer(&peer, request)).await;
            drop(turn);
            let fits = |answer: &Vec<u8>| answer.len() <= ask::MAX_ASK;
            (channel, answer.ok().flatten().filter(fits))
        });
    }

    /// A peer that answers no ping is gone, whatever TCP thinks.
    fn on_ping(&mut self, ping: &ping::Event) {
        match &ping.result {
            Ok(round_trip) => {
                self.silent.remove(&ping.connection);
                let mut book = self.shared.book();
                book.measured(&ping.peer, *round_trip);
                book.greeted(&ping.peer, ping.connection);
            }
            Err(ping::Failure::Unsupported) => {}
            Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                let silent = self.silent.entry(ping.connection).or_default();
                *silent += 1;
                if *silent == SILENT {
                    self.swarm.close_connection(ping.connection);
                }
            }
        }
    }
}

/// Connections are not closed for want of work.
const KEEP: Duration = Duration::from_secs(u32::MAX as u64);
/// Streams of one connection whose protocol is not agreed yet.
const NEGOTIATING: usize = 32;
/// Pings in a row that go unanswered before a connection is given up: about a minute.
const SILENT: u32 = 3;
