//! The page's routes. A handler waits for the home on a thread that may block, builds a model
//! and sends the page.

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Form, Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use pages::{
    Language, Markup, assets,
    frame::{Frame, Site as Role},
    patient::Csrf,
};
use std::{sync::Arc, time::Duration};

use super::{act, records, session::Session, sharing};
use crate::{
    cli::context::{Entered, Unlocked},
    exit::{Exit, Fault, Result},
};

/// What every handler needs.
pub(super) struct Site {
    pub(super) unlocked: Arc<Unlocked>,
    /// How long to wait for a command that has the home.
    pub(super) patience: Duration,
    pub(super) session: Session,
}

/// What is sent back.
pub(super) enum Reply {
    Page(Markup),
    /// A file to be saved.
    File {
        name: String,
        bytes: Vec<u8>,
    },
    /// Done; go there.
    Go(&'static str),
}

/// A form's fields, in order; a name may come again.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a page is made for: its reader, and where a list begins.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) language: Language,
    pub(super) from: usize,
    site: Arc<Site>,
}

impl Asked {
    pub(super) fn frame(&self, here: &'static str) -> Frame<'static> {
        Frame {
            language: self.language,
            site: Role::Patient,
            here,
            notice: None,
        }
    }

    pub(super) fn csrf(&self) -> Csrf<'_> {
        Csrf(self.site.session.csrf())
    }
}

type Shared = State<Arc<Site>>;
type Pairs = Query<Vec<(String, String)>>;

/// The routes over `site`.
pub(super) fn router(site: Arc<Site>) -> Router {
    let guarded = Router::new()
        .route("/", get(|| async { go("/records") }))
        .route("/{list}", get(list))
        .route("/{list}/{id}", get(one))
        .route("/{list}/{id}/{what}", get(part).post(change))
        .route("/{list}/{id}/{what}/{index}", get(file))
        .route("/backup/now", post(back_up))
        .fallback(|| async { not_found(Language::English) })
        .method_not_allowed_fallback(|| async { not_found(Language::English) })
        .layer(DefaultBodyLimit::max(FORM))
        .layer(from_fn_with_state(Arc::clone(&site), admit));
    Router::new()
        .route("/open/{link}", get(open))
        .route("/assets/{name}", get(asset))
        .merge(guarded)
        .layer(axum::middleware::map_response(harden))
        .with_state(site)
}

/// Largest form, in bytes.
const FORM: usize = 64 << 10;

// -- who may

