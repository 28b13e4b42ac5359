//! A party's side of `/v1`: blocking calls over a Unix socket or loopback TCP.
//!
//! What a CID names is hashed again here; what the ledger says is proven by the party
//! (`share`), not here. Errors are [`NodeError`]: one line each.

use base::{
    AccountId, ChainId, Cid, Digest, Nonce, SignedOperation, codec, genesis::Genesis,
    key::OperationSecret,
};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use ledger::Listing;
use serde::de::DeserializeOwned;
use share::node::NodeError;
use std::{
    fmt,
    io::Read,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{net, runtime::Runtime, time};

use super::{
    address::Address,
    body::{self, Fed},
    limit::MAX_ANSWER,
    message::{ErrorBody, ErrorCode, Stored},
    ticket::{self, Ticket},
};
use crate::{
    exit::{Exit, Fault, Result},
    system,
};

/// Whose tickets a client makes.
#[derive(Clone)]
pub struct Credentials {
    /// The ledger.
    pub chain: ChainId,
    /// The account.
    pub account: AccountId,
    /// Its operation key.
    pub secret: OperationSecret,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.account)
    }
}

/// A node, as one party speaks to it.
pub struct HttpNode {
    address: Address,
    timeout: Duration,
    credentials: Option<Credentials>,
    runtime: Runtime,
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for HttpNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpNode({})", self.address)
    }
}

type Connection = SendRequest<Either<Full<Bytes>, Fed>>;
type Answer = std::result::Result<Vec<u8>, NodeError>;

