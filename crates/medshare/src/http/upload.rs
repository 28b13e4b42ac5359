//! Sending a file up while it is read, and comparing the node's CID with the one that is
//! computed here. Neither side may stand still for longer than the client waits.

use base::Cid;
use http_body_util::Either;
use hyper::{Method, body::Bytes};
use share::node::NodeError;
use std::io::Read;
use store::unixfs::{Builder, HashOnly, Profile};
use tokio::{sync::mpsc, time};

use super::{
    body,
    client::{HttpNode, Ticketed, decode},
    limit::MAX_ANSWER,
    message::Stored,
};

type Result<T> = std::result::Result<T, NodeError>;

impl HttpNode {
    /// Sends a file; gives its CID.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) fn upload(&self, source: &mut dyn Read) -> Result<Cid> {
        let mut builder = Builder::new(Profile::UNIXFS_V1_2025, HashOnly);
        let answer = self.send_up("/v1/files", source, |piece| {
            builder
                .write(piece)
                .map_err(|error| NodeError::Local(error.to_string()))
        })?;
        let stored: Stored = decode(&answer)?;
        let finished = builder
            .finish()
            .map_err(|error| NodeError::Local(error.to_string()))?;
        if stored.cid != finished.cid {
            return Err(NodeError::BadAnswer(format!(
                "the node stored {} where {} was sent",
                stored.cid, finished.cid
            )));
        }
        Ok(stored.cid)
    }

    /// Sends what `source` gives to a route that takes a stream; `seen` sees each piece.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) fn send_up(
        &self,
        path: &str,
        source: &mut dyn Read,
        mut seen: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Vec<u8>> {
        let (feeder, fed) = body::fed();
        let request = self.request(Method::PUT, path, Either::Right(fed), Ticketed::Yes, None)?;
        let exchange = async {
            let mut connection = self.connect().await?;
            let response = connection
                .send_request(request)
                .await
                .map_err(|error| self.lost(&error))?;
            let answer = self.finish(response, MAX_ANSWER).await?;
            self.keep(connection);
            Ok::<Vec<u8>, NodeError>(answer)
        };
        self.runtime().block_on(async {
            let mut exchange = std::pin::pin!(exchange);
            let pump = self.pump(source, &mut seen, feeder);
            tokio::select! {
                biased;
                // Its answer before the end says why it takes no more.
                answer = &mut exchange => return answer,
                pumped = pump => pumped?,
            }
            time::timeout(self.timeout(), exchange)
                .await
                .unwrap_or_else(|_| Err(self.silent()))
        })
    }

    /// Feeds the file, piece by piece, to the connection.
    async fn pump(
        &self,
        source: &mut dyn Read,
        seen: &mut impl FnMut(&[u8]) -> Result<()>,
        feeder: mpsc::Sender<body::Piece>,
    ) -> Result<()> {
        loop {
            let mut piece = vec![0; PIECE];
            let length =
                fill(source, &mut piece).map_err(|error| NodeError::Local(error.to_string()))?;
            piece.truncate(length);
            if length == 0 {
                return Ok(());
            }
            seen(&piece)?;
            match time::timeout(self.timeout(), feeder.send(Ok(Bytes::from(piece)))).await {
                Err(_) => return Err(self.silent()),
                // A closed channel means the node has answered already: hear its answer.
                Ok(Err(_)) => return Ok(()),
                Ok(Ok(())) => {}
            }
        }
    }
}

/// Fills `buffer` as far as `source` reaches.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

const PIECE: usize = 1 << 20;
