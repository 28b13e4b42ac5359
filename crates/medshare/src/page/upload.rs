//! Files that come with a form, and large ones that go out: never whole in memory, and on
//! disk without a name, so that their bytes are gone with the process.

use axum::{
    body::Body,
    extract::Multipart,
    http::{HeaderMap, StatusCode, header},
};
use hyper::body::{Bytes, Frame, SizeHint};
use share::record::{Original, ReadSeek};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};

use super::site::{Fields, Site, Whose};
use crate::exit::{Exit, Fault, Result};

/// Largest form with a record, in bytes: larger ones are published by the command line.
pub(super) const RECORD: usize = 1 << 30;
/// Largest form with a proof, in bytes: the proof is an object of at most 1 MiB.
pub(super) const PROOF: usize = base::codec::MAX_OBJECT + (64 << 10);
/// Fields of a form beside its file, and bytes of each.
const FIELDS: usize = 32;
const FIELD: usize = 16 << 10;

/// Whether a body says itself that it is longer than `most` bytes.
pub(super) fn is_longer(headers: &HeaderMap, most: usize) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > most as u64)
}

/// Why a form with a file is not taken.
pub(super) enum Refused {
    /// The form itself.
    Status(StatusCode),
    /// The disk, or this machine.
    Fault(Fault),
}

/// Reads a form. Its token must come before its file: a page of another site writes nothing
/// to disk. What the file was called is not looked at.
pub(super) async fn fields(
    mut parts: Multipart,
    site: &Site,
) -> std::result::Result<Fields, Refused> {
    let mut fields = Fields::default();
    let broken = |error: axum::extract::multipart::MultipartError| Refused::Status(error.status());
    while let Some(mut part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        if part.file_name().is_none() {
            let mut value = Vec::new();
            while let Some(bytes) = part.chunk().await.map_err(broken)? {
                value.extend_from_slice(&bytes);
                if value.len() > FIELD {
                    return Err(Refused::Status(StatusCode::PAYLOAD_TOO_LARGE));
                }
            }
            let value = String::from_utf8(value);
            let value = value.map_err(|_| Refused::Status(StatusCode::BAD_REQUEST))?;
            fields.pairs.push((name, value));
            if fields.pairs.len() > FIELDS {
                return Err(Refused::Status(StatusCode::BAD_REQUEST));
            }
            continue;
        }
        if !site.session.sent(fields.get("csrf")) || fields.file.is_some() {
            return Err(Refused::Status(StatusCode::NOT_FOUND));
        }
        let file = nameless(site).map_err(Refused::Fault)?;
        let mut file = tokio::fs::File::from_std(file);
        let full =
            |error: &io::Error| Refused::Fault(Fault::io("the folder for what is sent", error));
        while let Some(bytes) = part.chunk().await.map_err(broken)? {
            file.write_all(&bytes).await.map_err(|error| full(&error))?;
        }
        file.flush().await.map_err(|error| full(&error))?;
        fields.file = Some(file.into_std().await);
    }
    Ok(fields)
}

/// A file without a name, in the home's own folder where there is a home.
pub(super) fn nameless(site: &Site) -> Result<File> {
    let made = match &site.whose {
        Whose::Home(kept) => tempfile::tempfile_in(kept.home().folder()),
        Whose::Anybody(_) => tempfile::tempfile(),
    };
    made.map_err(|error| Fault::io("a file for what is sent", &error))
}

/// The whole of a small file.
pub(super) fn small(file: &File, most: usize) -> Result<Vec<u8>> {
    let io = |error: io::Error| Fault::io("what was sent", &error);
    let length = file.metadata().map_err(io)?.len();
    if length > most as u64 {
        return Err(Fault::new(Exit::Invalid, "the file is too large"));
    }
    let mut bytes = Vec::new();
    At::start(file.try_clone().map_err(io)?.into())
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

// -- a file without a name, read at several places at once

/// A document to be published.
pub(super) struct Nameless(pub(super) Arc<File>);

impl Original for Nameless {
    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(At::start(Arc::clone(&self.0))))
    }

    fn length(&self) -> io::Result<u64> {
        self.0.metadata().map(|meta| meta.len())
    }
}

/// A reader with a place of its own.
struct At {
    file: Arc<File>,
    at: u64,
}

impl At {
    const fn start(file: Arc<File>) -> Self {
        Self { file, at: 0 }
    }
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.at, by),
            SeekFrom::End(by) => (self.file.metadata()?.len(), by),
        };
        let at = from.checked_add_signed(by);
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

// -- a file that goes out

/// The bytes of `file` from its start.
pub(super) fn body(file: File) -> Body {
    Body::new(Outgoing(tokio::fs::File::from_std(file)))
}

struct Outgoing(tokio::fs::File);

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut bytes = vec![0; CHUNK];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.0).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {
                let length = buffer.filled().len();
                bytes.truncate(length);
                Poll::Ready((length > 0).then(|| Ok(Frame::data(bytes.into()))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

const CHUNK: usize = 64 << 10;
