//! Kubo's RPC: HTTP/1.1 with one call at a time on a connection, every wait and every answer bounded.
//!
//! Source: "Kubo RPC API v0" of Kubo 0.39 and its code (`core/commands`, `go-ipfs-cmds/http`). An error that Kubo
//! meets late comes in the trailer `X-Stream-Error` of an answer that began with 200: an answer counts only when
//! its end was read.

use super::{Endpoint, RpcError, error::printable};
use http_body_util::{Channel, Either, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::{
    fmt::{self, Write as _},
    io::{self, Read},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpStream, UnixStream},
    runtime::{self, Runtime},
    time,
};

type Body = Either<Full<Bytes>, Channel<Bytes, io::Error>>;
type Connection = http1::SendRequest<Body>;
pub(super) type Result<T> = std::result::Result<T, RpcError>;

/// One command with its arguments.
pub(super) struct Call(String);

impl Call {
    pub(super) fn new(command: &str) -> Self {
        Self(format!("/api/v0/{command}"))
    }

    /// Adds an argument: a CID, a number or a word, none of which needs escaping.
    pub(super) fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        let mark = if self.0.contains('?') { '&' } else { '?' };
        let _ = write!(self.0, "{mark}{name}={value}"); // into a string: cannot fail
        self
    }
}

/// The connections to one Kubo.
pub(super) struct Rpc {
    endpoint: Endpoint,
    /// Longest wait: for a short answer, for each piece of a long one, for each piece of a file to be taken.
    patience: Duration,
    idle: Mutex<Vec<Connection>>,
    /// Drives the connections; `None` only while dropped.
    runtime: Option<Runtime>,
}

