//! A peer that says whatever a test wants: libp2p's transport with nothing above it.

use crate::harness::Node;
use libp2p::{
    Multiaddr, PeerId, Transport as _,
    core::{
        muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox},
        transport::{DialOpts, PortUse},
        upgrade::Version,
    },
    futures::{AsyncReadExt as _, AsyncWriteExt as _},
    identity::Keypair,
    noise, tcp, yamux,
};
use std::{collections::VecDeque, future::poll_fn, io, task::Poll, time::Duration};
use store::peer::{Message, MessageError};
use tokio::sync::{mpsc, oneshot};

const BITSWAP: &str = "/ipfs/bitswap/1.2.0";
const MULTISTREAM: &str = "/multistream/1.0.0";

/// One connection to a node.
pub(crate) struct Raw {
    pub(crate) id: PeerId,
    open: mpsc::UnboundedSender<oneshot::Sender<SubstreamBox>>,
    /// Bitswap streams that the node opened.
    pub(crate) inbound: mpsc::UnboundedReceiver<SubstreamBox>,
    /// Ends when the connection does.
    pub(crate) task: tokio::task::JoinHandle<()>,
}

pub(crate) fn key(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

impl Raw {
    pub(crate) async fn connect(seed: u8, to: &Node) -> Self {
        Self::dial(seed, to.peer.listening().remove(0))
            .await
            .unwrap()
    }

    pub(crate) async fn dial(seed: u8, address: Multiaddr) -> io::Result<Self> {
        let key = key(seed);
        let mut transport = tcp::tokio::Transport::new(tcp::Config::default())
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let options = DialOpts {
            role: libp2p::core::Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let dial = transport.dial(address, options).map_err(io::Error::other)?;
        let (_, muxer) = dial.await?;
        let (open, opening) = mpsc::unbounded_channel();
        let (sender, inbound) = mpsc::unbounded_channel();
        let task = tokio::spawn(drive(muxer, opening, sender));
        Ok(Self {
            id: key.public().to_peer_id(),
            open,
            inbound,
            task,
        })
    }

    /// A stream on which nothing was agreed.
    pub(crate) async fn bare(&self) -> io::Result<SubstreamBox> {
        let (give, stream) = oneshot::channel();
        let asked = self.open.send(give);
        asked.map_err(|_| io::ErrorKind::BrokenPipe)?;
        stream.await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// A Bitswap stream.
    pub(crate) async fn stream(&self) -> io::Result<SubstreamBox> {
        let mut stream = self.bare().await?;
        write_line(&mut stream, MULTISTREAM).await?;
        write_line(&mut stream, BITSWAP).await?;
        assert_eq!(read_line(&mut stream).await?, MULTISTREAM);
        assert_eq!(read_line(&mut stream).await?, BITSWAP);
        Ok(stream)
    }

    /// Says one message on a stream of its own, as Helia does.
    pub(crate) async fn say(&self, message: &Message) {
        let mut stream = self.stream().await.unwrap();
        write(&mut stream, &message.encode()).await.unwrap();
        stream.close().await.unwrap();
    }

    /// The next message of the node on the stream it opened first, waited for ten seconds.
    pub(crate) fn listen(mut self) -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (said, heard) = mpsc::unbounded_channel();
        let mut streams = std::mem::replace(&mut self.inbound, mpsc::unbounded_channel().1);
        tokio::spawn(async move {
            while let Some(mut stream) = streams.recv().await {
                let said = said.clone();
                tokio::spawn(async move {
                    while let Ok(message) = read(&mut stream).await {
                        let _ = said.send(message.unwrap());
                    }
                });
            }
        });
        (self, heard)
    }
}

pub(crate) async fn soon<T>(heard: &mut mpsc::UnboundedReceiver<T>) -> Option<T> {
    let waiting = tokio::time::timeout(Duration::from_secs(10), heard.recv());
    waiting.await.ok().flatten()
}

async fn drive(
    mut muxer: StreamMuxerBox,
    mut opening: mpsc::UnboundedReceiver<oneshot::Sender<SubstreamBox>>,
    inbound: mpsc::UnboundedSender<SubstreamBox>,
) {
    let mut waiting = VecDeque::new();
    poll_fn(|context| {
        loop {
            while let Poll::Ready(give) = opening.poll_recv(context) {
                match give {
                    Some(give) => waiting.push_back(give),
                    None => return Poll::Ready(()), // the test is done with it
                }
            }
            if !waiting.is_empty()
                && let Poll::Ready(opened) = muxer.poll_outbound_unpin(context)
            {
                let Ok(stream) = opened else {
                    return Poll::Ready(());
                };
                let give: oneshot::Sender<_> = waiting.pop_front().unwrap();
                let _ = give.send(stream);
                continue;
            }
            if let Poll::Ready(came) = muxer.poll_inbound_unpin(context) {
                let Ok(stream) = came else {
                    return Poll::Ready(());
                };
                tokio::spawn(agree(stream, inbound.clone()));
                continue;
            }
            return match muxer.poll_unpin(context) {
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Ready(Ok(_)) => continue,
                Poll::Pending => Poll::Pending,
            };
        }
    })
    .await;
}

/// Takes Bitswap, refuses everything else.
async fn agree(mut stream: SubstreamBox, inbound: mpsc::UnboundedSender<SubstreamBox>) {
    let agreed = async {
        write_line(&mut stream, MULTISTREAM).await?;
        loop {
            match read_line(&mut stream).await?.as_str() {
                MULTISTREAM => {}
                BITSWAP => return write_line(&mut stream, BITSWAP).await,
                _ => write_line(&mut stream, "na").await?,
            }
        }
    };
    if agreed.await.is_ok() {
        let _ = inbound.send(stream);
    }
}

async fn write_line(stream: &mut SubstreamBox, text: &str) -> io::Result<()> {
    let mut line = vec![text.len() as u8 + 1];
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

async fn read_line(stream: &mut SubstreamBox) -> io::Result<String> {
    let mut line = vec![0; length(stream).await? as usize];
    stream.read_exact(&mut line).await?;
    assert_eq!(line.pop(), Some(b'\n'));
    Ok(String::from_utf8(line).unwrap())
}

async fn length(stream: &mut SubstreamBox) -> io::Result<u64> {
    let (mut value, mut shift, mut byte) = (0, 0, [0]);
    loop {
        stream.read_exact(&mut byte).await?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] < 0x80 {
            return Ok(value);
        }
    }
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Writes one frame.
pub(crate) async fn write(stream: &mut SubstreamBox, frame: &[u8]) -> io::Result<()> {
    stream.write_all(&varint(frame.len() as u64)).await?;
    stream.write_all(frame).await?;
    stream.flush().await
}

/// Reads one message.
pub(crate) async fn read(stream: &mut SubstreamBox) -> io::Result<Result<Message, MessageError>> {
    let mut frame = vec![0; length(stream).await? as usize];
    stream.read_exact(&mut frame).await?;
    Ok(Message::decode(&frame.into()))
}
