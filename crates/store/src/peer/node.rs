//! The handle of a running node.

use super::{
    Exchange, MAX_ASK, Multiaddr, PeerId, PeerSettings, Policy,
    ask::AskError,
    book::{AddressError, Book, PeerFacts},
    driver::{Command, Driver},
    fault::DialFault,
};
use crate::BlockStore;
use libp2p::noise;
use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use thiserror::Error;
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

/// A running node. Dropping it stops it.
pub struct PeerNode {
    id: PeerId,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    patience: std::time::Duration,
}

/// What the handle and the network's task both look at.
pub(super) struct Shared {
    book: Mutex<Book>,
    listening: Mutex<Vec<Multiaddr>>,
    /// The book says something else than before: somebody is to be dialled.
    pub(super) changed: Notify,
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
        let _ = store; // blocks are not served yet
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let shared = Arc::new(Shared {
            book: Mutex::new(Book::new(&settings.limits)),
            listening: Mutex::default(),
            changed: Notify::new(),
        });
        let (commands, received) = mpsc::channel(COMMANDS);
        let id = settings.key.id();
        let patience = settings.limits.ask;
        let mut driver = Driver::new(&settings, shared.clone(), policy, exchange, received)?;
        driver.listen(settings.listen)?;
        runtime.spawn(driver.run());
        Ok(Self {
            id,
            shared,
            commands,
            patience,
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
        self.shared.book().facts()
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

    /// Stops the node: connections are closed and its ports are free when this returns.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            let _ = stopped.await; // an error says that it has stopped already
        }
    }
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
