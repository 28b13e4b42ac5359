//! What is to be said to a peer over one connection: wants of our fetches, answers to its own
//! wants.

use super::message::{Message, Want};
use std::{
    collections::HashMap,
    future::poll_fn,
    task::{Context, Poll, ready},
};
use tokio::sync::mpsc;

pub(super) struct Outbox {
    /// Wants, of all fetches. Their number is bounded by what fetches may have outstanding.
    pub(super) wants: mpsc::UnboundedReceiver<Want>,
    /// Encoded messages.
    pub(super) answers: mpsc::Receiver<Vec<u8>>,
}

impl Outbox {
    /// The next message, encoded: all wants that wait, before any answer.
    pub(super) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut message = Message::default();
        let mut places = HashMap::new();
        while let Poll::Ready(Some(want)) = self.wants.poll_recv(context) {
            // Of several words about one block the last counts.
            let place = *places.entry(want.cid).or_insert(message.wants.len());
            match message.wants.get_mut(place) {
                Some(before) => *before = want,
                None => message.wants.push(want),
            }
        }
        if !message.wants.is_empty() {
            return Poll::Ready(message.encode());
        }
        match ready!(self.answers.poll_recv(context)) {
            Some(frame) => Poll::Ready(frame),
            None => Poll::Pending, // the connection is closing
        }
    }

    pub(super) async fn frame(&mut self) -> Vec<u8> {
        poll_fn(|context| self.poll_frame(context)).await
    }
}
