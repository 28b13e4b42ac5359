//! What the node answers: canonical bytes, or an error with a code. What only the
//! node's operator should know stays here; the asker gets the code's own line.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base::{Cid, UnknownVersion, codec};
use consensus::SubmitError;
use ledger::{Fault, Refusal};
use serde::Serialize;
use store::{GetError, PutError};

use super::{
    log_line as log, media,
    message::{ErrorBody, ErrorCode, INTERFACE},
    post::PostError,
};

/// An answer of the interface.
#[derive(Debug)]
pub enum Answer {
    /// Canonical bytes of an object.
    Object(Vec<u8>),
    /// A block's bytes.
    Block(Vec<u8>),
    /// Text for people and their tools.
    Text(String),
    /// The same, of a node that does not serve now.
    Unready(String),
    /// A file, as a stream.
    Stream(Body),
    /// Events, as they happen.
    Events(Body),
    /// Not done.
    Error(Box<ErrorBody>),
}

/// The shape of every handler: the error is an answer as well.
pub type Handled = Result<Answer, Answer>;

impl Answer {
    /// An object.
    pub fn object<T: Serialize>(value: &T) -> Self {
        Self::Object(codec::encode(value))
    }

    /// Done, nothing to say.
    pub fn done() -> Self {
        Self::object(&())
    }

    /// Not done.
    pub fn error(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Error(Box::new(ErrorBody {
            code,
            message: message.into(),
            refusal: None,
            block: None,
        }))
    }

    /// The one answer to what does not exist and to what is not for the asker.
    pub fn not_found() -> Self {
        Self::error(
            ErrorCode::NotFound,
            "there is no such thing for this account",
        )
    }

    /// Not a request of this interface.
    pub fn malformed(what: &str) -> Self {
        Self::error(ErrorCode::Malformed, what)
    }

    /// Bytes that are no object of the expected kind, or one of the future.
    pub fn undecodable(error: &codec::DecodeError) -> Self {
        let code = match error {
            codec::DecodeError::Version { .. } => ErrorCode::UnknownVersion,
            _ => ErrorCode::Malformed,
        };
        Self::error(code, error.to_string())
    }

    /// No such route, or one of another version of the interface.
    pub fn no_route(path: &str) -> Self {
        let version = path
            .strip_prefix("/v")
            .and_then(|rest| rest.split('/').next()?.parse::<u32>().ok());
        match version {
            Some(found) if found != INTERFACE => Self::error(
                ErrorCode::UnknownVersion,
                UnknownVersion {
                    found: found.into(),
                    known: INTERFACE,
                }
                .to_string(),
            ),
            _ => Self::not_found(),
        }
    }

    fn refused(refusal: Refusal) -> Self {
        Self::Error(Box::new(ErrorBody {
            code: ErrorCode::Refused,
            message: refusal.to_string(),
            refusal: Some(refusal),
            block: None,
        }))
    }

    fn block_error(code: ErrorCode, block: Cid, message: String) -> Self {
        Self::Error(Box::new(ErrorBody {
            code,
            message,
            refusal: None,
            block: Some(block),
        }))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, kind, body) = match self {
            Self::Object(bytes) => (StatusCode::OK, media::CBOR, Body::from(bytes)),
            Self::Block(bytes) => (StatusCode::OK, media::RAW, Body::from(bytes)),
            Self::Text(text) => (
                StatusCode::OK,
                "text/plain; version=0.0.4",
                Body::from(text),
            ),
            Self::Unready(text) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "text/plain",
                Body::from(text),
            ),
            Self::Stream(body) => (StatusCode::OK, media::OCTETS, body),
            Self::Events(body) => (StatusCode::OK, media::EVENTS, body),
            Self::Error(error) => (
                StatusCode::from_u16(error.code.status())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                media::CBOR,
                Body::from(codec::encode(&*error)),
            ),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        response
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        log(&fault);
        Self::error(
            ErrorCode::Internal,
            "the node cannot read its ledger; ask its operator",
        )
    }
}

impl From<PostError> for Answer {
    fn from(error: PostError) -> Self {
        match error {
            PostError::BoxFull { .. }
            | PostError::SharesFull { .. }
            | PostError::PrekeysFull { .. }
            | PostError::PinsFull { .. } => Self::error(ErrorCode::Storage, error.to_string()),
            PostError::NotYours => Self::not_found(),
            PostError::Storage(inner) => {
                log(&inner);
                Self::error(
                    ErrorCode::Storage,
                    "the node cannot write its mailboxes; ask its operator",
                )
            }
        }
    }
}

impl From<GetError> for Answer {
    fn from(error: GetError) -> Self {
        let message = error.to_string();
        match error {
            GetError::Missing(cid) => Self::block_error(ErrorCode::Missing, cid, message),
            GetError::Damaged(cid) => {
                log(&message);
                Self::block_error(ErrorCode::Damaged, cid, message)
            }
            GetError::Malformed { .. } | GetError::Unsupported(_) => Self::malformed(&message),
            _ => {
                log(&message);
                Self::error(
                    ErrorCode::Internal,
                    "the node cannot read its store; ask its operator",
                )
            }
        }
    }
}

impl From<PutError> for Answer {
    fn from(error: PutError) -> Self {
        let message = error.to_string();
        match error {
            PutError::Mismatch(_) | PutError::Unsupported(_) => Self::malformed(&message),
            PutError::TooLarge { .. } => Self::error(ErrorCode::TooLarge, message),
            PutError::NotPinned(_) => Self::not_found(),
            _ => {
                log(&message);
                Self::error(ErrorCode::Storage, "the node's disk is full or failing")
            }
        }
    }
}

impl From<SubmitError> for Answer {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Refused(refusal) => Self::refused(refusal),
            SubmitError::Busy { .. } | SubmitError::Unreachable(_) => {
                Self::error(ErrorCode::Busy, message)
            }
            _ => {
                log(&message);
                Self::error(ErrorCode::Storage, message)
            }
        }
    }
}
