//! News of the log for a page that is open: one event for each new head.

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse as _, Response},
};
use hyper::body::{Bytes, Frame};
use share::Node as _;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time,
};

use super::site::Site;

/// Server-sent events (WHATWG HTML, 9.2) until the reader goes or the page ends: the number
/// of leaves each time that there are more.
pub(super) fn of(site: &Arc<Site>, mut stopped: watch::Receiver<bool>) -> Response {
    let (sender, receiver) = mpsc::channel(4);
    let site = Arc::clone(site);
    tokio::spawn(async move {
        let mut seen = None;
        let mut quiet = 0;
        loop {
            let asked = Arc::clone(&site);
            let size = spawn_blocking(move || asked.node.head().map(|head| head.header.tree_size));
            let size = size.await.ok().and_then(Result::ok);
            quiet += 1;
            let event = match (seen, size) {
                (Some(before), Some(size)) if size != before => format!("data: {size}\n\n"),
                // So that a connection that nobody hears at any more is noticed.
                _ if quiet >= QUIET => ":\n\n".to_owned(),
                _ => String::new(),
            };
            seen = size.or(seen);
            if !event.is_empty() {
                quiet = 0;
                if sender.send(event.into()).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = time::sleep(PAUSE) => {}
                () = sender.closed() => return,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    });
    let kind = [(header::CONTENT_TYPE, "text/event-stream")];
    (kind, Body::new(Events(receiver))).into_response()
}

struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(context);
        next.map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Between two looks at the node.
const PAUSE: Duration = Duration::from_millis(500);
/// Looks without news until something is said all the same.
const QUIET: u32 = 30;
