//! Which form bodies have: what an `Accept` prefers, what a `Content-Type` says. Handlers
//! answer in DAG-CBOR; on the way out it becomes what was asked for, an error a problem of
//! RFC 9457.

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base::codec;
use ipld_core::ipld::Ipld;
use std::collections::BTreeMap;

use super::{
    answer::Answer,
    json,
    message::{ErrorBody, ErrorCode},
};

/// Canonical DAG-CBOR: what is spoken when nothing else is asked for.
pub const CBOR: &str = "application/vnd.ipld.dag-cbor";
/// DAG-JSON under the name that everybody knows.
pub const JSON: &str = "application/json";
/// DAG-JSON under its own name.
pub const DAG_JSON: &str = "application/vnd.ipld.dag-json";
/// Errors, to whom asks for JSON.
pub const PROBLEM: &str = "application/problem+json";
/// A block.
pub const RAW: &str = "application/vnd.ipld.raw";
/// A file, a letter.
pub const OCTETS: &str = "application/octet-stream";
/// A CAR.
pub const CAR: &str = "application/vnd.ipld.car";
/// Events.
pub const EVENTS: &str = "text/event-stream";

/// The form of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// [`CBOR`]
    Cbor,
    /// [`JSON`]
    Json,
    /// [`DAG_JSON`]
    DagJson,
}

impl Form {
    /// In the order in which equal wishes are granted.
    const ALL: [Self; 3] = [Self::Cbor, Self::Json, Self::DagJson];

    const fn name(self) -> &'static str {
        match self {
            Self::Cbor => CBOR,
            Self::Json => JSON,
            Self::DagJson => DAG_JSON,
        }
    }

    /// The form that `headers` ask for: the best of `Accept`; without one that of the body;
    /// `None` when no form is acceptable.
    pub fn wanted(headers: &HeaderMap) -> Option<Self> {
        let ranges: Vec<&str> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        if ranges.is_empty() {
            return Some(Self::of_body(headers).unwrap_or(Self::Cbor));
        }
        let mut best = (None, (0, 0));
        for form in Self::ALL {
            let mut wish = wish(&ranges, form.name());
            // Problems are JSON: who asks for them alone understands it.
            if form == Self::Json && wish.1 == 0 {
                wish = self::wish(&ranges, PROBLEM);
            }
            if wish.0 > 0 && wish > best.1 {
                best = (Some(form), wish);
            }
        }
        best.0
    }

    /// What the body is said to be, if that is a form of objects.
    fn of_body(headers: &HeaderMap) -> Option<Self> {
        let kind = content_type(headers)?;
        Self::ALL.into_iter().find(|form| form.name() == kind)
    }
}

/// How much one of `ranges` wishes for a media type: its weight in thousandths, then how
/// nearly it names it. The nearest range counts.
fn wish(ranges: &[&str], name: &str) -> (u32, u32) {
    let family = name.split('/').next().unwrap_or_default();
    let mut found = (0, 0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let near = match kind.split_once('/') {
            _ if kind == name => 3,
            Some((of, "*")) if of == family => 2,
            Some(("*", "*")) => 1,
            _ => continue,
        };
        let weight = parts
            .filter_map(|part| part.strip_prefix("q="))
            .find_map(|weight| weight.parse::<f32>().ok())
            .map_or(1000, |weight| (weight.clamp(0.0, 1.0) * 1000.0) as u32);
        if near > found.1 {
            found = (weight, near);
        }
    }
    found
}

/// The media type of a body, without its parameters, in lower case.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next().unwrap_or_default();
    Some(kind.trim().to_ascii_lowercase())
}

/// The canonical bytes of an object that came as a body, in any of its forms.
///
/// # Errors
/// A body of another media type, or no DAG-JSON where it is said to be.
pub(super) fn object(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Answer> {
    match Form::of_body(headers) {
        Some(Form::Json | Form::DagJson) => json::to_cbor(&body)
            .map(Bytes::from)
            .map_err(|error| Answer::malformed(&error.to_string())),
        Some(Form::Cbor) => Ok(body),
        None if !headers.contains_key(header::CONTENT_TYPE) => Ok(body),
        None => Err(unsupported()),
    }
}

/// Lets no body through that is said to be something that no route takes; who sends one is
/// mistaken, or a page that may not say what it sends.
pub(super) async fn known_types(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let known = !headers.contains_key(header::CONTENT_TYPE)
        || content_type(headers).is_some_and(|kind| KNOWN.contains(&kind.as_str()));
    match known {
        true => next.run(request).await,
        false => unsupported().into_response(),
    }
}

/// The same for routes that take bytes as they are: JSON is none.
pub(super) async fn raw_types(request: Request, next: Next) -> Response {
    match Form::of_body(request.headers()) {
        Some(Form::Json | Form::DagJson) => unsupported().into_response(),
        _ => next.run(request).await,
    }
}

/// Headers under which a browser does nothing with an answer but show it to who asked.
pub(crate) async fn guarded(request: Request, next: Next) -> Response {
    guard(next.run(request).await)
}

/// The same for an answer that no route gave.
pub(super) fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

const GUARDS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::VARY, "accept"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

fn unsupported() -> Answer {
    Answer::error(
        ErrorCode::UnsupportedMedia,
        "this route does not take bodies of that media type",
    )
}

/// Gives an answer the form that was asked for.
pub(super) async fn in_form(request: Request, next: Next) -> Response {
    let form = Form::wanted(request.headers());
    if form.is_none() && request.method() != Method::GET {
        // Said before anything is done.
        return problem(Answer::from(NotAcceptable).into_response()).await;
    }
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != CBOR) {
        return response;
    }
    match form {
        Some(Form::Cbor) => response,
        _ if response.status() != StatusCode::OK => problem(response).await,
        Some(form) => object_in(response, form).await,
        None => problem(Answer::from(NotAcceptable).into_response()).await,
    }
}

