//! A body that another thread feeds, in bounded memory; both sides use it.

use hyper::body::{Body, Bytes, Frame};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// Pieces that wait between the feeder and the connection.
const WAITING: usize = 4;

/// What the feeder sends: a piece, or why there is no more.
pub type Piece = Result<Bytes, io::Error>;

/// The receiving end, as a body of HTTP.
#[derive(Debug)]
pub struct Fed(mpsc::Receiver<Piece>);

/// A feeder and the body it feeds. Dropping the feeder ends the body.
pub fn fed() -> (mpsc::Sender<Piece>, Fed) {
    let (feeder, pieces) = mpsc::channel(WAITING);
    (feeder, Fed(pieces))
}

impl Body for Fed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
