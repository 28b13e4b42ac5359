//! Bitswap on every connection: a handler for its streams, one task that listens to the peer,
//! one that serves it.

use super::{
    Limits,
    board::{Board, Taken},
    handler::{Handler, Heard},
    message::Message,
    name::Name,
    outbox::Outbox,
    serve::{Queue, Server},
    traffic::{Share, Traffic},
};
use bytes::Bytes;
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};
use tokio::sync::mpsc;

/// What all connections have in common.
pub(super) struct Hub {
    pub(super) board: Arc<Board>,
    server: Arc<Server>,
    shares: Mutex<HashMap<PeerId, Arc<Share>>>,
    limits: Limits,
}

impl Hub {
    pub(super) fn new(board: Arc<Board>, server: Arc<Server>, limits: Limits) -> Self {
        Self {
            board,
            server,
            shares: Mutex::default(),
            limits,
        }
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<PeerId, Arc<Share>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went to and from a peer.
    pub(super) fn traffic(&self, peer: &PeerId) -> Traffic {
        let shares = self.shares();
        shares
            .get(peer)
            .map(|share| share.traffic())
            .unwrap_or_default()
    }

    /// The handler of a new connection, and its tasks. They end with the handler.
    fn connect(&self, peer: PeerId, connection: ConnectionId) -> Handler {
        let share = self
            .shares()
            .entry(peer)
            .or_insert_with(|| Arc::new(Share::new(&self.limits)))
            .clone();
        let (lane, wants) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::channel(AHEAD);
        let (heard, hearing) = mpsc::channel(AHEAD);
        let queue = Arc::new(Queue::new(&self.limits));
        self.board.up(peer, connection, lane);
        let serving = self.server.clone();
        tokio::spawn(serving.serve(peer, queue.clone(), share.clone(), answer));
        let ear = Ear {
            peer,
            connection,
            board: self.board.clone(),
            queue,
            share: share.clone(),
        };
        tokio::spawn(ear.hear(hearing));
        Handler::new(Outbox { wants, answers }, heard, share)
    }
}

/// Messages that wait between a stream and its task, each way: what one thread has ready when
/// another gets its turn. With one in work on either side, 4 MiB to a peer that is served.
const AHEAD: usize = 2;

/// Listens to one connection.
struct Ear {
    peer: PeerId,
    connection: ConnectionId,
    board: Arc<Board>,
    queue: Arc<Queue>,
    share: Arc<Share>,
}

impl Ear {
    /// Takes in what comes, until the connection closes. It never waits for anybody: what
    /// there is no room for is dropped and asked for again.
    async fn hear(self, mut hearing: mpsc::Receiver<Heard>) {
        while let Some(heard) = hearing.recv().await {
            let now = Instant::now();
            match heard {
                Heard::Nonsense => self.board.wrong(&self.peer, now),
                Heard::Deaf => self.board.down(&self.peer, self.connection),
                Heard::Frame(frame, unread) => {
                    match Message::decode(&Bytes::from(frame)) {
                        Ok(message) => self.take(message, now),
                        Err(_) => self.board.wrong(&self.peer, now),
                    }
                    drop(unread); // what is kept of it has room elsewhere
                }
            }
        }
    }

    fn take(&self, message: Message, now: Instant) {
        if message.full || !message.wants.is_empty() {
            self.queue.put(&message, now);
        }
        for presence in &message.presences {
            if let Some(name) = Name::of(&presence.cid) {
                self.board.presence(&self.peer, name, presence.held);
            }
        }
        let alone = message.blocks.len() == 1;
        for block in message.blocks {
            let name = Name::of_block(block.codec, &block.data);
            // A small block must not keep the whole message in memory.
            let data = if alone {
                block.data
            } else {
                Bytes::copy_from_slice(&block.data)
            };
            match self.board.block(&self.peer, name, &data) {
                Taken::Wanted => self.share.received(data.len() as u64),
                Taken::Late => {}
                Taken::Wrong => self.board.wrong(&self.peer, now),
            }
        }
    }
}

/// The part of Bitswap that the swarm sees. It must be the last behaviour that is asked about
/// a connection: none may refuse it afterwards.
pub(super) struct Bitswap(pub(super) Arc<Hub>);

impl NetworkBehaviour for Bitswap {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.0.connect(peer, connection))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.0.connect(peer, connection))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id,
            connection_id,
            ..
        }) = event
        {
            self.0.board.down(&peer_id, connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
