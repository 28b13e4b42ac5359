//! Every route of the interface, with what is to be said about it. Handlers are thin: parse,
//! check who asks, ask ledger, store or post on a thread that may block, answer.

mod reads;

use axum::{
    Router,
    http::Uri,
    middleware::{from_fn, from_fn_with_state},
    routing::{delete, get, post, put},
};
use std::sync::Arc;

use super::{
    admission,
    answer::Answer,
    custody, events,
    interface::Interface,
    media,
    message::ErrorCode,
    operator, relay, session,
    table::{
        AFTER, About, Asks, FROM, Gives, Kind,
        Method::{Delete, Get, Post, Put},
        Route, Takes,
    },
    transfer, turn,
};
use Gives::{Bytes, Done, Object, Page};

/// What every route is, in the order of the documents.
pub fn about() -> Vec<About> {
    every().into_iter().map(|route| route.about).collect()
}

fn every() -> Vec<Route> {
    let timely = [
        reads::watching(),
        reads::log(),
        reads::state(),
        reads::sharing(),
        reads::consortium(),
        custody(),
        operators(),
    ];
    let timely = timely.into_iter().flatten().collect();
    let mut all = Route::all(Kind::Timely, timely);
    all.extend(Route::all(Kind::Post, letters()));
    all.extend(Route::all(Kind::Streamed, streams()));
    all
}

fn custody() -> Vec<Route> {
    vec![
        Route::new(Post, "/v1/session", post(session::open), Object("Opened"),
            "opens a session of ten minutes at this node; a session opens none")
            .asks(Asks::Account),
        Route::new(Delete, "/v1/session", delete(session::end), Done,
            "ends the session that asks")
            .asks(Asks::Account),
        Route::new(Get, "/v1/blocks/{cid}", get(custody::read_block), Bytes(media::RAW),
            "a block, hashed before it is given"),
        Route::new(Put, "/v1/blocks/{cid}", put(custody::put_block), Done,
            "keeps a block, hashed before it is kept")
            .asks(Asks::Newcomer)
            .takes(Takes::Bytes(media::RAW)),
        Route::new(Put, "/v1/pins/{cid}", put(custody::pin), Done,
            "pins a root, at most once per account")
            .asks(Asks::Account),
        Route::new(Delete, "/v1/pins/{cid}", delete(custody::unpin), Done,
            "unpins it; with the last pin of a root its blocks are deleted before the answer, except those that another pinned root reaches")
            .asks(Asks::Account),
    ]
}

fn letters() -> Vec<Route> {
    vec![
        Route::new(
            Get,
            "/v1/mailbox",
            get(custody::inbox),
            Object("Letters"),
            "one's own letters",
        )
        .asks(Asks::Account)
        .query(AFTER),
        Route::new(
            Get,
            "/v1/mailbox/newest",
            get(custody::newest_letter),
            Object("Count"),
            "number of the newest",
        )
        .asks(Asks::Account),
        Route::new(
            Post,
            "/v1/mailbox/{name}",
            post(custody::send),
            Done,
            "name = account; body: a sealed letter to it",
        )
        .asks(Asks::Account)
        .takes(Takes::Bytes(media::OCTETS)),
        Route::new(
            Delete,
            "/v1/mailbox/{name}",
            delete(custody::delete_letter),
            Done,
            "name = SHA2-256 of a letter of one's own; deletes it",
        )
        .asks(Asks::Account),
        Route::new(
            Put,
            "/v1/prekeys",
            put(custody::put_prekeys),
            Object("Count"),
            "leaves an agent's one-time keys; how many it has now",
        )
        .asks(Asks::Account)
        .takes(Takes::Object("Prekeys")),
        Route::new(
            Get,
            "/v1/prekeys/{agent}",
            get(custody::prekeys_left),
            Object("Count"),
            "how many an agent has left",
        ),
        Route::new(
            Post,
            "/v1/prekeys/{agent}/take",
            post(custody::take_prekey),
            Object("Prekey"),
            "takes one; each is given once, to patients and delegates",
        )
        .asks(Asks::Account),
        Route::new(
            Get,
            "/v1/bags/{locator}",
            get(custody::read_bag),
            Object("BagHead"),
            "the sealed head of a key bag",
        ),
        Route::new(
            Put,
            "/v1/bags/{locator}",
            put(custody::put_bag),
            Done,
            "puts it; the first to write a locator owns it",
        )
        .asks(Asks::Account)
        .takes(Takes::Object("BagHead")),
    ]
}

