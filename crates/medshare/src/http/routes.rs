//! Every route of `/v1`. Handlers are thin: parse, check the ticket, ask ledger, store or
//! post on a thread that may block, answer. `docs/interface.md` is the list for readers.

use axum::{
    Router,
    http::Uri,
    middleware::{from_fn, from_fn_with_state},
    routing::{any, get, post, put},
};
use std::sync::Arc;

use super::{
    admission, anchors, answer::Answer, custody, health, interface::Interface, ledger, metrics,
    operator, relay, transfer, turn,
};

/// The routes over `interface`.
pub fn router(interface: Arc<Interface>) -> Router {
    let reads = Router::new()
        .route("/v1/status", get(ledger::status))
        .route("/v1/node", get(ledger::node))
        .route("/v1/metrics", get(metrics::metrics))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/v1/genesis", get(ledger::genesis))
        .route("/v1/head", get(ledger::head))
        .route("/v1/heads/{height}", get(ledger::head_at))
        .route("/v1/ledger/blocks/{height}", get(ledger::block_at))
        .route("/v1/validators", get(ledger::validators))
        .route("/v1/transitions", get(ledger::transitions))
        .route("/v1/leaves", get(ledger::leaves))
        .route("/v1/proofs/inclusion", get(ledger::inclusion))
        .route("/v1/proofs/consistency", get(ledger::consistency))
        .route("/v1/operations", post(ledger::submit))
        .route("/v1/operations/{id}", get(ledger::operation))
        .route("/v1/operations/{id}/{what}", get(ledger::of_operation))
        .route("/v1/accounts", get(ledger::lists))
        .route("/v1/accounts/{id}", get(ledger::account))
        .route("/v1/accounts/{id}/{what}", get(ledger::of_account))
        .route("/v1/records/{id}", get(ledger::record))
        .route("/v1/records/{id}/states", get(ledger::states))
        .route("/v1/records/{id}/states/{state}", get(ledger::state))
        .route("/v1/scopes/{patient}/{sid}", get(ledger::scope))
        .route("/v1/requests/{id}", get(ledger::request))
        .route("/v1/grants/{id}", get(ledger::grant))
        .route("/v1/grants/{id}/queries", get(ledger::queries_of_grant))
        .route("/v1/queries/{id}", get(ledger::query))
        .route("/v1/disputes", get(ledger::lists))
        .route("/v1/disputes/{id}", get(ledger::dispute))
        .route("/v1/proposals", get(ledger::lists))
        .route("/v1/proposals/{id}", get(ledger::proposal))
        .route("/v1/delegations/{id}", get(ledger::delegation))
        .route("/v1/recoveries/{id}", get(ledger::recovery))
        .route("/v1/institutions", get(ledger::lists))
        .route("/v1/ranking", get(ledger::lists))
        .route("/v1/totals", get(ledger::lists))
        .route("/v1/anchors", get(anchors::standing))
        .route("/v1/anchors/{chain}/{index}", get(anchors::covering))
        .route("/v1/policy", get(ledger::lists));
    let party = Router::new()
        .route(
            "/v1/blocks/{cid}",
            get(custody::read_block).put(custody::put_block),
        )
        .route("/v1/pins/{cid}", put(custody::pin).delete(custody::unpin));
    let operators = Router::new()
        .route("/v1/store", get(operator::facts))
        .route("/v1/store/pins", get(operator::pins))
        .route("/v1/store/trees/{root}", get(operator::tree))
        .route("/v1/store/gc", post(operator::collect))
        .route("/v1/store/{work}/{root}", post(operator::work));
    let letters = match interface.relay {
        None => post_here(),
        Some(_) => post_elsewhere(),
    };
    let files = Router::new()
        .route("/v1/store/cars", put(operator::import))
        .route("/v1/files", put(transfer::put_file))
        .route("/v1/files/{cid}", get(transfer::read_file));
    let timely = reads.merge(party).merge(operators).merge(letters);
    finish(timely, files, interface)
}

/// The routes of the post alone: what other nodes may pass on to this one.
pub fn post_router(interface: Arc<Interface>) -> Router {
    finish(post_here(), Router::new(), interface)
}

fn post_here() -> Router<Arc<Interface>> {
    Router::new()
        .route("/v1/mailbox", get(custody::inbox))
        .route("/v1/mailbox/newest", get(custody::newest_letter))
        .route(
            "/v1/mailbox/{name}",
            post(custody::send).delete(custody::delete_letter),
        )
        .route("/v1/prekeys", put(custody::put_prekeys))
        .route("/v1/prekeys/{agent}", get(custody::prekeys_left))
        .route("/v1/prekeys/{agent}/take", post(custody::take_prekey))
        .route(
            "/v1/bags/{locator}",
            get(custody::read_bag).put(custody::put_bag),
        )
}

fn post_elsewhere() -> Router<Arc<Interface>> {
    let paths = [
        "/v1/mailbox",
        "/v1/mailbox/{name}",
        "/v1/prekeys",
        "/v1/prekeys/{agent}",
        "/v1/prekeys/{agent}/take",
        "/v1/bags/{locator}",
    ];
    paths.iter().fold(Router::new(), |routes, path| {
        routes.route(path, any(relay::pass))
    })
}

/// `timely` requests end in time, `files` may take as long as they move.
fn finish(
    timely: Router<Arc<Interface>>,
    files: Router<Arc<Interface>>,
    interface: Arc<Interface>,
) -> Router {
    let of = |interface: &Arc<Interface>| Arc::clone(interface);
    timely
        .layer(from_fn_with_state(of(&interface), admission::in_time))
        .layer(from_fn_with_state(of(&interface), turn::in_turn))
        .layer(from_fn_with_state(of(&interface), turn::take_in))
        .merge(files.layer(from_fn(turn::stream)))
        .fallback(|uri: Uri| async move { Answer::no_route(uri.path()) })
        .method_not_allowed_fallback(|| async {
            Answer::malformed("this route does not take that method")
        })
        .layer(from_fn_with_state(of(&interface), admission::not_too_often))
        .with_state(interface)
}
