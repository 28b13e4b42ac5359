//! Why a call to a Kubo came to nothing, in words for its operator.

use super::Endpoint;
use serde::Deserialize;
use std::{io, time::Duration};
use thiserror::Error;

/// Why a call came to nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RpcError {
    /// Nobody listens there.
    #[error("no Kubo answers at {endpoint} ({source}); start its daemon or correct the address")]
    Down {
        /// Where.
        endpoint: Endpoint,
        /// What the machine said.
        source: io::Error,
    },
    /// No answer, or no further piece of one, in time.
    #[error("the Kubo at {endpoint} gave no answer within {} s", .patience.as_secs_f32())]
    Silent {
        /// Where.
        endpoint: Endpoint,
        /// How long was waited.
        patience: Duration,
    },
    /// The connection broke: the daemon ended, or was ended.
    #[error("the Kubo at {endpoint} broke off: {reason}")]
    Broken {
        /// Where.
        endpoint: Endpoint,
        /// What the machine said.
        reason: String,
    },
    /// Kubo lets nobody of our kind in.
    #[error(
        "the Kubo at {endpoint} does not let us use its RPC (HTTP status {status}); see its API.Authorizations"
    )]
    Refused {
        /// Where.
        endpoint: Endpoint,
        /// The HTTP status.
        status: u16,
    },
    /// Something else than a Kubo of a known version.
    #[error("what answers at {endpoint} is not the RPC of a Kubo: {reason}")]
    Foreign {
        /// Where.
        endpoint: Endpoint,
        /// What was wrong with the answer.
        reason: String,
    },
    /// Kubo did what was asked, and failed.
    #[error("Kubo: {0}")]
    Kubo(String),
    /// An answer longer than anything Kubo has to say here.
    #[error("the Kubo at {endpoint} gave an answer of more than {limit} bytes")]
    TooLarge {
        /// Where.
        endpoint: Endpoint,
        /// Most bytes.
        limit: u64,
    },
    /// A file to be sent could not be read.
    #[error("what was to be sent to Kubo could not be read: {0}")]
    Local(#[source] io::Error),
}

impl RpcError {
    /// Whether Kubo says that it does not hold the block. It has only words for that.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Kubo(message) if message.contains("ipld: could not find"))
    }

    /// Whether Kubo says that there is no direct pin: none at all, or somebody's recursive one.
    pub(super) fn is_unpinned(&self) -> bool {
        matches!(self, Self::Kubo(message)
            if message.contains("not pinned") || message.contains("is pinned recursively"))
    }

    /// Whether Kubo says that somebody pinned the block with all that it reaches.
    pub(super) fn is_pinned_already(&self) -> bool {
        matches!(self, Self::Kubo(message) if message.contains("already pinned recursively"))
    }
}

impl From<RpcError> for io::Error {
    fn from(error: RpcError) -> Self {
        let kind = match &error {
            RpcError::Down { source, .. } | RpcError::Local(source) => source.kind(),
            RpcError::Silent { .. } => io::ErrorKind::TimedOut,
            RpcError::Broken { .. } => io::ErrorKind::ConnectionAborted,
            RpcError::Refused { .. } => io::ErrorKind::PermissionDenied,
            RpcError::Kubo(message) if message.contains("no space left on device") => {
                io::ErrorKind::StorageFull
            }
            RpcError::Kubo(message) if message.contains("disk quota exceeded") => {
                io::ErrorKind::QuotaExceeded
            }
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Kubo's word for a failure.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failure {
    message: String,
}

impl From<Failure> for RpcError {
    fn from(failure: Failure) -> Self {
        Self::Kubo(printable(&failure.message))
    }
}

/// What comes from outside and goes into a message: one line, of bounded length.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(400)
        .collect()
}
