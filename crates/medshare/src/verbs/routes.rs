//! A call as it comes over HTTP, and what goes back: arguments in the query, a file as the body,
//! problems of RFC 9457. Without the token, and for a verb that there is not, the answer is one.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use base::Digest;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{fs::File, io::Read as _, sync::Arc};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, sync::OwnedMutexGuard};
use zeroize::Zeroizing;

use super::{
    call::{Desk, Given},
    describe,
    once::{self, Done, Once},
    verb::{Verb, every},
};
use crate::{
    exit::{Exit, Fault, Result},
    http::{body, media},
    system,
};

/// What every call needs.
pub(super) struct Served {
    desk: Desk,
    token: Zeroizing<String>,
    once: Once,
}

type Shared = State<Arc<Served>>;

impl Served {
    /// With a fresh token.
    pub(super) fn new(desk: Desk) -> (Self, Zeroizing<String>) {
        let token = Zeroizing::new(hex::encode(*Zeroizing::new(system::random32())));
        let served = Self {
            desk,
            token: token.clone(),
            once: Once::default(),
        };
        (served, token)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let token = given
            .next()
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        let equal = |token| verify_slices_are_equal(self.token.as_bytes(), token).is_ok();
        given.next().is_none() && token.is_some_and(equal)
    }
}

/// The routes.
pub(super) fn router(served: Arc<Served>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/openapi.json", get(describe::document))
        .route("/v1/do/{*verb}", any(call))
        .fallback(|| async { nothing() })
        .method_not_allowed_fallback(|| async { nothing() })
        .layer(from_fn(media::guarded))
        .with_state(served)
}

async fn call(State(served): Shared, Path(path): Path<String>, request: Request) -> Response {
    if !served.admits(request.headers()) || request.method() != Method::POST {
        return nothing();
    }
    match every().iter().find(|verb| verb.path == path) {
        Some(verb) => match done(served, verb, request).await {
            Ok(response) => response,
            Err(fault) => problem(&fault),
        },
        None => nothing(),
    }
}

async fn done(served: Arc<Served>, verb: &'static Verb, request: Request) -> Result<Response> {
    let arguments = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let Query(arguments) = arguments.map_err(|_| Fault::new(Exit::Usage, "the query is none"))?;
    let key = key(verb, request.headers())?;
    let folder = served.desk.folder()?;
    let (length, digest) = taken_in(verb, &folder, request.into_body()).await?;
    let asked = asked(verb, &arguments, digest);
    // Whoever comes with the same key meanwhile waits here.
    let mut slot: Option<OwnedMutexGuard<Option<Done>>> = match key {
        Some(key) => Some(served.once.slot(&key).lock_owned().await),
        None => None,
    };
    if let Some(done) = slot.as_ref().and_then(|slot| slot.as_ref()) {
        return match done.asked == asked {
            true => Ok(listed(&done.items)),
            false => Err(Fault::new(
                Exit::Usage,
                "that Idempotency-Key stands for another call",
            )),
        };
    }
    // Begun is done, whether or not the caller stays.
    let work = move || {
        let input = folder.path().join(IN);
        let required = verb.input.as_ref().is_some_and(|input| input.required);
        let input = (length > 0 || required).then_some(input.as_path());
        let given = served.desk.call(verb, &arguments, input, folder.path())?;
        if let Some(slot) = &mut slot {
            let items = given.items.clone();
            **slot = Some(Done { asked, items });
        }
        Ok(given)
    };
    let given: Result<Given> = tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Fault::new(Exit::Internal, "a fault of this program")));
    let given = given?;
    match given.file {
        Some(file) => sent(file, &given.items),
        None => Ok(listed(&given.items)),
    }
}

/// The key under which a call is done once; a verb that gives a file changes nothing.
fn key(verb: &Verb, headers: &HeaderMap) -> Result<Option<String>> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = key.to_str().unwrap_or_default();
    let fits = (1..=once::LONGEST).contains(&text.len()) && verb.output.is_none();
    match fits {
        true => Ok(Some(text.to_owned())),
        false => Err(Fault::new(
            Exit::Usage,
            "that is no Idempotency-Key for this verb",
        )),
    }
}

