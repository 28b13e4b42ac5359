//! What all pages have in common: who may, in which language, how an answer is sent. Which
//! page it is, each role says from the path.

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Form, FromRequest as _, Multipart, Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use pages::{
    Language, Markup, assets,
    frame::{Frame, Site as Role},
};
use std::sync::Arc;
use tokio::sync::watch;

use super::{
    agent, auditor, events, hospital, operation, patient, researcher,
    site::{Asked, Fields, Reply, Site, nothing},
    upload,
};
use crate::exit::{Exit, Fault, Result};

type Shared = State<Arc<Site>>;
type Pairs = Query<Vec<(String, String)>>;

/// The routes over `site`.
pub(super) fn router(site: Arc<Site>, stopped: watch::Receiver<bool>) -> Router {
    let mut guarded = Router::new();
    // Where a page takes a file; everywhere else a form has a few fields.
    let taken = match site.role {
        Role::Hospital => Some(("/publish", upload::RECORD)),
        Role::Auditor => Some(("/verify", upload::PROOF)),
        _ => None,
    };
    if let Some((path, most)) = taken {
        let layer = DefaultBodyLimit::max(most);
        guarded = guarded.route(path, get(look).merge(post(take)).layer(layer));
    }
    if site.role == Role::Auditor {
        guarded = guarded.route(
            "/log/events",
            get(move |State(site): Shared| async move { events::of(&site, stopped) }),
        );
    }
    let guarded = guarded
        .fallback(any)
        .layer(DefaultBodyLimit::max(FORM))
        .layer(from_fn_with_state(Arc::clone(&site), admit));
    Router::new()
        .route("/open/{link}", get(open))
        .route("/assets/{name}", get(asset))
        .merge(guarded)
        .layer(axum::middleware::map_response(harden))
        .with_state(site)
}

/// Largest form without a file, in bytes.
const FORM: usize = 64 << 10;

// -- who may

/// Lets in who has the session's cookie; everybody else sees the same page, whatever they
/// asked for. A wish for another language is kept and asked away.
async fn admit(State(site): Shared, Query(pairs): Pairs, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let session = &site.session;
    let open = cookie(headers, session.name()).is_some_and(|cookie| session.is_open(cookie));
    if !open {
        return not_found(site.role, language(headers));
    }
    // Browsers say from where a form was sent; ours are sent from here.
    let elsewhere = headers
        .get("sec-fetch-site")
        .is_some_and(|from| from != "same-origin" && from != "none");
    if request.method() == Method::POST && elsewhere {
        return not_found(site.role, language(headers));
    }
    let wished = pairs.iter().find(|(name, _)| name == "language");
    if let Some(language) = wished.and_then(|(_, code)| Language::of_code(code)) {
        let mut response = go(request.uri().path());
        let kept = format!("{LANGUAGE}={}; {COOKIE}", language.code());
        set(&mut response, header::SET_COOKIE, &kept);
        return response;
    }
    next.run(request).await
}

const LANGUAGE: &str = "medshare-language";
const COOKIE: &str = "Path=/; HttpOnly; SameSite=Strict";

async fn open(State(site): Shared, Path(link): Path<String>, headers: HeaderMap) -> Response {
    let Some(secret) = site.session.open(&link) else {
        return not_found(site.role, language(&headers));
    };
    let mut response = go(site.role.menu()[0].0);
    let kept = format!("{}={secret}; {COOKIE}", site.session.name());
    set(&mut response, header::SET_COOKIE, &kept);
    response
}

async fn asset(State(site): Shared, Path(name): Path<String>) -> Response {
    let found = assets::ALL
        .into_iter()
        .find(|asset| asset.path.rsplit('/').next() == Some(&name));
    match found {
        Some(asset) => ([(header::CONTENT_TYPE, asset.media_type)], asset.bytes).into_response(),
        None => not_found(site.role, Language::English),
    }
}

/// The headers of every answer.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in assets::HEADERS {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        headers.insert(name, value);
    }
    response
}

// -- pages, and what changes something

async fn any(state: Shared, pairs: Pairs, request: Request) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => look(state, pairs, request).await,
        Method::POST => change(state, request).await,
        _ => not_found(state.role, language(request.headers())),
    }
}

async fn look(State(site): Shared, Query(pairs): Pairs, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    answer(site, &pairs, request.headers(), move |asked| {
        let path: Vec<&str> = path.split('/').skip(1).collect();
        match path.as_slice() {
            [""] => Ok(Reply::Go(asked.site.role.menu()[0].0.to_owned())),
            ["operations", id] => operation::show(asked, id),
            ["operations", id, "proof"] => operation::proof(asked, id),
            path => match asked.site.role {
                Role::Patient => patient::look(asked, path),
                Role::Hospital => hospital::look(asked, path),
                Role::Agent => agent::look(asked, path),
                Role::Researcher => researcher::look(asked, path),
                Role::Auditor => auditor::look(asked, path),
            },
        }
    })
    .await
}

