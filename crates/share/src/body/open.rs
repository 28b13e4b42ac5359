//! Opening a body: fetch on one thread, decrypt, hash and write on the caller's.

use aws_lc_rs::{
    aead::{Aad, LessSafeKey},
    digest,
};
use base::Digest;
use std::{
    io::{self, Read, Write},
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread,
};
use thiserror::Error;
use zeroize::Zeroize as _;

use super::{BUFFERS, BodyHeader, SEGMENT, TAG, cipher};

/// What came out of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedBody {
    /// SHA2-256 of the content.
    pub digest: Digest,
    /// What stood between content and padding.
    pub trailer: Vec<u8>,
}

/// Opens a body of `length` bytes of content and `trailer` bytes after it into `sink`.
/// What `sink` got is authentic segment by segment, but the content as a whole only when
/// this returns `Ok` and the caller has compared the digest: commit the sink then.
///
/// # Errors
/// [`OpenBodyError`]; throw away what `sink` got.
pub fn open(
    header: &BodyHeader,
    key: &[u8; 32],
    sealed: &mut (dyn Read + Send),
    length: u64,
    trailer: usize,
    sink: &mut dyn Write,
) -> Result<OpenedBody, OpenBodyError> {
    let used = length.checked_add(trailer as u64);
    if !header.is_sound() || used.is_none_or(|used| super::padded(used) != header.size) {
        return Err(OpenBodyError::Size);
    }
    let mut consumer = Consumer {
        header: *header,
        aad: header.aad(),
        cipher: cipher(key),
        digest: digest::Context::new(&digest::SHA256),
        left: length,
        trailer: Vec::with_capacity(trailer.min(SEGMENT)),
        trailer_left: trailer,
        sink,
    };
    if header.segments() == 1 {
        let mut segment = Vec::new();
        fetch(header, 0, sealed, &mut segment)?;
        at_end(sealed)?;
        consumer.take(0, &mut segment)?;
        return Ok(consumer.finish());
    }
    thread::scope(|scope| {
        let (filled, segments) = sync_channel(BUFFERS - 2);
        let (spent, empty) = channel();
        let fetcher = scope.spawn(move || fetch_all(header, sealed, &filled, &empty));
        let mut taken = Ok(());
        for (index, mut segment) in (0..header.segments()).zip(&segments) {
            taken = consumer.take(index, &mut segment);
            if taken.is_err() {
                break;
            }
            let _ = spent.send(segment); // the fetcher may have ended
        }
        drop(segments);
        let fetched = fetcher
            .join()
            .unwrap_or_else(|_| Err(OpenBodyError::Source(io::Error::other("fetching stopped"))));
        taken?;
        fetched?;
        Ok(consumer.finish())
    })
}

/// Opens segment `index` of a body alone: [`super::PLAIN`] bytes of content, trailer and
/// padding, or what is left of them in the last one.
///
/// # Errors
/// [`OpenBodyError::Damaged`] for wrong bytes, key, header or index.
pub fn open_segment(
    header: &BodyHeader,
    key: &[u8; 32],
    index: u64,
    sealed: &[u8],
) -> Result<Vec<u8>, OpenBodyError> {
    if !header.is_sound() || index >= header.segments() {
        return Err(OpenBodyError::Size);
    }
    let mut segment = sealed.to_vec();
    let length = decrypt(header, &header.aad(), &cipher(key), index, &mut segment)?.len();
    segment.truncate(length);
    Ok(segment)
}

/// Why a body does not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenBodyError {
    /// Header, length and trailer do not fit each other.
    #[error("the sealed body has not the size that its opening says")]
    Size,
    /// A segment that is not authentic: changed, moved, cut, of another part, or another key.
    #[error("segment {segment} of the sealed body is damaged")]
    Damaged {
        /// Its index.
        segment: u64,
    },
    /// Bytes after the last segment.
    #[error("the sealed body is longer than its header says")]
    TooLong,
    /// The sealed bytes cannot be read.
    #[error("the sealed body cannot be read: {0}")]
    Source(io::Error),
    /// The opened bytes cannot be written.
    #[error("the opened bytes cannot be written: {0}")]
    Sink(io::Error),
}

struct Consumer<'a> {
    header: BodyHeader,
    aad: Vec<u8>,
    cipher: LessSafeKey,
    digest: digest::Context,
    left: u64,
    trailer: Vec<u8>,
    trailer_left: usize,
    sink: &'a mut dyn Write,
}

impl Consumer<'_> {
    fn take(&mut self, index: u64, segment: &mut [u8]) -> Result<(), OpenBodyError> {
        let plain = decrypt(&self.header, &self.aad, &self.cipher, index, segment)?;
        let (content, rest) = plain.split_at(self.left.min(plain.len() as u64) as usize);
        self.digest.update(content);
        self.left -= content.len() as u64;
        let (trailer, zeros) = rest.split_at(self.trailer_left.min(rest.len()));
        self.trailer.extend_from_slice(trailer);
        self.trailer_left -= trailer.len();
        if zeros.iter().fold(0, |any, byte| any | byte) != 0 {
            return Err(OpenBodyError::Damaged { segment: index });
        }
        self.sink.write_all(content).map_err(OpenBodyError::Sink)
    }

    fn finish(self) -> OpenedBody {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.digest.finish().as_ref());
        OpenedBody {
            digest: Digest(digest),
            trailer: self.trailer,
        }
    }
}

fn decrypt<'a>(
    header: &BodyHeader,
    aad: &[u8],
    cipher: &LessSafeKey,
    index: u64,
    segment: &'a mut [u8],
) -> Result<&'a [u8], OpenBodyError> {
    if segment.len() != header.plain(index) + TAG {
        return Err(OpenBodyError::Damaged { segment: index });
    }
    match cipher.open_in_place(header.nonce(index), Aad::from(aad), segment) {
        Ok(plain) => Ok(plain),
        Err(_) => Err(OpenBodyError::Damaged { segment: index }),
    }
}

fn fetch_all(
    header: &BodyHeader,
    sealed: &mut dyn Read,
    filled: &SyncSender<Vec<u8>>,
    empty: &Receiver<Vec<u8>>,
) -> Result<(), OpenBodyError> {
    for index in 0..header.segments() {
        let mut buffer = empty.try_recv().unwrap_or_default();
        fetch(header, index, sealed, &mut buffer)?;
        if filled.send(buffer).is_err() {
            return Ok(()); // the other side failed and says why
        }
    }
    while let Ok(mut buffer) = empty.try_recv() {
        buffer.zeroize();
    }
    at_end(sealed)
}

fn fetch(
    header: &BodyHeader,
    index: u64,
    sealed: &mut dyn Read,
    buffer: &mut Vec<u8>,
) -> Result<(), OpenBodyError> {
    buffer.resize(header.plain(index) + TAG, 0);
    sealed
        .read_exact(buffer)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => OpenBodyError::Damaged { segment: index },
            _ => OpenBodyError::Source(error),
        })
}

fn at_end(sealed: &mut dyn Read) -> Result<(), OpenBodyError> {
    match sealed.take(1).read_to_end(&mut Vec::new()) {
        Ok(0) => Ok(()),
        Ok(_) => Err(OpenBodyError::TooLong),
        Err(error) => Err(OpenBodyError::Source(error)),
    }
}
