//! The handle of a running node.

use super::{
    Exchange, Fetch, FetchError, FetchOptions, MAX_ASK, Multiaddr, PeerId, PeerSettings, Policy,
    ask::AskError,
    bitswap::Hub,
    board::{Board, News},
    book::{AddressError, Book, PeerFacts},
    driver::{Command, Driver, Ends},
    fault::DialFault,
    fetch::Job,
    message::WantKind,
    name::Name,
    plan::{Ending, Pace},
    pull::Pull,
    serve::Server,
};
use crate::BlockStore;
use base::cid::Cid;
use libp2p::noise;
use std::{
    collections::HashSet,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

/// A running node. Dropping it stops it.
pub struct PeerNode {
    id: PeerId,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    hub: Arc<Hub>,
    store: Arc<dyn BlockStore>,
    runtime: Handle,
    fetches: Arc<Semaphore>,
    patience: Duration,
}

/// What the handle and the network's task both look at.
pub(super) struct Shared {
    book: Mutex<Book>,
    listening: Mutex<Vec<Multiaddr>>,
    /// The book says something else than before: somebody is to be dialled.
    pub(super) changed: Notify,
    /// Whether the network's task has ended.
    pub(super) stopped: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listening(&self) -> MutexGuard<'_, Vec<Multiaddr>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a node did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Called outside a Tokio runtime.
    #[error("a node needs a running Tokio runtime")]
    NoRuntime,
    /// The address is not one to listen on, or is taken.
    #[error("the node cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the machine said.
        source: io::Error,
    },
    /// The key cannot be used to secure connections.
    #[error("the node's key cannot be used: {0}")]
    Key(#[from] noise::Error),
}

impl PeerNode {
    /// Starts a node on the Tokio runtime that runs this code. It serves the blocks of
    /// `store` to whom `policy` lets have them.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(
        settings: PeerSettings,
        store: Arc<dyn BlockStore>,
        policy: Arc<dyn Policy>,
        exchange: Arc<dyn Exchange>,
    ) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let shared = Arc::new(Shared {
            book: Mutex::new(Book::new(&settings.limits)),
            listening: Mutex::default(),
            changed: Notify::new(),
            stopped: watch::Sender::new(false),
        });
        let (commands, received) = mpsc::channel(COMMANDS);
        let (ban, banned) = mpsc::unbounded_channel();
        let limits = &settings.limits;
        let board = Arc::new(Board::new(limits, ban));
        let server = Server::new(store.clone(), policy.clone(), limits);
        let hub = Arc::new(Hub::new(board, Arc::new(server), limits.clone()));
        let ends = Ends {
            commands: received,
            banned,
        };
        let mut driver = Driver::new(
            &settings,
            shared.clone(),
            policy,
            exchange,
            hub.clone(),
            ends,
        )?;
        driver.listen(&settings.listen)?;
        runtime.spawn(driver.run());
        Ok(Self {
            id: settings.key.id(),
            shared,
            commands,
            hub,
            store,
            runtime,
            fetches: Arc::new(Semaphore::new(settings.limits.fetches)),
            patience: settings.limits.ask,
        })
    }

    /// The node's own id.
    pub const fn id(&self) -> PeerId {
        self.id
    }

    /// Where it listens: the ports that it really has.
    pub fn listening(&self) -> Vec<Multiaddr> {
        self.shared.listening().clone()
    }

    /// Tells where a peer is. The node connects to it, and again whenever the connection is
    /// lost, with growing waits, until [`forget`](Self::forget).
    ///
    /// # Errors
    /// [`AddressError`]
    pub fn add_address(&self, peer: PeerId, address: Multiaddr) -> Result<(), AddressError> {
        self.shared.book().add(peer, address, Instant::now())?;
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Forgets where a peer is: it is dialled no more. A connection that stands stays.
    pub fn forget(&self, peer: &PeerId) {
        self.shared.book().forget(peer);
    }

    /// Every peer that is connected or whose address is known, in the order of their ids.
    pub fn peers(&self) -> Vec<PeerFacts> {
        let mut peers = self.shared.book().facts();
        for peer in &mut peers {
            peer.traffic = self.hub.traffic(&peer.id);
            peer.wrong = self.hub.board.wrong_of(&peer.id);
        }
        peers
    }

    /// Asks a peer, which is connected for it if it is not. At most
    /// [`Limits::asks_per_peer`](super::Limits::asks_per_peer) are under way to one peer,
    /// others wait.
    ///
    /// # Errors
    /// [`AskError`]; each says whether the peer can have acted on the request.
    pub async fn ask(&self, peer: PeerId, request: Vec<u8>) -> Result<Vec<u8>, AskError> {
        if request.len() > MAX_ASK {
            return Err(AskError::TooLarge(request.len()));
        }
        let turns = self.shared.book().asks(peer, Instant::now());
        let turns = turns.ok_or(AskError::Away(DialFault::NoAddress))?;
        let asked = async {
            let _turn = turns.acquire().await.map_err(|_| AskError::Stopped)?;
            let (reply, answer) = oneshot::channel();
            let ask = Command::Ask {
                peer,
                request,
                reply,
            };
            let sent = self.commands.send(ask).await;
            sent.map_err(|_| AskError::Stopped)?;
            answer.await.map_err(|_| AskError::Stopped)?
        };
        timeout(self.patience, asked)
            .await
            .unwrap_or(Err(AskError::TimedOut))
    }

    /// Fetches a tree from providers into the store; it is durable when the fetch ends well.
    /// Nothing is pinned. What is here already is not fetched again. Providers that are not
    /// connected are dialled.
    pub fn fetch(&self, root: Cid, providers: &[PeerId], options: FetchOptions) -> Fetch {
        let (progress, watched) = watch::channel(super::Progress::default());
        let (store, fetches) = (self.store.clone(), self.fetches.clone());
        let (shared, hub) = (self.shared.clone(), self.hub.clone());
        let providers = providers.to_vec();
        let work = async move {
            let _turn = fetches.acquire().await.map_err(|_| FetchError::Stopped)?;
            let pull = pull(&shared, &hub, &providers, options.pace());
            let job = Job {
                store,
                pull,
                options,
                progress,
                root,
            };
            tokio::select! {
                done = job.run() => done,
                () = stopped(&shared) => Err(FetchError::Stopped),
            }
        };
        Fetch::new(self.runtime.spawn(work), watched)
    }

    /// One block from providers, for the repair of a damaged one. It is not stored.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn block(&self, cid: &Cid, providers: &[PeerId]) -> Result<Vec<u8>, FetchError> {
        let name = Name::of(cid).ok_or(FetchError::Unsupported(*cid))?;
        let options = FetchOptions::default();
        let mut pull = pull(&self.shared, &self.hub, providers, options.pace());
        pull.plan.want(name, Instant::now());
        tokio::select! {
            came = pull.next(Ending::Yes) => match came {
                Ok(came) => Ok(came.data.into()),
                Err(fault) => Err(FetchError::of(fault, cid)),
            },
            () = stopped(&self.shared) => Err(FetchError::Stopped),
        }
    }

    /// Which of these peers say within `patience` that they have the block. Who may not have
    /// it from them learns nothing.
    pub async fn holders(&self, cid: &Cid, peers: &[PeerId], patience: Duration) -> Vec<PeerId> {
        let Some(name) = Name::of(cid) else {
            return Vec::new();
        };
        let room = Arc::new(Semaphore::new(crate::MAX_BLOCK));
        let mut seat = self.hub.board.sit(peers, room);
        hurry(&self.shared, &self.hub, peers);
        let mut holders = Vec::new();
        let mut silent: HashSet<PeerId> = peers.iter().copied().collect();
        let asked = async {
            while !silent.is_empty()
                && let Some(news) = seat.news.recv().await
            {
                match news {
                    News::Up(peer) => seat.ask(&peer, name, WantKind::Have),
                    News::Held(peer) | News::NoRoom(_, peer) => {
                        holders.extend(silent.take(&peer));
                    }
                    // A small block is its own answer; then the others are asked anew.
                    News::Block { from, .. } => {
                        holders.extend(silent.take(&from));
                        for peer in &silent {
                            seat.ask(peer, name, WantKind::Have);
                        }
                    }
                    News::Absent(_, peer) | News::Away(peer) => {
                        silent.remove(&peer);
                    }
                    News::Down(_) | News::Wrong(_) => {}
                }
            }
        };
        let _ = timeout(patience, asked).await; // who is silent has it not, for us
        holders.sort_unstable();
        holders
    }

    /// Stops the node: connections are closed and its ports are free when this returns.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            let _ = stopped.await; // an error says that it has stopped already
        }
    }
}

/// Blocks from these providers, who are dialled if they are not connected.
fn pull(shared: &Shared, hub: &Hub, providers: &[PeerId], pace: Pace) -> Pull {
    let pull = Pull::new(&hub.board, providers, pace);
    hurry(shared, hub, providers);
    pull
}

/// Dials peers that are needed now. Who has no address is away.
fn hurry(shared: &Shared, hub: &Hub, peers: &[PeerId]) {
    for peer in peers {
        let known = shared.book().hurry(peer, Instant::now());
        if known.is_err() {
            hub.board.away(peer);
        }
    }
    shared.changed.notify_one();
}

async fn stopped(shared: &Shared) {
    let mut stopped = shared.stopped.subscribe();
    let _ = stopped.wait_for(|stopped| *stopped).await; // an error says it has ended, too
}

/// Commands that wait for the network's task.
const COMMANDS: usize = 64;

impl fmt::Debug for PeerNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerNode")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
