//! The Bitswap streams of one connection.
//!
//! Streams are one-way: each side opens one to speak and takes the other's to listen. This
//! side keeps one open while it has something to say and closes it when it has had nothing
//! for a while, before peers that cut idle streams do. It knows frames, not what is in them:
//! a varint length, then as many bytes.
//!
//! Bounds: open streams and unread bytes of a peer, however many connections it has; time for
//! each frame; no more memory than has arrived.

use super::{message::MAX_MESSAGE, outbox::Outbox, traffic::Share};
use crate::varint;
use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::ReadyUpgrade,
    futures::{
        AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _, StreamExt as _, future::BoxFuture,
        stream::FuturesUnordered,
    },
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::ConnectionEvent,
    },
};
use std::{
    convert::Infallible,
    io,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{sleep, timeout},
};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");

/// What a stream brought.
pub(super) enum Heard {
    /// A frame, and its share of what the peer may leave unread.
    Frame(Vec<u8>, OwnedSemaphorePermit),
    /// Something longer than any message, or no length at all.
    Nonsense,
    /// The peer does not speak this protocol.
    Deaf,
}

pub(super) struct Handler {
    /// What is to be said; absent while a stream has it.
    outbox: Option<Outbox>,
    speaking: Speaking,
    heard: mpsc::Sender<Heard>,
    share: Arc<Share>,
    listening: FuturesUnordered<BoxFuture<'static, ()>>,
}

/// The stream on which this side speaks.
enum Speaking {
    /// There is none.
    Not,
    /// A frame waits for a stream to be asked for.
    Asking(Vec<u8>),
    /// A frame waits for the stream.
    Opening(Vec<u8>),
    /// It is open.
    Open(BoxFuture<'static, (Outbox, Option<Vec<u8>>)>),
    /// The peer does not speak this protocol: what is said is for nobody.
    Deaf,
}

impl Handler {
    pub(super) fn new(outbox: Outbox, heard: mpsc::Sender<Heard>, share: Arc<Share>) -> Self {
        Self {
            outbox: Some(outbox),
            speaking: Speaking::Not,
            heard,
            share,
            listening: FuturesUnordered::new(),
        }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Vec<u8>> {
        match &mut self.outbox {
            Some(outbox) => outbox.poll_frame(context),
            None => Poll::Pending, // a stream has it, and is polled itself
        }
    }

    /// Takes one more stream to listen to, unless the peer has as many as it may.
    fn listen(&mut self, stream: Stream) {
        if let Ok(place) = self.share.streams.clone().try_acquire_owned() {
            let (heard, share) = (self.heard.clone(), self.share.clone());
            let listening = async move {
                listen(stream, &heard, &share).await;
                drop(place);
            };
            self.listening.push(listening.boxed());
        }
    }
}

/// Speaks until there has been nothing to say for [`REST`], or the stream fails. Gives the
/// outbox back, and a frame that should be tried on a new stream: the peer may have closed
/// this one before the frame was sent.
async fn speak(
    mut stream: Stream,
    mut outbox: Outbox,
    mut frame: Vec<u8>,
) -> (Outbox, Option<Vec<u8>>) {
    let mut length = Vec::with_capacity(4);
    for sent in 0u64.. {
        length.clear();
        varint::write(frame.len() as u64, &mut length);
        let writing = async {
            stream.write_all(&length).await?;
            stream.write_all(&frame).await?;
            stream.flush().await
        };
        match timeout(patience(frame.len()), writing).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) if sent > 0 => return (outbox, Some(frame)),
            // Lost: who waits for what was in it asks again.
            Ok(Err(_)) | Err(_) => return (outbox, None),
        }
        let mut end = [0];
        let next = tokio::select! {
            biased;
            next = outbox.frame() => Some(next),
            // Nothing is said on this side of the stream: it is closed.
            _ = stream.read(&mut end) => None,
            () = sleep(REST) => None,
        };
        match next {
            Some(next) => frame = next,
            None => break,
        }
    }
    let _ = timeout(CLOSE, stream.close()).await; // it is gone either way
    (outbox, None)
}