impl Rpc {
    pub(super) fn new(endpoint: Endpoint, patience: Duration) -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("kubo")
            .enable_all()
            .build()?;
        Ok(Self {
            endpoint,
            patience,
            idle: Mutex::new(Vec::new()),
            runtime: Some(runtime),
        })
    }

    /// A short JSON answer.
    pub(super) fn object<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        let bytes = self.bytes(call, MAX_OBJECT)?;
        serde_json::from_slice(&bytes).map_err(|error| self.foreign(&error))
    }

    /// A short answer of at most `limit` bytes.
    pub(super) fn bytes(&self, call: &Call, limit: usize) -> Result<Vec<u8>> {
        self.run(async {
            let exchange = async {
                let (response, connection) = self.exchange(call).await?;
                let bytes = self.collect(response, limit).await?;
                self.keep(connection);
                Ok(bytes)
            };
            time::timeout(self.patience, exchange)
                .await
                .unwrap_or_else(|_| Err(self.silent()))
        })
    }

    /// An answer of one JSON object a line, `limit` bytes in all.
    pub(super) fn lines<T: DeserializeOwned>(
        &self,
        call: &Call,
        limit: u64,
        each: &mut dyn FnMut(T) -> Result<()>,
    ) -> Result<()> {
        self.run(async {
            let (response, connection) = self.exchange(call).await?;
            self.read_lines(response, limit, each).await?;
            self.keep(connection);
            Ok(())
        })
    }

    /// Sends `length` bytes of `file` as the one file of a call; the answer is a few lines.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        call: &Call,
        file: &mut dyn Read,
        length: u64,
        each: &mut dyn FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let Frame { kind, head, tail } = Frame::new()?;
        let (mut feeder, body) = Channel::new(WAITING);
        let total = head.len() as u64 + length + tail.len() as u64;
        let request = self
            .request(call)
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_LENGTH, total)
            .body(Either::Right(body))
            .map_err(|error| self.foreign(&error))?;
        self.run(async {
            let mut connection = self.connect().await?;
            let feed = async {
                self.feed(&mut feeder, head.into_bytes().into()).await?;
                let mut left = length;
                while left > 0 {
                    let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
                    file.read_exact(&mut piece).map_err(RpcError::Local)?;
                    left -= piece.len() as u64;
                    self.feed(&mut feeder, piece.into()).await?;
                }
                self.feed(&mut feeder, tail.into_bytes().into()).await?;
                drop(feeder);
                Result::Ok(())
            };
            let mut answer = std::pin::pin!(connection.send_request(request));
            let response = tokio::select! {
                biased;
                // An answer before the end says why no more is taken.
                response = &mut answer => response,
                fed = feed => {
                    fed?;
                    time::timeout(self.patience, answer).await.map_err(|_| self.silent())?
                }
            };
            let response = response.map_err(|error| self.broken(&error))?;
            self.read_lines(response, MAX_OBJECT as u64, each).await
        })
    }

    async fn feed(
        &self,
        feeder: &mut http_body_util::channel::Sender<Bytes, io::Error>,
        piece: Bytes,
    ) -> Result<()> {
        let taken = async {
            if feeder.send_data(piece).await.is_err() {
                // Nobody takes any more: the answer, or the end of the connection, says why.
                std::future::pending::<()>().await;
            }
        };
        self.within(taken).await
    }

    fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(self.broken(&"it is being closed")),
        }
    }

    fn request(&self, call: &Call) -> hyper::http::request::Builder {
        let host = match &self.endpoint {
            Endpoint::Unix(_) => "localhost".to_owned(),
            Endpoint::Tcp(address) => address.to_string(),
        };
        Request::post(&call.0).header(header::HOST, host)
    }

    /// Sends a call without a file. A kept connection may have been closed in the meantime; whatever is sent here
    /// may be sent twice, so a new one is tried.
    async fn exchange(&self, call: &Call) -> Result<(Response<Incoming>, Connection)> {
        let request = || {
            let body = Either::Left(Full::new(Bytes::new()));
            self.request(call)
                .body(body)
                .map_err(|error| self.foreign(&error))
        };
        let kept = self.idle().pop();
        if let Some(mut connection) = kept
            && connection.ready().await.is_ok()
            && let Ok(response) = self.within(connection.send_request(request()?)).await?
        {
            return Ok((response, connection));
        }
        let mut connection = self.connect().await?;
        let response = self.within(connection.send_request(request()?)).await?;
        Ok((response.map_err(|error| self.broken(&error))?, connection))
    }

    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        time::timeout(self.patience, work)
            .await
            .map_err(|_| self.silent())
    }

    async fn connect(&self) -> Result<Connection> {
        let down = |source| RpcError::Down {
            endpoint: self.endpoint.clone(),
            source,
        };
        let handshake = match &self.endpoint {
            Endpoint::Unix(path) => {
                let stream = self
                    .within(UnixStream::connect(path))
                    .await?
                    .map_err(down)?;
                let (connection, task) = http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(|error| self.broken(&error))?;
                tokio::spawn(task);
                connection
            }
            Endpoint::Tcp(address) => {
                let stream = self
                    .within(TcpStream::connect(address))
                    .await?
                    .map_err(down)?;
                let _ = stream.set_nodelay(true);
                let (connection, task) = http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(|error| self.broken(&error))?;
                tokio::spawn(task);
                connection
            }
        };
        Ok(handshake)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if !connection.is_closed() && idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refused(&self, status: u16) -> RpcError {
        RpcError::Refused {
            endpoint: self.endpoint.clone(),
            status,
        }
    }

    fn silent(&self) -> RpcError {
        RpcError::Silent {
            endpoint: self.endpoint.clone(),
            patience: self.patience,
        }
    }

    pub(super) fn broken(&self, reason: &dyn fmt::Display) -> RpcError {
        RpcError::Broken {
            endpoint: self.endpoint.clone(),
            reason: reason.to_string(),
        }
    }

    pub(super) fn foreign(&self, reason: &dyn fmt::Display) -> RpcError {
        RpcError::Foreign {
            endpoint: self.endpoint.clone(),
            reason: printable(&reason.to_string()),
        }
    }

    pub(super) fn too_large(&self, limit: u64) -> RpcError {
        RpcError::TooLarge {
            endpoint: self.endpoint.clone(),
            limit,
        }
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        // Not waited for: whoever drops us may itself be inside an event loop.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What stands around the one file of a request (RFC 7578). The boundary is random: a block that holds it would end
/// the file early, and what is in a block others choose.
struct Frame {
    kind: String,
    head: String,
    tail: String,
}

impl Frame {
    fn new() -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| RpcError::Local(io::Error::other(error)))?;
        let boundary = format!("medshare-{:032x}", u128::from_ne_bytes(random));
        Ok(Self {
            kind: format!("multipart/form-data; boundary={boundary}"),
            head: format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blocks.car\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            ),
            tail: format!("\r\n--{boundary}--\r\n"),
        })
    }
}

/// Longest JSON object, in bytes. Kubo's configuration is the largest: some 5 KiB.
pub(super) const MAX_OBJECT: usize = 1 << 20;
/// Connections kept open.
const MAX_IDLE: usize = 8;
/// Bytes given to a connection at once, and how many such pieces wait.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;
