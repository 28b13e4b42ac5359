//! `/medshare/node/1`: one request, one answer, on a stream of its own.
//!
//! ```text
//! length: u32, big-endian ‖ bytes        once each way; then the sender closes its side
//! ```
//! A stream that is closed without an answer is the answer "none". The version is the last
//! part of the protocol's name.

use super::{Limits, fault::DialFault};
use async_trait::async_trait;
use libp2p::{
    StreamProtocol,
    futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    request_response::{self, Codec, OutboundFailure, ProtocolSupport},
};
use std::io;
use thiserror::Error;

/// Most bytes of a request and of an answer.
pub const MAX_ASK: usize = 4 << 20;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/medshare/node/1");

/// Why a request got no answer.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The request has more than [`MAX_ASK`] bytes; it was not sent.
    #[error("a request of {0} bytes; {MAX_ASK} are the limit")]
    TooLarge(usize),
    /// The peer is not connected; the request was not sent.
    #[error("the peer is not connected: {0}")]
    Away(DialFault),
    /// The peer does not speak this protocol; the request was not read.
    #[error("the peer does not speak /medshare/node/1")]
    Unsupported,
    /// The peer read the request, perhaps, and closed the stream without an answer.
    #[error("the peer gave no answer")]
    NoAnswer,
    /// It took too long. The peer may have acted on the request.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// The connection was lost. The peer may have acted on the request.
    #[error("the connection was lost before the answer came: {0}")]
    Lost(String),
    /// This node was stopped.
    #[error("the node is stopped")]
    Stopped,
}

impl From<OutboundFailure> for AskError {
    fn from(failure: OutboundFailure) -> Self {
        match failure {
            OutboundFailure::DialFailure => Self::Away(DialFault::Lost),
            OutboundFailure::Timeout => Self::TimedOut,
            OutboundFailure::ConnectionClosed => Self::Lost("it was closed".to_owned()),
            OutboundFailure::UnsupportedProtocols => Self::Unsupported,
            OutboundFailure::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::NoAnswer
            }
            OutboundFailure::Io(error) => Self::Lost(error.to_string()),
        }
    }
}

pub(super) type Behaviour = request_response::Behaviour<Framed>;
pub(super) type Event = request_response::Event<Vec<u8>, Vec<u8>>;

pub(super) fn behaviour(limits: &Limits) -> Behaviour {
    let config = request_response::Config::default()
        .with_request_timeout(limits.ask)
        // Both ways share them: as many of ours, as many of theirs.
        .with_max_concurrent_streams(2 * limits.asks_per_peer);
    Behaviour::with_codec(Framed, [(PROTOCOL, ProtocolSupport::Full)], config)
}

/// The framing above.
#[derive(Clone, Copy)]
pub(super) struct Framed;

#[async_trait]
impl Codec for Framed {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response).await
    }
}

/// Memory grows with what arrives, not with what is announced.
async fn read(io: &mut (impl AsyncRead + Unpin + Send)) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length);
    if length as usize > MAX_ASK {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {length} bytes; {MAX_ASK} are the limit"),
        ));
    }
    let mut bytes = Vec::new();
    io.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write(io: &mut (impl AsyncWrite + Unpin + Send), bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}