fn operators() -> Vec<Route> {
    let routes = vec![
        Route::new(
            Get,
            "/v1/store",
            get(operator::facts),
            Object("StoreFacts"),
            "pinned roots, copies kept for other hospitals, what the scrubber found since the node began",
        ),
        Route::new(
            Get,
            "/v1/store/pins",
            get(operator::pins),
            Page("Pinned"),
            "pinned roots; `from` is a number in their order",
        )
        .query(FROM),
        Route::new(
            Get,
            "/v1/store/trees/{root}",
            get(operator::tree),
            Object("Tree"),
            "blocks and bytes that a root reaches, by their lengths; how many are not here",
        ),
        Route::new(
            Post,
            "/v1/store/{work}/{root}",
            post(operator::work),
            Object("JobStanding"),
            "work = `fetch` (from other nodes), `verify`: begins it, or tells how far it is; told to be done, it is forgotten",
        ),
        Route::new(
            Post,
            "/v1/store/gc",
            post(operator::collect),
            Object("Collected"),
            "deletes what came up and was never pinned",
        ),
    ];
    routes
        .into_iter()
        .map(|route| route.asks(Asks::Operator))
        .collect()
}

fn streams() -> Vec<Route> {
    vec![
        Route::new(Put, "/v1/files", put(transfer::put_file), Object("Stored"),
            "a file, streamed; kept as UnixFS (unixfs-v1-2025), all or nothing; its CID")
            .asks(Asks::Account)
            .takes(Takes::Bytes(media::OCTETS)),
        Route::new(Get, "/v1/files/{cid}", get(transfer::read_file), Bytes(media::OCTETS),
            "a file, streamed; every block hashed before its bytes leave"),
        Route::new(Put, "/v1/store/cars", put(operator::import), Object("Tree"),
            "a CARv1, streamed; all blocks or none, roots pinned")
            .asks(Asks::Operator)
            .takes(Takes::Bytes(media::CAR)),
        Route::new(Get, "/v1/accounts/{account}/events", get(events::events), Bytes(media::EVENTS),
            "one's own notices as server-sent events, as they happen: `query`, `emergency`, `recovery`, `request` (one waits), `grant-expires`. `Last-Event-ID` resumes; `0.0` begins at the beginning")
            .asks(Asks::Account),
    ]
}

/// The routes over `interface`.
pub fn router(interface: Arc<Interface>) -> Router {
    let (mut timely, mut streamed) = (Router::new(), Router::new());
    for route in every() {
        match route.about.kind {
            Kind::Streamed => streamed = route.put_into(streamed),
            Kind::Post if interface.relay.is_some() => {
                timely = route.instead(relay::pass).put_into(timely);
            }
            _ => timely = route.put_into(timely),
        }
    }
    finish(timely, streamed, interface)
}

/// The routes of the post alone: what other nodes may pass on to this one.
pub fn post_router(interface: Arc<Interface>) -> Router {
    let routes = letters().into_iter();
    let post = routes.fold(Router::new(), |post, route| route.put_into(post));
    finish(post, Router::new(), interface)
}

/// `timely` requests end in time, `streamed` ones may take as long as they move.
fn finish(
    timely: Router<Arc<Interface>>,
    streamed: Router<Arc<Interface>>,
    interface: Arc<Interface>,
) -> Router {
    let of = |interface: &Arc<Interface>| Arc::clone(interface);
    timely
        .layer(from_fn(media::in_form))
        .layer(from_fn_with_state(of(&interface), admission::in_time))
        .layer(from_fn_with_state(of(&interface), turn::in_turn))
        .layer(from_fn_with_state(of(&interface), turn::take_in))
        .merge(streamed.layer(from_fn(turn::stream)))
        .fallback(|uri: Uri| async move { Answer::no_route(uri.path()) })
        .method_not_allowed_fallback(|| async {
            Answer::error(
                ErrorCode::MethodNotAllowed,
                "this route does not take that method",
            )
        })
        .layer(from_fn(media::known_types))
        .layer(from_fn_with_state(of(&interface), admission::not_too_often))
        .layer(from_fn(media::in_form))
        .layer(from_fn(media::guarded))
        .with_state(interface)
}
