//! Files up and down as streams, in bounded memory: a few pieces between the connection
//! and the thread that hashes and writes.

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
};
use base::{Cid, Digest};
use sha2::{Digest as _, Sha256};
use std::{io, sync::Arc, time::Duration};
use store::unixfs;
use tokio::{runtime::Handle, sync::mpsc, time};

use super::{
    admission::{Who, asker, blocking, parse},
    answer::{Answer, Handled},
    body,
    connections::Phase,
    interface::{Interface, Shared},
    message::{ErrorCode, Stored},
    turn::{Incoming, place_of},
};

/// `PUT /v1/files`: stores the body as UnixFS (profile unixfs-v1-2025), all or nothing.
pub(super) async fn put_file(State(interface): Shared, request: Request) -> Handled {
    let (parts, body) = request.into_parts();
    let asker = asker(&interface, &parts, None, Who::Registered).await?;
    let request = Request::from_parts(parts, body);
    receive(interface, request, asker.content, write_file).await
}

/// Takes in a streamed body, which `write` reads on a thread that may block. With a digest
/// that was signed, another body is not taken.
pub(super) async fn receive(
    interface: Arc<Interface>,
    request: Request,
    signed: Option<Digest>,
    write: fn(&Arc<Interface>, Pieces) -> Handled,
) -> Handled {
    let place = place_of(&request);
    let body = request.into_body();
    let turn = interface.turns.file(place.as_deref()).await;
    let turn = turn.ok_or_else(too_many)?;
    let mut incoming = Incoming::new(body, place, Phase::Streaming);
    let (pieces, queue) = mpsc::channel(WAITING);
    let limit = interface.file_limit;
    let writer = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        write(&interface, Pieces::new(queue))
    });
    let mut total = 0;
    let mut cut = None;
    let mut hash = signed.map(|_| Sha256::new());
    loop {
        let bytes = match incoming.next().await {
            Ok(None) => break,
            Ok(Some(bytes)) => bytes,
            Err(why) => {
                cut = Some(Answer::from(why));
                break;
            }
        };
        total += bytes.len() as u64;
        if let Some(hash) = &mut hash {
            hash.update(&bytes);
        }
        if total > limit {
            cut = Some(Answer::error(
                ErrorCode::TooLarge,
                format!("this node takes files up to {limit} bytes"),
            ));
            drain(&mut incoming).await;
            break;
        }
        if pieces.send(Step::Piece(bytes)).await.is_err() {
            // The writer has failed and says why; a sender that is cut off while it
            // writes would not hear it.
            drain(&mut incoming).await;
            break;
        }
    }
    let found = hash.map(|hash| Digest(hash.finalize().into()));
    if cut.is_none() && found != signed {
        cut = Some(Answer::malformed("the body is not the one that was signed"));
    }
    if cut.is_none() {
        let _ = pieces.send(Step::End).await;
    }
    drop(pieces);
    let written = writer
        .await
        .unwrap_or_else(|_| Err(Answer::error(ErrorCode::Internal, "a fault of the node")));
    match cut {
        Some(answer) => Err(answer),
        None => written,
    }
}

/// Reads the rest of a body and drops it, within bounds.
async fn drain(body: &mut Incoming) {
    let mut left = DRAINED;
    while let Ok(Some(bytes)) = body.next().await {
        left = left.saturating_sub(bytes.len() as u64);
        if left == 0 {
            return;
        }
    }
}

fn too_many() -> Answer {
    Answer::error(
        ErrorCode::Busy,
        "the node moves as many files as it can; try again shortly",
    )
}

enum Step {
    Piece(Bytes),
    End,
}

/// A body as a thread reads it: it ends without an error only where its sender ended it.
pub(super) struct Pieces {
    queue: mpsc::Receiver<Step>,
    rest: Bytes,
    ended: bool,
}

impl Pieces {
    const fn new(queue: mpsc::Receiver<Step>) -> Self {
        Self {
            queue,
            rest: Bytes::new(),
            ended: false,
        }
    }