/// Listens until the peer closes the stream, says nonsense, or is silent for too long.
async fn listen(mut stream: Stream, heard: &mpsc::Sender<Heard>, share: &Share) {
    while let Ok(Ok(Some(length))) = timeout(SILENCE, read_length(&mut stream)).await {
        let fits = usize::try_from(length)
            .ok()
            .filter(|length| *length <= MAX_MESSAGE);
        let Some(length) = fits else {
            let _ = heard.send(Heard::Nonsense).await; // the connection may be closing
            return;
        };
        // All of it at once, or two streams could each wait for the other's half. At most
        // MAX_MESSAGE, far below what a u32 holds.
        let unread = share.unread.clone().acquire_many_owned(length as u32).await;
        let Ok(unread) = unread else {
            return;
        };
        // Zeroed memory takes no room before it is written to.
        let mut frame = vec![0; length];
        let read = timeout(patience(length), stream.read_exact(&mut frame)).await;
        if !matches!(read, Ok(Ok(()))) || heard.send(Heard::Frame(frame, unread)).await.is_err() {
            return;
        }
    }
    let _ = timeout(CLOSE, stream.close()).await; // it is gone either way
}

/// The length in front of a frame, `None` at the end of the stream. More than the longest
/// message needs comes back as a length that is too long.
async fn read_length(stream: &mut Stream) -> io::Result<Option<u64>> {
    let mut bytes = [0; 4]; // enough for MAX_MESSAGE
    for read in 0..bytes.len() {
        match stream.read(&mut bytes[read..=read]).await? {
            0 if read == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
        if bytes[read] < 0x80 {
            let length = varint::read(&bytes[..=read]).map_or(u64::MAX, |(length, _)| length);
            return Ok(Some(length));
        }
    }
    Ok(Some(u64::MAX))
}

/// How long a frame of this length may take: whoever is slower than 16 KiB/s loses it.
fn patience(length: usize) -> Duration {
    Duration::from_secs(20 + (length / (16 << 10)) as u64)
}

/// How long a stream is kept with nothing to say: js-libp2p cuts it after ten seconds.
const REST: Duration = Duration::from_secs(5);
/// How long a peer may keep a stream without saying anything.
const SILENCE: Duration = Duration::from_secs(120);
/// How long closing a stream may take.
const CLOSE: Duration = Duration::from_secs(5);

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), Infallible>> {
        while let Poll::Ready(Some(())) = self.listening.poll_next_unpin(context) {}
        loop {
            match &mut self.speaking {
                Speaking::Not => {
                    let frame = ready!(self.poll_frame(context));
                    self.speaking = Speaking::Asking(frame);
                }
                Speaking::Asking(frame) => {
                    self.speaking = Speaking::Opening(std::mem::take(frame));
                    return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                        protocol: self.listen_protocol(),
                    });
                }
                Speaking::Opening(_) => return Poll::Pending,
                Speaking::Open(speaking) => {
                    let (outbox, unsent) = ready!(speaking.poll_unpin(context));
                    self.outbox = Some(outbox);
                    self.speaking = unsent.map_or(Speaking::Not, Speaking::Asking);
                }
                Speaking::Deaf => drop(ready!(self.poll_frame(context))),
            }
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, ReadyUpgrade<StreamProtocol>, ReadyUpgrade<StreamProtocol>>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(inbound) => self.listen(inbound.protocol),
            ConnectionEvent::FullyNegotiatedOutbound(outbound) => {
                if let Speaking::Opening(frame) = &mut self.speaking
                    && let Some(outbox) = self.outbox.take()
                {
                    let frame = std::mem::take(frame);
                    self.speaking = Speaking::Open(speak(outbound.protocol, outbox, frame).boxed());
                }
            }
            ConnectionEvent::DialUpgradeError(failed) => {
                self.speaking = match failed.error {
                    StreamUpgradeError::NegotiationFailed => {
                        let _ = self.heard.try_send(Heard::Deaf); // else it is seen by time
                        Speaking::Deaf
                    }
                    // The frame is lost: who waits for what was in it asks again.
                    _ => Speaking::Not,
                };
            }
            _ => {}
        }
    }
}