/// Lets in who has the session's cookie; everybody else sees the same page, whatever they
/// asked for. A wish for another language is kept and asked away.
async fn admit(State(site): Shared, Query(pairs): Pairs, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let open = cookie(headers, SESSION).is_some_and(|cookie| site.session.is_open(cookie));
    if !open {
        return not_found(language(headers));
    }
    // Browsers say from where a form was sent; ours are sent from here.
    let elsewhere = headers
        .get("sec-fetch-site")
        .is_some_and(|from| from != "same-origin" && from != "none");
    if request.method() == Method::POST && elsewhere {
        return not_found(language(headers));
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

const SESSION: &str = "medshare-session";
const LANGUAGE: &str = "medshare-language";
const COOKIE: &str = "Path=/; HttpOnly; SameSite=Strict";

async fn open(State(site): Shared, Path(link): Path<String>, headers: HeaderMap) -> Response {
    let Some(secret) = site.session.open(&link) else {
        return not_found(language(&headers));
    };
    let mut response = go("/records");
    let kept = format!("{SESSION}={secret}; {COOKIE}");
    set(&mut response, header::SET_COOKIE, &kept);
    response
}

async fn asset(Path(name): Path<String>) -> Response {
    let found = assets::ALL
        .into_iter()
        .find(|asset| asset.path.rsplit('/').next() == Some(&name));
    match found {
        Some(asset) => ([(header::CONTENT_TYPE, asset.media_type)], asset.bytes).into_response(),
        None => not_found(Language::English),
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

// -- pages

async fn list(
    state: Shared,
    Path(list): Path<String>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Response {
    answer(state, &pairs, &headers, move |entered, asked| {
        match list.as_str() {
            "records" => records::timeline(entered, asked),
            "requests" => sharing::requests(entered, asked),
            "grants" => sharing::grants(entered, asked),
            "accesses" => records::accesses(entered, asked),
            "credit" => sharing::credit(entered, asked),
            "backup" => sharing::backup(entered, asked),
            _ => Err(nothing()),
        }
    })
    .await
}

async fn one(
    state: Shared,
    Path((list, id)): Path<(String, String)>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Response {
    answer(state, &pairs, &headers, move |entered, asked| {
        match list.as_str() {
            "records" => records::record(entered, asked, parse(&id)?),
            "requests" => sharing::request(entered, asked, parse(&id)?),
            "operations" => records::operation(entered, asked, parse(&id)?),
            _ => Err(nothing()),
        }
    })
    .await
}

async fn part(
    state: Shared,
    Path((list, id, what)): Path<(String, String, String)>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Response {
    answer(state, &pairs, &headers, move |entered, _| {
        match (list.as_str(), what.as_str()) {
            ("operations", "proof") => records::proof(entered, parse(&id)?),
            _ => Err(nothing()),
        }
    })
    .await
}

async fn file(
    state: Shared,
    Path((list, id, what, index)): Path<(String, String, String, String)>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Response {
    answer(state, &pairs, &headers, move |entered, _| {
        match (list.as_str(), what.as_str()) {
            ("records", "parts") => records::part(entered, parse(&id)?, parse(&index)?),
            _ => Err(nothing()),
        }
    })
    .await
}

// -- what changes something

async fn change(
    state: Shared,
    Path((list, id, what)): Path<(String, String, String)>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    sent(
        state,
        &headers,
        Fields(fields),
        move |entered, fields| match (list.as_str(), what.as_str()) {
            ("records", "accept") => act::accept(entered, parse(&id)?, fields),
            ("records", "reject") => act::reject(entered, parse(&id)?),
            ("requests", "approve") => act::approve(entered, parse(&id)?, fields),
            ("requests", "deny") => act::deny(entered, parse(&id)?),
            ("grants", "revoke") => act::revoke(entered, parse(&id)?),
            ("vouchers", "redeem") => act::redeem(entered, parse(&id)?, fields),
            _ => Err(nothing()),
        },
    )
    .await
}

async fn back_up(
    state: Shared,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    sent(state, &headers, Fields(fields), |entered, _| {
        act::back_up(entered)
    })
    .await
}

/// Does `work` if the form came from a page of this session.
async fn sent(
    state: Shared,
    headers: &HeaderMap,
    fields: Fields,
    work: impl FnOnce(&Entered, &Fields) -> Result<Reply> + Send + 'static,
) -> Response {
    if !state.session.sent(fields.get("csrf")) {
        return not_found(language(headers));
    }
    answer(state, &[], headers, move |entered, _| {
        work(entered, &fields)
    })
    .await
}

// -- answers

/// Takes the home, does `work`, and answers.
async fn answer(
    State(site): Shared,
    pairs: &[(String, String)],
    headers: &HeaderMap,
    work: impl FnOnce(&Entered, &Asked) -> Result<Reply> + Send + 'static,
) -> Response {
    let from = pairs.iter().find(|(name, _)| name == "from");
    let asked = Asked {
        language: language(headers),
        from: from.and_then(|(_, from)| from.parse().ok()).unwrap_or(0),
        site,
    };
    let language = asked.language;
    let work = move || {
        let entered = asked.site.unlocked.enter(asked.site.patience)?;
        work(&entered, &asked)
    };
    let done = tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Fault::new(Exit::Internal, "the page could not be made")));
    match done {
        Ok(Reply::Page(page)) => html(StatusCode::OK, page),
        Ok(Reply::Go(path)) => go(path),
        Ok(Reply::File { name, bytes }) => {
            let mut response = Response::new(Body::from(bytes));
            // Never a type that a browser would run or show.
            set(
                &mut response,
                header::CONTENT_TYPE,
                "application/octet-stream",
            );
            let saved = format!("attachment; filename=\"{name}\"");
            set(&mut response, header::CONTENT_DISPOSITION, &saved);
            response
        }
        Err(fault) => refusal(&fault, language),
    }
}

fn refusal(fault: &Fault, language: Language) -> Response {
    let status = match fault.exit {
        Exit::NotFound | Exit::Usage => return not_found(language),
        Exit::Refused | Exit::Invalid | Exit::Pending => StatusCode::CONFLICT,
        Exit::Busy | Exit::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    html(status, frame(language).refusal(Some(&fault.message)))
}

fn not_found(language: Language) -> Response {
    html(StatusCode::NOT_FOUND, frame(language).refusal(None))
}

const fn frame(language: Language) -> Frame<'static> {
    Frame {
        language,
        site: Role::Patient,
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

/// What is no id names nothing.
fn parse<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| nothing())
}

/// There is no such thing, or it is not hers.
pub(super) fn nothing() -> Fault {
    Fault::new(Exit::NotFound, "there is no such page")
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
