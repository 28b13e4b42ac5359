//! The post of another node: letters, one-time keys and bags are kept in one place, by the
//! node that orders the ledger. A node that follows passes such requests on as they are;
//! their tickets are signed for method, path and body, and are judged where they arrive.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use http_body_util::{BodyExt as _, Limited};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{
    admission::blocking,
    answer::Answer,
    interface::Shared,
    limit::{MAX_BODY, MAX_PASSED},
    media,
    message::ErrorCode,
    signature,
};

/// A request of the post as it is passed on; nothing of it is checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passed {
    /// HTTP method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// The ticket's header, if there was one.
    pub authorization: Option<String>,
    /// Of a request that is signed otherwise, or whose body is no DAG-CBOR: the headers that
    /// say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: ByteBuf,
}

/// What came back for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returned {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: ByteBuf,
    /// Height of the answering node's ledger once it had answered: what a letter names is
    /// there.
    pub height: u64,
}

/// The way to the node that keeps the post. A call blocks and comes to an end by itself.
pub trait Relay: Send + Sync {
    /// Passes a request on.
    ///
    /// # Errors
    /// [`RelayError`].
    fn pass(&self, request: Passed) -> Result<Returned, RelayError>;
}

/// Why there is no answer from the node that keeps the post.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// It cannot be reached; nothing was sent.
    #[error("the node that keeps the post cannot be reached: {0}")]
    Unreachable(String),
    /// It was asked and did not answer, or not with an answer.
    #[error("the node that keeps the post gave no answer: {0}")]
    Lost(String),
}

/// Handles every route of the post on a node that follows.
pub(super) async fn pass(State(interface): Shared, request: Request) -> Result<Response, Answer> {
    let relay = interface.relay.clone().ok_or_else(Answer::not_found)?;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        Answer::error(
            ErrorCode::TooLarge,
            "the body is larger than 1 MiB or broken off",
        )
    })?;
    let authorization = parts.headers.get(header::AUTHORIZATION);
    let passed = Passed {
        method: parts.method.to_string(),
        path: parts
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        authorization: authorization
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        headers: telling(&parts.headers),
        body: ByteBuf::from(body.to_vec()),
    };
    let returned = blocking(move || relay.pass(passed).map_err(Answer::from)).await?;
    Ok(returned.into_response())
}

/// The headers that the judging node needs beside a ticket: none with a ticket and
/// DAG-CBOR, which nodes of before understand.
fn telling(headers: &HeaderMap) -> Vec<(String, String)> {
    let cbor = headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind == media::CBOR);
    if cbor && !signature::is_signed(headers) {
        return Vec::new();
    }
    let values = |name: &'static str| {
        let values = headers.get_all(name).iter();
        values.filter_map(move |value| Some((name.to_owned(), value.to_str().ok()?.to_owned())))
    };
    signature::PASSED.into_iter().flat_map(values).collect()
}

impl From<RelayError> for Answer {
    fn from(error: RelayError) -> Self {
        let code = match error {
            RelayError::Unreachable(_) => ErrorCode::Busy,
            RelayError::Lost(_) => ErrorCode::TimedOut,
        };
        Self::error(code, error.to_string())
    }
}

impl Returned {
    fn into_response(self) -> Response {
        let Ok(status) = StatusCode::from_u16(self.status) else {
            let lost = RelayError::Lost("a status that is none".into());
            return Answer::from(lost).into_response();
        };
        let mut response = Response::new(Body::from(self.body.into_vec()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static(media::CBOR);
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }
}

/// Answers a request that another node passed on, by the routes of the post alone.
pub async fn answer_passed(post: Router, passed: Passed) -> Returned {
    let Some(request) = to_request(passed) else {
        return of_answer(Answer::malformed("not a request of the post")).await;
    };
    // Its errors are answers already: the error type has no value.
    match TowerToHyperService::new(post).call(request).await {
        Ok(response) => of_response(response).await,
    }
}

fn to_request(passed: Passed) -> Option<Request> {
    if passed.body.len() > MAX_BODY || !passed.path.starts_with("/v1/") {
        return None;
    }
    let mut request = Request::builder()
        .method(passed.method.as_str())
        .uri(passed.path);
    if let Some(ticket) = passed.authorization {
        request = request.header(header::AUTHORIZATION, ticket);
    }
    for (name, value) in passed.headers {
        if !signature::PASSED.contains(&name.as_str()) {
            return None;
        }
        request = request.header(name, value);
    }
    let body = Body::from(Bytes::from(passed.body.into_vec()));
    request.body(body).ok()
}

async fn of_answer(answer: Answer) -> Returned {
    of_response(answer.into_response()).await
}

async fn of_response(response: Response) -> Returned {
    let status = response.status().as_u16();
    match Limited::new(response.into_body(), MAX_PASSED)
        .collect()
        .await
    {
        Ok(body) => Returned {
            status,
            body: ByteBuf::from(body.to_bytes().to_vec()),
            height: 0,
        },
        Err(_) => Returned {
            status: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            body: ByteBuf::new(),
            height: 0,
        },
    }
}