/// No form of the answer is acceptable.
struct NotAcceptable;

impl From<NotAcceptable> for Answer {
    fn from(_: NotAcceptable) -> Self {
        Self::error(
            ErrorCode::NotAcceptable,
            "objects are given as DAG-CBOR or as DAG-JSON",
        )
    }
}

async fn object_in(response: Response, form: Form) -> Response {
    let (parts, body) = response.into_parts();
    let Some(bytes) = all_of(body).await else {
        return Answer::error(ErrorCode::Internal, "a fault of the node").into_response();
    };
    let written = match bytes.len() <= SMALL {
        true => json::of_cbor(&bytes),
        false => {
            let work = tokio::task::spawn_blocking(move || json::of_cbor(&bytes));
            match work.await {
                Ok(written) => written,
                Err(_) => {
                    return Answer::error(ErrorCode::Internal, "a fault of the node")
                        .into_response();
                }
            }
        }
    };
    match written {
        Ok(text) => put(parts, text, form.name()),
        Err(_) => problem(Answer::from(NotAcceptable).into_response()).await,
    }
}

/// An error as RFC 9457 writes it. Its type is its place in the reference page.
async fn problem(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = all_of(body).await.unwrap_or_default();
    let Ok(error) = codec::decode::<ErrorBody>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let code = error.code.name();
    let text = |text: &str| Ipld::String(text.to_owned());
    let mut members = BTreeMap::from([
        ("type".to_owned(), text(&format!("/reference#{code}"))),
        ("title".to_owned(), text(error.code.title())),
        (
            "status".to_owned(),
            Ipld::Integer(error.code.status().into()),
        ),
        ("detail".to_owned(), text(&error.message)),
        ("code".to_owned(), Ipld::String(code)),
    ]);
    if let Ok(Ipld::Map(fields)) = codec::decode::<Ipld>(&bytes) {
        let more = fields.into_iter().filter(|(name, value)| {
            matches!(name.as_str(), "refusal" | "block") && *value != Ipld::Null
        });
        members.extend(more);
    }
    let written = json::write(&Ipld::Map(members)).unwrap_or_default();
    put(parts, written, PROBLEM)
}

fn put(mut parts: axum::http::response::Parts, text: Vec<u8>, kind: &'static str) -> Response {
    let kind = HeaderValue::from_static(kind);
    parts.headers.insert(header::CONTENT_TYPE, kind);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}

/// An answer's bytes: the node made them itself.
async fn all_of(body: Body) -> Option<Bytes> {
    axum::body::to_bytes(body, usize::MAX).await.ok()
}

/// Answers up to this, bytes, are written anew where they are.
const SMALL: usize = 64 << 10;

/// What some route takes.
const KNOWN: [&str; 6] = [CBOR, JSON, DAG_JSON, RAW, OCTETS, CAR];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn wanted(accept: &[&str]) -> Option<Form> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        Form::wanted(&headers)
    }

    #[test]
    fn the_best_wish_counts() {
        use Form::{Cbor, DagJson, Json};
        for (accept, form) in [
            (&[][..], Some(Cbor)),
            (&["*/*"], Some(Cbor)),
            (&["application/*"], Some(Cbor)),
            (&["application/json"], Some(Json)),
            (&["Application/JSON; charset=utf-8"], Some(Json)),
            (&["application/json, text/plain, */*"], Some(Json)),
            (&["application/problem+json"], Some(Json)),
            (&["application/vnd.ipld.dag-json"], Some(DagJson)),
            (
                &["application/json;q=0.5", "application/vnd.ipld.dag-cbor"],
                Some(Cbor),
            ),
            (
                &["application/vnd.ipld.dag-cbor;q=0.1, application/json;q=0.2"],
                Some(Json),
            ),
            (&["*/*, application/vnd.ipld.dag-cbor;q=0"], Some(Json)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], Some(Cbor)),
            (&[""], None),
        ] {
            assert_eq!(wanted(accept), form, "{accept:?}");
        }
    }

    #[test]
    fn a_body_is_what_it_is_said_to_be() {
        let of = |kind: &str, body: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            object(&headers, Bytes::from_static(body)).ok()
        };
        assert_eq!(of(CBOR, b"\xa0").as_deref(), Some(&b"\xa0"[..]));
        assert_eq!(of(JSON, b" { } ").as_deref(), Some(&b"\xa0"[..]));
        assert_eq!(
            of("application/json; charset=utf-8", b"{}").as_deref(),
            Some(&b"\xa0"[..])
        );
        assert!(of(JSON, b"\xa0").is_none());
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            OCTETS,
            "",
        ] {
            assert!(of(other, b"{}").is_none(), "{other}");
        }
    }
}
