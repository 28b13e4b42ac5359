//! Files up and down as streams, in bounded memory: a few pieces between the connection
//! and the thread that hashes and writes.

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
};
use base::Cid;
use http_body_util::BodyExt as _;
use std::{
    io::{self, Read as _},
    sync::Arc,
    time::Duration,
};
use store::unixfs;
use tokio::{sync::mpsc, time};

use super::{
    answer::{Answer, Handled},
    body,
    message::{ErrorCode, Stored},
    routes::{Interface, Shared, Who, blocking, check_ticket, parse},
};

/// `PUT /v1/files`: stores the body as UnixFS (profile unixfs-v1-2025), all or nothing.
pub(super) async fn put_file(State(interface): Shared, request: Request) -> Handled {
    let (parts, mut incoming) = request.into_parts();
    check_ticket(&interface, &parts, None, Who::Registered).await?;
    let (pieces, queue) = mpsc::channel(WAITING);
    let limit = interface.file_limit;
    let writer = tokio::task::spawn_blocking(move || write_file(&interface, queue));
    let mut total = 0;
    let mut cut = None;
    loop {
        let frame = match time::timeout(SILENCE, incoming.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => {
                cut = Some(Answer::malformed("the file broke off"));
                break;
            }
            Err(_) => {
                cut = Some(Answer::error(
                    ErrorCode::TimedOut,
                    "the file stood still for too long",
                ));
                break;
            }
        };
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        total += bytes.len() as u64;
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
async fn drain(body: &mut Body) {
    let mut left = DRAINED;
    while let Ok(Some(Ok(frame))) = time::timeout(SILENCE, body.frame()).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |bytes| bytes.len() as u64));
        if left == 0 {
            return;
        }
    }
}

enum Step {
    Piece(Bytes),
    End,
}

fn write_file(interface: &Arc<Interface>, mut queue: mpsc::Receiver<Step>) -> Handled {
    let mut batch = interface.store.batch();
    let mut builder = unixfs::Builder::new(unixfs::Profile::UNIXFS_V1_2025, &mut *batch);
    loop {
        match queue.blocking_recv() {
            Some(Step::Piece(bytes)) => builder.write(&bytes)?,
            Some(Step::End) => break,
            // The sender is gone before the end: nothing of the file stays.
            None => return Err(Answer::malformed("the file broke off")),
        }
    }
    let cid = builder.finish()?.cid;
    batch.commit()?;
    Ok(Answer::object(&Stored { cid }))
}

/// `GET /v1/files/{cid}`: the file's bytes; every block is hashed before its bytes leave.
/// A block that is missing half-way breaks the stream off.
pub(super) async fn read_file(State(interface): Shared, Path(cid): Path<String>) -> Handled {
    let cid: Cid = parse(&cid)?;
    let (feeder, fed) = body::fed();
    let (opened, is_open) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut reader = match unixfs::Reader::open(&*interface.store, cid) {
            Ok(reader) => {
                let _ = opened.send(Ok(()));
                reader
            }
            Err(error) => {
                let _ = opened.send(Err(Answer::from(error)));
                return;
            }
        };
        loop {
            let mut piece = vec![0; PIECE];
            let sent = match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => {
                    piece.truncate(length);
                    feeder.blocking_send(Ok(piece.into()))
                }
                Err(error) => {
                    let _ = feeder.blocking_send(Err(io::Error::other(error)));
                    return;
                }
            };
            if sent.is_err() {
                return; // the reader went away
            }
        }
    });
    match is_open.await {
        Ok(Ok(())) => Ok(Answer::Stream(Body::new(fed))),
        Ok(Err(answer)) => Err(answer),
        Err(_) => blocking(|| Err(Answer::error(ErrorCode::Internal, "a fault of the node"))).await,
    }
}

const WAITING: usize = 4;
const PIECE: usize = 256 << 10;
/// Most bytes of a refused file that are read before the answer.
const DRAINED: u64 = 4 << 30;
/// Longest time between two pieces of a file.
const SILENCE: Duration = Duration::from_secs(30);