    /// The next piece; none at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Answer> {
        if self.ended {
            return Ok(None);
        }
        match self.queue.blocking_recv() {
            Some(Step::Piece(bytes)) => Ok(Some(bytes)),
            Some(Step::End) => {
                self.ended = true;
                Ok(None)
            }
            // The sender is gone before the end: nothing of the file stays.
            None => Err(Answer::malformed("the file broke off")),
        }
    }
}

impl io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.next() {
                Ok(Some(bytes)) => self.rest = bytes,
                Ok(None) => return Ok(0),
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = buffer.len().min(self.rest.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

fn write_file(interface: &Arc<Interface>, mut pieces: Pieces) -> Handled {
    let mut batch = interface.store.batch();
    let mut builder = unixfs::Builder::new(unixfs::Profile::UNIXFS_V1_2025, &mut *batch);
    while let Some(bytes) = pieces.next()? {
        builder.write(&bytes)?;
    }
    let cid = builder.finish()?.cid;
    batch.commit()?;
    Ok(Answer::object(&Stored { cid }))
}

/// `GET /v1/files/{cid}`: the file's bytes; every block is hashed before its bytes leave.
/// A block that is missing half-way breaks the stream off.
pub(super) async fn read_file(
    State(interface): Shared,
    Path(cid): Path<String>,
    request: Request,
) -> Handled {
    let cid: Cid = parse(&cid)?;
    let turn = interface.turns.file(place_of(&request).as_deref()).await;
    let turn = turn.ok_or_else(too_many)?;
    let (feeder, fed) = body::fed();
    let (opened, is_open) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let mut reader = match unixfs::Reader::open(&*interface, cid) {
            Ok(reader) => {
                let _ = opened.send(Ok(()));
                reader
            }
            Err(error) => {
                let _ = opened.send(Err(Answer::from(error)));
                return;
            }
        };
        feed(&feeder, &mut reader, SILENCE);
    });
    match is_open.await {
        Ok(Ok(())) => Ok(Answer::Stream(Body::new(fed))),
        Ok(Err(answer)) => Err(answer),
        Err(_) => blocking(|| Err(Answer::error(ErrorCode::Internal, "a fault of the node"))).await,
    }
}

/// Sends what `file` gives until it ends, fails, or nobody takes a piece for `silence`.
/// Only a whole file ends without an error. Runs on a thread that may block.
fn feed(feeder: &mpsc::Sender<body::Piece>, file: &mut dyn io::Read, silence: Duration) {
    // Room kept for the last word: what is cut off must not look like a whole file.
    let Ok(last) = feeder.clone().try_reserve_owned() else {
        return;
    };
    let runtime = Handle::current();
    let failure = loop {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => piece.truncate(length),
            Err(error) => break error,
        }
        let sending = async { time::timeout(silence, feeder.send(Ok(piece.into()))).await };
        match runtime.block_on(sending) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return, // the reader went away
            Err(_) => break io::ErrorKind::TimedOut.into(),
        }
    };
    last.send(Err(failure));
}

const WAITING: usize = 4;
const PIECE: usize = 256 << 10;
/// Most bytes of a refused file that are read before the answer.
const DRAINED: u64 = 4 << 30;
/// Longest time between two pieces of a file that is given.
const SILENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::time::Instant;

    fn fed_with(mut file: impl io::Read + Send + 'static, read: bool) -> io::Result<usize> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (feeder, fed) = body::fed();
        runtime.block_on(async move {
            let silence = Duration::from_millis(200);
            let thread = tokio::task::spawn_blocking(move || feed(&feeder, &mut file, silence));
            if !read {
                // Takes nothing: the thread must come free by itself.
                time::timeout(Duration::from_secs(20), thread)
                    .await
                    .unwrap()
                    .unwrap();
            }
            Ok(fed.collect().await?.to_bytes().len())
        })
    }

    #[test]
    fn a_reader_that_stands_still_frees_the_thread_and_gets_no_whole_file() {
        let started = Instant::now();
        let cut = fed_with(io::repeat(1), false);
        assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= Duration::from_millis(200));
        let whole = fed_with(io::Read::take(io::repeat(1), 5_000_000), true);
        assert_eq!(whole.unwrap(), 5_000_000);
    }
}
