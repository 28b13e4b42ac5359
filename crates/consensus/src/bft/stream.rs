//! Blocks in pieces: cutting one up, and putting it together from what peers send, within
//! limits that no peer can stretch.

use base::Signed;
use bytes::Bytes;
use malachite::app::{
    streaming::{StreamContent, StreamId, StreamMessage},
    types::PeerId,
};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, HashMap};

use super::{
    context::{Part, Start},
    proposed::MAX_BLOCK,
};

/// Numbers the streams of one run of one node. Receivers tell streams apart by publisher and
/// number, so a run begins where no run before it was.
pub(super) struct Numbers {
    run: u64,
    next: u64,
}

impl Numbers {
    /// `run` is different for each run: the time it began at.
    pub(super) fn new(run: u64) -> Self {
        Self { run, next: 0 }
    }

    fn next(&mut self) -> StreamId {
        self.next += 1;
        let mut name = self.run.to_be_bytes().to_vec();
        name.extend(self.next.to_be_bytes());
        StreamId::new(Bytes::from(name))
    }

    /// A stream of one part.
    pub(super) fn single(&mut self, part: Part) -> StreamMessage<Part> {
        StreamMessage::new(self.next(), 0, StreamContent::Data(part))
    }

    /// A block's stream.
    pub(super) fn cut(&mut self, start: Signed<Start>, block: &[u8]) -> Vec<StreamMessage<Part>> {
        let stream = self.next();
        let pieces = block
            .chunks(PIECE)
            .map(|piece| Part::Piece(ByteBuf::from(piece)));
        std::iter::once(Part::Block(start))
            .chain(pieces)
            .map(StreamContent::Data)
            .chain([StreamContent::Fin])
            .zip(0..)
            .map(|(content, at)| StreamMessage::new(stream.clone(), at, content))
            .collect()
    }
}

/// Streams that are not complete.
#[derive(Default)]
pub(super) struct Streams {
    open: HashMap<PeerId, BTreeMap<Bytes, Stream>>,
}

#[derive(Default)]
struct Stream {
    start: Option<Signed<Start>>,
    pieces: BTreeMap<u64, ByteBuf>,
    held: usize,
    /// Sequence number of the end.
    end: Option<u64>,
}

impl Streams {
    /// Takes a part in; gives the block's bytes once they are complete. What does not fit is
    /// dropped with its stream.
    pub(super) fn take(
        &mut self,
        publisher: PeerId,
        message: StreamMessage<Part>,
    ) -> Option<(Signed<Start>, Vec<u8>)> {
        if self.open.len() >= MAX_PUBLISHERS && !self.open.contains_key(&publisher) {
            self.open.clear(); // more than there can be validators: somebody makes names up
        }
        let streams = self.open.entry(publisher).or_default();
        let name = message.stream_id.to_bytes();
        if !streams.contains_key(&name) && streams.len() >= MAX_STREAMS {
            streams.pop_first(); // numbers grow: the oldest
        }
        let stream = streams.entry(name.clone()).or_default();
        if !stream.put(message.sequence, message.content) {
            streams.remove(&name);
            return None;
        }
        if !stream.is_complete() {
            return None;
        }
        streams.remove(&name)?.join()
    }

    /// Forgets all: what was open was of a height that is decided.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

impl Stream {
    /// Whether it can still become a block.
    fn put(&mut self, sequence: u64, content: StreamContent<Part>) -> bool {
        match content {
            StreamContent::Data(Part::Block(start)) => {
                let fits = start.body.length <= MAX_BLOCK as u64;
                let first = self.start.replace(start).is_none();
                first && fits && sequence == 0
            }
            StreamContent::Data(Part::Piece(piece)) => {
                self.held += piece.len();
                let fresh = self.pieces.insert(sequence, piece).is_none();
                fresh && sequence > 0 && self.held <= MAX_BLOCK
            }
            StreamContent::Data(_) => false,
            StreamContent::Fin => {
                self.end = Some(sequence);
                sequence <= 1 + (MAX_BLOCK / PIECE) as u64 + 1
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.start.is_some() && self.end == Some(self.pieces.len() as u64 + 1)
    }

    fn join(self) -> Option<(Signed<Start>, Vec<u8>)> {
        let start = self.start?;
        let bytes: Vec<u8> = self.pieces.into_values().flatten().collect();
        (bytes.len() as u64 == start.body.length).then_some((start, bytes))
    }
}

/// Bytes of a piece.
const PIECE: usize = 256 << 10;
/// Publishers that have something open.
const MAX_PUBLISHERS: usize = 128;
/// Streams of one publisher that are open at once.
const MAX_STREAMS: usize = 8;

#[cfg(test)]
mod tests;