impl HttpNode {
    /// A client of the node at `address`; nothing is sent yet.
    ///
    /// # Errors
    /// [`Exit::Internal`] when the operating system gives no event loop.
    pub fn new(
        address: Address,
        timeout: Duration,
        credentials: Option<Credentials>,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::new(Exit::Internal, format!("no event loop: {error}")))?;
        Ok(Self {
            address,
            timeout,
            credentials,
            runtime,
            idle: Mutex::default(),
        })
    }

    /// The node's address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The node's genesis object.
    ///
    /// # Errors
    /// [`Exit::Unreachable`], [`Exit::Invalid`] when the answer is no genesis object.
    pub fn genesis(&self) -> Result<Genesis> {
        let bytes = self.get("/v1/genesis")?;
        codec::decode(&bytes).map_err(|error| {
            Fault::new(
                Exit::Invalid,
                format!(
                    "what answers at {} is no medshare node: {error}",
                    self.address
                ),
            )
        })
    }

    /// Refuses a node of another ledger than the pinned one.
    ///
    /// # Errors
    /// [`Exit::Invalid`], [`Exit::Unreachable`].
    pub fn check_chain(&self, pinned: ChainId) -> Result<()> {
        let status: super::message::Status = self.read("/v1/status")?;
        if status.chain == pinned {
            return Ok(());
        }
        Err(Fault::new(
            Exit::Invalid,
            format!(
                "the node at {} keeps another ledger ({}) than this home's ({pinned}); correct --node",
                self.address, status.chain
            ),
        ))
    }

    /// Reads one object.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn read<T: DeserializeOwned>(&self, path: &str) -> std::result::Result<T, NodeError> {
        decode(&self.get(path)?)
    }

    /// Reads one object that may be absent.
    ///
    /// # Errors
    /// [`NodeError`], [`NodeError::NotFound`] apart.
    pub fn find<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> std::result::Result<Option<T>, NodeError> {
        match self.get(path) {
            Ok(bytes) => decode(&bytes).map(Some),
            Err(NodeError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads every page of a list.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn list<T: DeserializeOwned>(&self, path: &str) -> std::result::Result<Vec<T>, NodeError> {
        let mut items = Vec::new();
        let mut from = 0;
        loop {
            let page: Listing<T> = self.read(&format!("{path}?from={from}"))?;
            items.extend(page.items);
            match page.next {
                Some(next) if next > from => from = next,
                Some(_) => return Err(NodeError::BadAnswer("a list that does not end".into())),
                None => return Ok(items),
            }
        }
    }

    /// The bytes of an open route.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Vec::new(), Ticketed::No)
    }

    /// Sends an operation's bytes; what comes back is a receipt's.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) fn post_operation(&self, operation: &SignedOperation) -> Answer {
        let (bytes, id) = operation.to_bytes();
        match self.call(Method::POST, "/v1/operations", bytes, Ticketed::No) {
            // An earlier try reached the log and its answer did not reach us.
            Err(NodeError::Refused(ledger::Refusal::Duplicate { .. })) => {
                self.get(&format!("/v1/operations/{id}/receipt"))
            }
            other => other,
        }
    }

    /// A request under a ticket.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) fn ticketed(&self, method: Method, path: &str, body: Vec<u8>) -> Answer {
        self.call(method, path, body, Ticketed::Yes)
    }

    /// Sends a file while it is read, and compares the node's CID with the one that is
    /// computed here.
    pub(super) fn upload(&self, source: &mut dyn Read) -> std::result::Result<Cid, NodeError> {
        let path = "/v1/files";
        let (feeder, fed) = body::fed();
        let request = self.request(Method::PUT, path, Either::Right(fed), Ticketed::Yes, None)?;
        let mut builder = store::unixfs::Builder::new(
            store::unixfs::Profile::UNIXFS_V1_2025,
            store::unixfs::HashOnly,
        );
        let pump = async {
            loop {
                let mut piece = vec![0; PIECE];
                let length = fill(source, &mut piece)
                    .map_err(|error| NodeError::Local(error.to_string()))?;
                piece.truncate(length);
                if length == 0 {
                    break;
                }
                builder
                    .write(&piece)
                    .map_err(|error| NodeError::Local(error.to_string()))?;
                // A closed channel means the node has answered already: hear its answer.
                if feeder.send(Ok(piece.into())).await.is_err() {
                    break;
                }
            }
            drop(feeder);
            Ok::<(), NodeError>(())
        };
        let exchange = async {
            let mut connection = self.connect().await?;
            let response = connection
                .send_request(request)
                .await
                .map_err(|e| self.lost(&e))?;
            let bytes = self.finish(response).await?;
            self.keep(connection);
            Ok::<Vec<u8>, NodeError>(bytes)
        };
        let (pumped, answered) = self
            .runtime
            .block_on(async { tokio::join!(pump, exchange) });
        pumped?;
        let stored: Stored = decode(&answered?)?;
        let finished = builder
            .finish()
            .map_err(|error| NodeError::Local(error.to_string()))?;
        if stored.cid != finished.cid {
            return Err(NodeError::BadAnswer(format!(
                "the node stored {} where {} was sent",
                stored.cid, finished.cid
            )));
        }
        Ok(stored.cid)
    }

    fn call(&self, method: Method, path: &str, body: Vec<u8>, ticketed: Ticketed) -> Answer {
        let body = Bytes::from(body);
        let mut pause = Duration::from_millis(20);
        for attempt in 0.. {
            let answer = self.runtime.block_on(async {
                time::timeout(self.timeout, self.exchange(&method, path, &body, ticketed))
                    .await
                    .unwrap_or_else(|_| {
                        Err(NodeError::Unreachable(format!(
                            "{} did not answer within {} s",
                            self.address,
                            self.timeout.as_secs()
                        )))
                    })
            });
            match answer {
                Err(NodeError::Busy(_)) if attempt < BUSY_RETRIES => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                other => return other,
            }
        }
        Err(NodeError::Busy("too many tries".into()))
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
        ticketed: Ticketed,
    ) -> Answer {
        let request = || {
            let digest = Digest::of(body);
            self.request(
                method.clone(),
                path,
                Either::Left(Full::new(body.clone())),
                ticketed,
                Some(digest),
            )
        };
        // A kept connection may have been closed by the node in the meantime; everything
        // this client sends may be sent twice, so one new connection is tried.
        if let Some(mut connection) = self.kept()
            && connection.ready().await.is_ok()
            && let Ok(response) = connection.send_request(request()?).await
        {
            let answer = self.finish(response).await;
            self.keep(connection);
            return answer;
        }
        let mut connection = self.connect().await?;
        let response = connection
            .send_request(request()?)
            .await
            .map_err(|error| self.lost(&error))?;
        let answer = self.finish(response).await;
        self.keep(connection);
        answer
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Either<Full<Bytes>, Fed>,
        ticketed: Ticketed,
        digest: Option<Digest>,
    ) -> std::result::Result<Request<Either<Full<Bytes>, Fed>>, NodeError> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, "medshare")
            .header(header::CONTENT_TYPE, CONTENT_TYPE);
        if ticketed == Ticketed::Yes {
            let credentials = self
                .credentials
                .as_ref()
                .ok_or_else(|| NodeError::Local("this request needs a party's home".into()))?;
            let ticket = Ticket {
                chain: credentials.chain,
                account: credentials.account,
                key: credentials.secret.public(),
                method: method.to_string(),
                path: path.to_owned(),
                body: digest,
                time: system::now(),
                nonce: Nonce(system::random32()),
            };
            request = request.header(
                header::AUTHORIZATION,
                ticket::header(ticket, &credentials.secret),
            );
        }
        request
            .body(body)
            .map_err(|error| NodeError::Local(format!("building a request: {error}")))
    }

    async fn finish(&self, response: Response<Incoming>) -> Answer {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER);
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes().to_vec(),
            Err(error) => return Err(NodeError::BadAnswer(format!("a broken answer: {error}"))),
        };
        if status == StatusCode::OK {
            return Ok(bytes);
        }
        Err(self.error(status, &bytes))
    }

    fn error(&self, status: StatusCode, bytes: &[u8]) -> NodeError {
        let Ok(body) = codec::decode::<ErrorBody>(bytes) else {
            return NodeError::BadAnswer(format!(
                "HTTP status {} without an explanation; is {} a medshare node?",
                status.as_u16(),
                self.address
            ));
        };
        let message: String = body
            .message
            .chars()
            .filter(|c| !c.is_control())
            .take(400)
            .collect();
        match (body.code, body.refusal, body.block) {
            (ErrorCode::Refused, Some(refusal), _) => NodeError::Refused(refusal),
            (ErrorCode::NotFound, ..) => NodeError::NotFound,
            (ErrorCode::Missing, _, Some(block)) => NodeError::Missing(block),
            (ErrorCode::Damaged, _, Some(block)) => NodeError::Damaged(block),
            (ErrorCode::Busy | ErrorCode::TimedOut, ..) => NodeError::Busy(message),
            (ErrorCode::Storage, ..) => NodeError::Storage(message),
            _ => NodeError::BadAnswer(message),
        }
    }

    fn kept(&self) -> Option<Connection> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn keep(&self, connection: Connection) {
        if !connection.is_closed() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }

    async fn connect(&self) -> std::result::Result<Connection, NodeError> {
        let unreachable = |error: &dyn fmt::Display| {
            NodeError::Unreachable(format!("no node answers at {} ({error})", self.address))
        };
        match &self.address {
            Address::Unix(path) => {
                let stream = net::UnixStream::connect(path)
                    .await
                    .map_err(|e| unreachable(&e))?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(|e| unreachable(&e))?;
                tokio::spawn(connection);
                Ok(sender)
            }
            Address::Loopback(address) => {
                let stream = net::TcpStream::connect(address)
                    .await
                    .map_err(|e| unreachable(&e))?;
                let _ = stream.set_nodelay(true);
                let (sender, connection) = http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(|e| unreachable(&e))?;
                tokio::spawn(connection);
                Ok(sender)
            }
        }
    }

    fn lost(&self, error: &hyper::Error) -> NodeError {
        NodeError::Unreachable(format!("the connection to {} broke: {error}", self.address))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ticketed {
    Yes,
    No,
}

/// Reads an answer's object. Lists can be longer than one canonical object may be.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> std::result::Result<T, NodeError> {
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| NodeError::BadAnswer(error.to_string()))
}

/// Fills `buffer` as far as `source` reaches.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Media type of every body but files and raw blocks.
pub(super) const CONTENT_TYPE: &str = "application/vnd.ipld.dag-cbor";
const PIECE: usize = 1 << 20;
const BUSY_RETRIES: u32 = 6;