/// A form with a few fields.
async fn change(State(site): Shared, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    let fields = match Form::<Vec<(String, String)>>::from_request(request, &()).await {
        Ok(Form(pairs)) => Fields { pairs, file: None },
        Err(rejection) => return rejection.into_response(),
    };
    sent(site, path, &headers, fields).await
}

/// A form with a file.
async fn take(State(site): Shared, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    let most = match site.role {
        Role::Hospital => upload::RECORD,
        _ => upload::PROOF,
    };
    if upload::is_longer(&headers, most) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let parts = match Multipart::from_request(request, &()).await {
        Ok(parts) => parts,
        // What is no form with a file is no form that this page takes.
        Err(_) => return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response(),
    };
    match upload::fields(parts, &site).await {
        Ok(fields) => sent(site, path, &headers, fields).await,
        Err(upload::Refused::Status(status)) => status.into_response(),
        Err(upload::Refused::Fault(fault)) => refusal(site.role, &fault, language(&headers)),
    }
}

/// Does what a form asks for, if it came from a page of this session.
async fn sent(site: Arc<Site>, path: String, headers: &HeaderMap, fields: Fields) -> Response {
    if !site.session.sent(fields.get("csrf")) {
        return not_found(site.role, language(headers));
    }
    answer(site, &[], headers, move |asked| {
        let path: Vec<&str> = path.split('/').skip(1).collect();
        match asked.site.role {
            Role::Patient => patient::change(asked, &path, &fields),
            Role::Hospital => hospital::change(asked, &path, fields),
            Role::Researcher => researcher::change(asked, &path, &fields),
            Role::Auditor => auditor::change(asked, &path, fields),
            Role::Agent => Err(nothing()),
        }
    })
    .await
}

// -- answers

/// Does `work` on a thread that may block, and answers.
async fn answer(
    site: Arc<Site>,
    pairs: &[(String, String)],
    headers: &HeaderMap,
    work: impl FnOnce(&Asked) -> Result<Reply> + Send + 'static,
) -> Response {
    let from = pairs.iter().find(|(name, _)| name == "from");
    let bare = headers
        .get(header::ACCEPT)
        .is_some_and(|kinds| kinds.as_bytes() == b"text/plain");
    let role = site.role;
    let asked = Asked {
        language: language(headers),
        from: from.and_then(|(_, from)| from.parse().ok()).unwrap_or(0),
        bare,
        site,
    };
    let language = asked.language;
    let done = tokio::task::spawn_blocking(move || work(&asked))
        .await
        .unwrap_or_else(|_| Err(Fault::new(Exit::Internal, "the page could not be made")));
    match done {
        Ok(Reply::Page(page)) => html(StatusCode::OK, page),
        Ok(Reply::Text(text)) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (kind, text).into_response()
        }
        Ok(Reply::Go(path)) => go(&path),
        Ok(Reply::File { name, bytes }) => saved(&name, Body::from(bytes)),
        Ok(Reply::Large { name, file, length }) => {
            let mut response = saved(&name, upload::body(file));
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            response
        }
        Err(fault) => refusal(role, &fault, language),
    }
}

/// A file: never a type that a browser would run or show.
fn saved(name: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    set(
        &mut response,
        header::CONTENT_TYPE,
        "application/octet-stream",
    );
    let saved = format!("attachment; filename=\"{name}\"");
    set(&mut response, header::CONTENT_DISPOSITION, &saved);
    response
}

fn refusal(role: Role, fault: &Fault, language: Language) -> Response {
    let status = match fault.exit {
        Exit::NotFound | Exit::Usage => return not_found(role, language),
        Exit::Refused | Exit::Invalid | Exit::Pending => StatusCode::CONFLICT,
        Exit::Busy | Exit::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    html(status, frame(role, language).refusal(Some(&fault.message)))
}

fn not_found(role: Role, language: Language) -> Response {
    html(StatusCode::NOT_FOUND, frame(role, language).refusal(None))
}

const fn frame(site: Role, language: Language) -> Frame<'static> {
    Frame {
        language,
        site,
        here: "",
        notice: None,
    }
}

fn html(status: StatusCode, page: Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.into_string()).into_response()
}

fn go(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    set(&mut response, header::LOCATION, path);
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The one that was chosen, else the one that the browser prefers.
fn language(headers: &HeaderMap) -> Language {
    let chosen = cookie(headers, LANGUAGE).and_then(Language::of_code);
    let preferred = || {
        let header = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        Some(Language::preferred(header))
    };
    chosen.or_else(preferred).unwrap_or(Language::English)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}
