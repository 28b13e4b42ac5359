//! Sealing a body: read, hash and encrypt on one thread, the sink on the caller's.

use aws_lc_rs::{
    aead::{Aad, LessSafeKey},
    digest,
};
use base::Digest;
use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};
use thiserror::Error;

use super::{BUFFERS, BodyHeader, SEGMENT, cipher};

/// What sealing a body found out about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealedBody {
    /// SHA2-256 of the content, without trailer and padding.
    pub digest: Digest,
}

/// Seals `length` bytes of `source` and `trailer` under `key`, and gives the sealed
/// bytes to `sink` as a reader. `header.size` is [`super::padded`] of both together. A
/// key seals one body, ever.
///
/// # Errors
/// [`SealBodyError`]; whatever `sink` has made by then is to be thrown away.
pub fn seal<T>(
    header: &BodyHeader,
    key: &[u8; 32],
    source: &mut (dyn Read + Send),
    length: u64,
    trailer: &[u8],
    sink: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> Result<(T, SealedBody), SealBodyError> {
    if !header.is_sound() || length.saturating_add(trailer.len() as u64) > header.size {
        return Err(SealBodyError::Size(header.size));
    }
    let producer = Producer {
        header: *header,
        aad: header.aad(),
        cipher: cipher(key),
        digest: digest::Context::new(&digest::SHA256),
        source,
        left: length,
        trailer,
    };
    if header.segments() == 1 {
        return producer.seal_one(sink);
    }
    thread::scope(|scope| {
        let (filled, segments) = sync_channel(BUFFERS - 2);
        let (spent, empty) = channel();
        let worker = scope.spawn(move || producer.run(&filled, &empty));
        let mut reader = SegmentReader::new(segments, spent);
        let made = sink(&mut reader);
        let complete = reader.is_at_end();
        drop(reader); // the worker stops when nobody reads
        // The worker's own failure is the cause of whatever the sink then saw.
        let digest = match worker.join() {
            Ok(Ok(digest)) => digest,
            Ok(Err(Stop::Failed(error))) => return Err(error),
            Ok(Err(Stop::NobodyReads)) => {
                return Err(SealBodyError::Sink(
                    made.err().unwrap_or_else(stopped_early),
                ));
            }
            Err(_) => return Err(SealBodyError::Source(io::Error::other("sealing stopped"))),
        };
        let made = made.map_err(SealBodyError::Sink)?;
        if !complete {
            return Err(SealBodyError::Sink(stopped_early()));
        }
        Ok((made, SealedBody { digest }))
    })
}

/// Why a body was not sealed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealBodyError {
    /// The header's size is no body's.
    #[error("a body of {0} bytes is not one of the padded sizes, or too small for its content")]
    Size(u64),
    /// The source cannot be read.
    #[error("the record's bytes cannot be read: {0}")]
    Source(io::Error),
    /// The source has more or fewer bytes than were announced.
    #[error("the record changed while it was read: it no longer has {expected} bytes")]
    Changed {
        /// The announced length.
        expected: u64,
    },
    /// The store did not take the sealed bytes.
    #[error("the sealed bytes cannot be stored: {0}")]
    Sink(io::Error),
}

struct Producer<'a> {
    header: BodyHeader,
    aad: Vec<u8>,
    cipher: LessSafeKey,
    digest: digest::Context,
    source: &'a mut (dyn Read + Send),
    left: u64,
    trailer: &'a [u8],
}

enum Stop {
    Failed(SealBodyError),
    NobodyReads,
}

impl From<SealBodyError> for Stop {
    fn from(error: SealBodyError) -> Self {
        Self::Failed(error)
    }
}

impl Producer<'_> {
    fn run(
        mut self,
        filled: &SyncSender<Vec<u8>>,
        empty: &Receiver<Vec<u8>>,
    ) -> Result<Digest, Stop> {
        let expected = self.left;
        for index in 0..self.header.segments() {
            let mut buffer = empty
                .try_recv()
                .unwrap_or_else(|_| Vec::with_capacity(SEGMENT));
            self.fill(index, expected, &mut buffer)?;
            filled.send(buffer).map_err(|_| Stop::NobodyReads)?;
        }
        Ok(self.finish(expected)?)
    }

    /// One segment: not worth a thread.
    fn seal_one<T>(
        mut self,
        sink: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<(T, SealedBody), SealBodyError> {
        let expected = self.left;
        let mut buffer = Vec::with_capacity(self.header.sealed_size() as usize);
        self.fill(0, expected, &mut buffer)?;
        let digest = self.finish(expected)?;
        let mut rest = buffer.as_slice();
        let made = sink(&mut rest).map_err(SealBodyError::Sink)?;
        if !rest.is_empty() {
            return Err(SealBodyError::Sink(stopped_early()));
        }
        Ok((made, SealedBody { digest }))
    }

    /// Content, then trailer, then zeros; then in place under the cipher.
    fn fill(
        &mut self,
        index: u64,
        expected: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), SealBodyError> {
        let plain = self.header.plain(index);
        buffer.resize(plain, 0);
        let content = self.left.min(plain as u64) as usize;
        let (content, rest) = buffer.split_at_mut(content);
        self.source
            .read_exact(content)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => SealBodyError::Changed { expected },
                _ => SealBodyError::Source(error),
            })?;
        self.digest.update(content);
        self.left -= content.len() as u64;
        let trailer = self.trailer.len().min(rest.len());
        let (now, later) = self.trailer.split_at(trailer);
        rest[..trailer].copy_from_slice(now);
        rest[trailer..].fill(0);
        self.trailer = later;
        self.cipher
            .seal_in_place_append_tag(self.header.nonce(index), Aad::from(&self.aad), buffer)
            .map_err(|_| SealBodyError::Source(io::Error::other("the cipher refused")))
    }

    fn finish(self, expected: u64) -> Result<Digest, SealBodyError> {
        let more = self.source.take(1).read_to_end(&mut Vec::new());
        if more.map_err(SealBodyError::Source)? != 0 {
            return Err(SealBodyError::Changed { expected });
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(self.digest.finish().as_ref());
        Ok(Digest(digest))
    }
}

/// The sealed segments as one stream; gives their buffers back.
struct SegmentReader {
    segments: Receiver<Vec<u8>>,
    spent: Sender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

impl SegmentReader {
    fn new(segments: Receiver<Vec<u8>>, spent: Sender<Vec<u8>>) -> Self {
        Self {
            segments,
            spent,
            current: Vec::new(),
            at: 0,
        }
    }

    /// Fetches the next segment if this one is read; false at the end.
    fn refill(&mut self) -> bool {
        if self.at == self.current.len() {
            match self.segments.recv() {
                Ok(next) => {
                    let read = std::mem::replace(&mut self.current, next);
                    self.at = 0;
                    if !read.is_empty() {
                        let _ = self.spent.send(read); // the worker may have ended
                    }
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Waits for the worker's next segment, if this one is read: one that is not there yet
    /// is not the end.
    fn is_at_end(&mut self) -> bool {
        !self.refill()
    }
}

impl Read for SegmentReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || !self.refill() {
            return Ok(0);
        }
        let from = &self.current[self.at..];
        let count = from.len().min(out.len());
        out[..count].copy_from_slice(&from[..count]);
        self.at += count;
        Ok(count)
    }
}

fn stopped_early() -> io::Error {
    io::Error::other("the store stopped before the end of the body")
}