/// Writes the body beside the home's other files of calls, as it comes; its length and digest.
async fn taken_in(verb: &Verb, folder: &TempDir, mut body: Body) -> Result<(u64, Digest)> {
    let io = |error: &std::io::Error| Fault::io("the folder for what is sent", error);
    let too_large = || Fault::new(Exit::Invalid, format!("a file has at most {MOST} bytes"));
    // It says itself that it is longer: nothing of it is taken.
    if body.size_hint().lower() > MOST {
        return Err(too_large());
    }
    let made = tokio::fs::File::create(folder.path().join(IN)).await;
    let mut file = made.map_err(|error| io(&error))?;
    let (mut length, mut hash) = (0, Sha256::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Fault::new(Exit::Invalid, "the body breaks off"))?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        length += bytes.len() as u64;
        if verb.input.is_none() && length > 0 {
            let message = format!("{} takes no file; arguments stand in the query", verb.path);
            return Err(Fault::new(Exit::Usage, message));
        }
        if length > MOST {
            return Err(too_large());
        }
        hash.update(&bytes);
        file.write_all(&bytes).await.map_err(|error| io(&error))?;
    }
    file.flush().await.map_err(|error| io(&error))?;
    Ok((length, Digest(hash.finalize().into())))
}

fn asked(verb: &Verb, arguments: &[(String, String)], body: Digest) -> Digest {
    let all = json!([verb.path, arguments, body.to_string()]);
    Digest::of(all.to_string().as_bytes())
}

// -- answers

fn listed(items: &[Value]) -> Response {
    let text = json!({ "items": items }).to_string();
    ([(header::CONTENT_TYPE, media::JSON)], text).into_response()
}

/// The file's bytes; what was printed beside stands in a header.
fn sent(file: File, items: &[Value]) -> Result<Response> {
    let io = |error: std::io::Error| Fault::io("what was written", &error);
    let length = file.metadata().map_err(io)?.len();
    let (feeder, fed) = body::fed();
    tokio::task::spawn_blocking(move || {
        let mut file = file;
        let mut piece = vec![0; PIECE];
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => Ok(Bytes::copy_from_slice(&piece[..length])),
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if feeder.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    let mut response = Response::new(Body::new(fed));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media::OCTETS),
    );
    headers.insert(header::CONTENT_LENGTH, length.into());
    if let Some(told) = items.first().and_then(told) {
        headers.insert("medshare-told", told);
    }
    Ok(response)
}

/// What fits into a header: plain members and lists of them, in ASCII.
fn told(item: &Value) -> Option<HeaderValue> {
    let mut item = item.as_object()?.clone();
    // Where the file stood a moment ago is nobody's matter.
    item.retain(|name, value| {
        let is_plain = |value: &Value| !value.is_object() && !value.is_array();
        name != "file"
            && name != "output"
            && (is_plain(value)
                || value
                    .as_array()
                    .is_some_and(|list| list.iter().all(is_plain)))
    });
    let mut text = String::new();
    for c in Value::Object(item).to_string().chars() {
        if c.is_ascii() {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    let value = HeaderValue::from_str(&text).ok()?;
    (text.len() <= TOLD).then_some(value)
}

fn problem(fault: &Fault) -> Response {
    let status = match fault.exit {
        Exit::Usage => StatusCode::BAD_REQUEST,
        Exit::NotFound => StatusCode::NOT_FOUND,
        Exit::Role | Exit::Refused | Exit::Home | Exit::Forked => StatusCode::CONFLICT,
        Exit::Invalid | Exit::Passphrase => StatusCode::UNPROCESSABLE_ENTITY,
        Exit::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Exit::Unreachable => StatusCode::BAD_GATEWAY,
        Exit::Pending => StatusCode::GATEWAY_TIMEOUT,
        Exit::Storage => StatusCode::INSUFFICIENT_STORAGE,
        Exit::Internal | Exit::Config => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let (_, name, meaning, _) = Exit::TABLE[fault.exit as usize];
    let text = json!({
        "type": "about:blank",
        "title": meaning,
        "status": status.as_u16(),
        "detail": fault.message,
        "code": name,
    });
    let kind = [(header::CONTENT_TYPE, media::PROBLEM)];
    (status, kind, text.to_string()).into_response()
}

/// There is no such thing, or it is not for who asks.
fn nothing() -> Response {
    problem(&Fault::new(Exit::NotFound, "there is no such thing here"))
}

const IN: &str = "in";
/// Largest file that comes in, in bytes: larger ones are published by the command line.
const MOST: u64 = 1 << 30;
const PIECE: usize = 64 << 10;
/// Longest header that tells what was printed, in bytes.
const TOLD: usize = 16 << 10;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_fits_into_a_header() {
        let item = json!({"name": "Núñez 𝄞", "file": "/x", "parts": [{"a": 1}], "queries": ["b"]});
        let told = told(&item).unwrap();
        let text = told.to_str().unwrap();
        let read: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read, json!({"name": "Núñez 𝄞", "queries": ["b"]}));
        assert!(super::told(&json!({"name": "x".repeat(TOLD)})).is_none());
    }
}
