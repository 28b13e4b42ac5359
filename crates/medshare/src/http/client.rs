//! A party's side of `/v1`: blocking calls over a Unix socket or loopback TCP.
//!
//! What a CID names is hashed again here; what the ledger says is proven by the party
//! (`share`), not here. Errors are [`NodeError`]: one line each.

use base::{
    AccountId, ChainId, Digest, Nonce, SignedOperation, UnknownVersion, codec, genesis::Genesis,
    key::OperationSecret,
};
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
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
    fmt, io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net, runtime::Runtime, time};

use super::{
    address::Address,
    body::Fed,
    limit::MAX_ANSWER,
    media,
    message::{ErrorBody, ErrorCode, INTERFACE},
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

pub(super) type Connection = SendRequest<Either<Full<Bytes>, Fed>>;
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
        if status.interface != INTERFACE {
            let version = UnknownVersion {
                found: status.interface.into(),
                known: INTERFACE,
            };
            let what = format!("the interface of the node at {}", self.address);
            return Err(Fault::newer(Exit::Invalid, what, version));
        }
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
        let mut allowance = self.allowance();
        loop {
            let bytes = self.get(&format!("{path}?from={from}"))?;
            allowance.spend(bytes.len())?;
            let page: Listing<T> = decode(&bytes)?;
            items.extend(page.items);
            match page.next {
                Some(next) if next > from => from = next,
                Some(_) => return Err(endless()),
                None => return Ok(items),
            }
        }
    }

    /// What all pages of one list may take together.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance {
            bytes: MAX_LIST,
            pages: MAX_PAGES,
            until: Instant::now() + self.timeout * LIST_TIMES,
        }
    }

    /// The bytes of an open route.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn get(&self, path: &str) -> Answer {
        self.get_within(path, MAX_ANSWER)
    }

    /// The bytes of an open route, at most `limit`.
    pub(super) fn get_within(&self, path: &str, limit: usize) -> Answer {
        self.call(Method::GET, path, Vec::new(), Ticketed::No, limit)
    }

    /// Sends an operation's bytes; what comes back is a receipt's.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) fn post_operation(&self, operation: &SignedOperation) -> Answer {
        let (bytes, id) = operation.to_bytes();
        match self.call(
            Method::POST,
            "/v1/operations",
            bytes,
            Ticketed::No,
            MAX_ANSWER,
        ) {
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
        self.call(method, path, body, Ticketed::Yes, MAX_ANSWER)
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        ticketed: Ticketed,
        limit: usize,
    ) -> Answer {
        let body = Bytes::from(body);
        let mut pause = Duration::from_millis(20);
        for attempt in 0.. {
            let answer = self.runtime.block_on(async {
                let exchange = self.exchange(&method, path, &body, ticketed, limit);
                time::timeout(self.timeout, exchange)
                    .await
                    .unwrap_or_else(|_| Err(self.silent()))
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
        limit: usize,
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
            let answer = self.finish(response, limit).await;
            self.keep(connection);
            return answer;
        }
        let mut connection = self.connect().await?;
        let response = connection
            .send_request(request()?)
            .await
            .map_err(|error| self.lost(&error))?;
        let answer = self.finish(response, limit).await;
        self.keep(connection);
        answer
    }

    /// What `Host` says: the address that is spoken to.
    fn host(&self) -> String {
        match &self.address {
            Address::Unix(_) => "localhost".into(),
            Address::Loopback(address) => address.to_string(),
        }
    }

    pub(super) fn request(
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
            .header(header::HOST, self.host())
            .header(header::CONTENT_TYPE, media::CBOR);
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

    pub(super) async fn finish(&self, response: Response<Incoming>, limit: usize) -> Answer {
        let status = response.status();
        let body = Limited::new(response.into_body(), limit);
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes().to_vec(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(NodeError::BadAnswer(format!(
                    "more than {limit} bytes where so many are the limit"
                )));
            }
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
            (ErrorCode::Busy | ErrorCode::TooOften | ErrorCode::TimedOut, ..) => {
                NodeError::Busy(message)
            }
            (ErrorCode::Storage, ..) => NodeError::Storage(message),
            _ => NodeError::BadAnswer(message),
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The node neither answers nor takes anything.
    pub(super) fn silent(&self) -> NodeError {
        NodeError::Unreachable(format!(
            "{} did not answer within {} s",
            self.address,
            self.timeout.as_secs()
        ))
    }

    fn kept(&self) -> Option<Connection> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    pub(super) fn keep(&self, connection: Connection) {
        if !connection.is_closed() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }

    pub(super) async fn connect(&self) -> std::result::Result<Connection, NodeError> {
        let unreachable = |error: &dyn fmt::Display| {
            NodeError::Unreachable(format!("no node answers at {} ({error})", self.address))
        };
        match &self.address {
            Address::Unix(path) => {
                let stream = loop {
                    match net::UnixStream::connect(path).await {
                        // As many as the kernel lets wait are waiting at the node's door.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            time::sleep(CROWDED).await;
                        }
                        connected => break connected.map_err(|e| unreachable(&e))?,
                    }
                };
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

    pub(super) fn lost(&self, error: &hyper::Error) -> NodeError {
        NodeError::Unreachable(format!("the connection to {} broke: {error}", self.address))
    }
}

/// What a list of many pages may still take: a node that lies must come to an end.
#[derive(Debug)]
pub(super) struct Allowance {
    bytes: usize,
    pages: u32,
    until: Instant,
}

impl Allowance {
    /// One more page of `bytes`.
    ///
    /// # Errors
    /// [`NodeError::BadAnswer`] when it is too much or takes too long.
    pub(super) fn spend(&mut self, bytes: usize) -> std::result::Result<(), NodeError> {
        let left = self.bytes.checked_sub(bytes).zip(self.pages.checked_sub(1));
        match left {
            Some((bytes, pages)) if Instant::now() < self.until => {
                (self.bytes, self.pages) = (bytes, pages);
                Ok(())
            }
            _ => Err(endless()),
        }
    }
}

pub(super) fn endless() -> NodeError {
    NodeError::BadAnswer("a list that does not end".into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ticketed {
    Yes,
    No,
}

/// Reads an answer's object. Lists can be longer than one canonical object may be.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> std::result::Result<T, NodeError> {
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| {
        NodeError::BadAnswer(match UnknownVersion::in_text(&error.to_string()) {
            Some(version) => version.to_string(),
            None => "it is not of the kind that was asked for".into(),
        })
    })
}

const BUSY_RETRIES: u32 = 6;
const CROWDED: Duration = Duration::from_millis(20);
/// Most bytes of all pages of a list.
const MAX_LIST: usize = 256 << 20;
/// Most pages of a list.
const MAX_PAGES: u32 = 100_000;
/// A list may take so many times as long as one answer.
const LIST_TIMES: u32 = 10;
