//! Listening: one task a connection, a clean end.

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    convert::Infallible,
    fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, UnixListener, UnixSocket},
    runtime::Runtime,
    sync::watch,
    task::JoinSet,
    time,
};

use super::{
    address::Address,
    connections::{Connections, Place},
    hosts::{self, Hosts},
    paced::Paced,
    turn,
};
use crate::{
    exit::{Exit, Fault, Result},
    files,
};

/// The threads that serve: two for connections, and at most so many that block.
///
/// # Errors
/// [`Exit::Internal`].
pub fn event_loop(blocking: usize) -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(blocking)
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Exit::Internal, format!("no event loop: {error}")))
}

/// A listener that is bound but not serving yet.
#[derive(Debug)]
pub enum Listener {
    /// On a Unix socket, which is removed when this is dropped.
    Unix(UnixListener, SocketFile),
    /// On loopback TCP.
    Tcp(TcpListener),
}

/// The file of a Unix socket.
#[derive(Debug)]
pub struct SocketFile(std::path::PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Binds `address`. A socket file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// [`Exit::Busy`] when another process listens there, [`Exit::Storage`].
    pub async fn bind(address: &Address) -> Result<Self> {
        match address {
            Address::Unix(path) => {
                clear(path).await?;
                let io = |error: io::Error| bind_fault(address, &error);
                // Made where nobody else can reach it, given its rights, then moved: at no
                // moment may somebody connect whom the rights keep out.
                let closed = tempfile::Builder::new()
                    .prefix(".")
                    .rand_bytes(6)
                    .permissions(fs::Permissions::from_mode(0o700))
                    .tempdir_in(files::folder(path))
                    .map_err(io)?;
                let draft = closed.path().join("s");
                let socket = UnixSocket::new_stream().map_err(io)?;
                socket.bind(&draft).map_err(io)?;
                let listener = socket.listen(BACKLOG).map_err(io)?;
                fs::set_permissions(&draft, fs::Permissions::from_mode(SOCKET_MODE)).map_err(io)?;
                fs::rename(&draft, path).map_err(io)?;
                Ok(Self::Unix(listener, SocketFile(path.clone())))
            }
            Address::Loopback(at) => listen(*at)
                .map(Self::Tcp)
                .map_err(|error| bind_fault(address, &error)),
        }
    }

    /// Where it listens: with port 0, the port that was given.
    ///
    /// # Errors
    /// [`Exit::Storage`].
    pub fn address(&self, asked: &Address) -> Result<Address> {
        match self {
            Self::Unix(..) => Ok(asked.clone()),
            Self::Tcp(listener) => listener
                .local_addr()
                .map(Address::Loopback)
                .map_err(|error| bind_fault(asked, &error)),
        }
    }
}

/// A service on a thread of its own.
#[derive(Debug)]
pub struct Serving {
    stopper: watch::Sender<bool>,
    thread: thread::JoinHandle<()>,
}

impl Serving {
    /// Serves the routes that `router` makes of what they need and of when they end. What they
    /// need is let go last, outside of the event loop: a node's client has one of its own.
    ///
    /// # Errors
    /// [`Exit::Internal`] when there is no thread for it.
    pub fn start<K: Send + 'static>(
        name: &str,
        runtime: Runtime,
        listener: Listener,
        most: usize,
        needs: K,
        router: impl FnOnce(&K, watch::Receiver<bool>) -> Router + Send + 'static,
    ) -> Result<Self> {
        let (stopper, stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let router = router(&needs, stopped.clone());
                runtime.block_on(serve(listener, router, most, stopped));
                drop(runtime);
                drop(needs);
            })
            .map_err(|error| Fault::new(Exit::Internal, format!("no thread: {error}")))?;
        Ok(Self { stopper, thread })
    }

    /// Says true once it ends.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stopper.subscribe()
    }

    /// Ends it: requests that run get a few seconds, and what they began is done.
    pub fn end(self) {
        let _ = self.stopper.send(true);
        let _ = self.thread.join();
    }
}

/// Serves until `stop` says true, then lets running requests end within a few seconds.
/// More than `most` connections are not open at once: who waits longest makes room.
pub async fn serve(
    listener: Listener,
    router: Router,
    most: usize,
    mut stop: watch::Receiver<bool>,
) {
    let router = match &listener {
        Listener::Unix(..) => router,
        Listener::Tcp(tcp) => match tcp.local_addr() {
            Ok(bound) => router.layer(axum::middleware::from_fn_with_state(
                Arc::new(Hosts::of(bound)),
                hosts::check,
            )),
            Err(_) => return,
        },
    };
    let connections = Connections::new(most, turn::STILL);
    let mut tasks = JoinSet::new();
    loop {
        let next = async {
            let place = connections.admit().await;
            (accept(&listener).await, place)
        };
        let (accepted, place) = tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => break,
            next = next => next,
        };
        while tasks.try_join_next().is_some() {}
        match accepted {
            Ok(stream) => {
                tasks.spawn(connection(stream, router.clone(), place, stop.clone()));
            }
            // Out of handles, for example: somebody goes, and others may in the meantime.
            Err(_) => {
                connections.make_room();
                time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn accept(listener: &Listener) -> io::Result<Box<dyn Stream>> {
    match listener {
        Listener::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        Listener::Tcp(listener) => {
            let stream = listener.accept().await?.0;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
    }
}

async fn connection(
    stream: Box<dyn Stream>,
    router: Router,
    place: Place,
    mut stop: watch::Receiver<bool>,
) {
    let place = Arc::new(place);
    let served = Served {
        router: TowerToHyperService::new(router),
        place: Arc::clone(&place),
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(Paced::new(stream, turn::PACE)), served);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = place.told_to_leave() => return,
        _ = stop.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The routes, as one connection is served by them.
struct Served {
    router: TowerToHyperService<Router>,
    place: Arc<Place>,
}

impl hyper::service::Service<Request<Incoming>> for Served {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future =
        <TowerToHyperService<Router> as hyper::service::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Arc::clone(&self.place));
        self.router.call(request)
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = match at {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?; // a node that starts anew does not wait for old packets
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

async fn clear(path: &Path) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let busy = || {
        Fault::new(
            Exit::Busy,
            format!(
                "{} is in use; end the node there or listen elsewhere",
                path.display()
            ),
        )
    };
    if !meta.file_type().is_socket() || tokio::net::UnixStream::connect(path).await.is_ok() {
        return Err(busy());
    }
    fs::remove_file(path).map_err(|error| Fault::io(path.display(), &error))
}

fn bind_fault(address: &Address, error: &io::Error) -> Fault {
    let exit = match error.kind() {
        io::ErrorKind::AddrInUse => Exit::Busy,
        _ => Exit::Storage,
    };
    Fault::new(exit, format!("cannot listen at {address}: {error}"))
}

/// A socket's rights: its owner and group; the node's home lets in the owner alone.
const SOCKET_MODE: u32 = 0o660;
/// Connections that wait to be let in; the kernel makes those beyond try again.
const BACKLOG: u32 = 4096;
/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for a request's header on an open connection.
const IDLE: Duration = Duration::from_secs(60);
/// Time for running requests when the node ends.
const GRACE: Duration = Duration::from_secs(5);
