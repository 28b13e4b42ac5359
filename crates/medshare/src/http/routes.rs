//! Every route of `/v1`. Thin: parse, check the ticket, ask ledger, store or post on a
//! thread that may block, answer. `docs/interface.md` is the list for readers.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    routing::{get, post, put},
};
use base::{AccountId, Digest, OperationId, Verified, genesis::Genesis};
use consensus::Sequencer;
use ledger::{Fault, Page, View};
use serde::{Deserialize, Serialize};
use std::{
    str::FromStr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use store::BlockStore;

use super::{
    answer::{Answer, Handled},
    custody,
    limit::{MAX_BODY, Rate, Rates},
    message::{Count, ErrorCode, Leaves, LoggedOperation, Status},
    post::Post,
    ticket::{self, Asked, Gate, Ticket},
    transfer,
};
use crate::system;

/// Gives read snapshots of the ledger.
pub type Views = Arc<dyn Fn() -> Result<View, Fault> + Send + Sync>;

/// What the interface stands in front of.
pub struct Interface {
    /// The ledger's first object.
    pub genesis: Genesis,
    /// Orders operations.
    pub sequencer: Arc<dyn Sequencer>,
    /// Reads the ledger.
    pub views: Views,
    /// Blocks and pins.
    pub store: Arc<dyn BlockStore>,
    /// Letters, one-time keys, bags, who pinned what.
    pub post: Post,
    /// Tickets.
    pub gate: Gate,
    /// Requests per second.
    pub rate: Rate,
    /// The same for accounts that are not registered yet.
    pub newcomers: Rate,
    /// One-time keys that an account takes.
    pub taken_prekeys: Rates,
    /// One-time keys that an agent leaves.
    pub left_prekeys: Rates,
    /// Requests at once.
    pub slots: tokio::sync::Semaphore,
    /// Files that are being read at once; held until a file's last piece is taken.
    pub streams: Arc<tokio::sync::Semaphore>,
    /// Longest time for a request that is no file.
    pub request_time: Duration,
    /// Most bytes of one uploaded file.
    pub file_limit: u64,
    /// Something lost its last pin, or came unpinned from a newcomer, since blocks were
    /// last collected.
    pub collect: AtomicBool,
}

impl std::fmt::Debug for Interface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interface")
    }
}

pub(super) type Shared = State<Arc<Interface>>;

/// The routes over `interface`.
pub fn router(interface: Arc<Interface>) -> Router {
    let ledger = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/genesis", get(genesis))
        .route("/v1/head", get(head))
        .route("/v1/ledger/blocks/{height}", get(block_at))
        .route("/v1/leaves", get(leaves))
        .route("/v1/proofs/inclusion", get(inclusion))
        .route("/v1/proofs/consistency", get(consistency))
        .route("/v1/operations", post(submit))
        .route("/v1/operations/{id}", get(operation))
        .route("/v1/operations/{id}/{what}", get(of_operation))
        .route("/v1/accounts", get(lists))
        .route("/v1/accounts/{id}", get(account))
        .route("/v1/accounts/{id}/{what}", get(of_account))
        .route("/v1/records/{id}", get(record))
        .route("/v1/records/{id}/states", get(states))
        .route("/v1/records/{id}/states/{state}", get(state))
        .route("/v1/scopes/{patient}/{sid}", get(scope))
        .route("/v1/requests/{id}", get(request))
        .route("/v1/grants/{id}", get(grant))
        .route("/v1/grants/{id}/queries", get(queries_of_grant))
        .route("/v1/queries/{id}", get(query))
        .route("/v1/disputes", get(lists))
        .route("/v1/disputes/{id}", get(dispute))
        .route("/v1/proposals", get(lists))
        .route("/v1/proposals/{id}", get(proposal))
        .route("/v1/delegations/{id}", get(delegation))
        .route("/v1/institutions", get(lists))
        .route("/v1/ranking", get(lists))
        .route("/v1/totals", get(lists))
        .route("/v1/policy", get(lists));
    let party = Router::new()
        .route(
            "/v1/blocks/{cid}",
            get(custody::read_block).put(custody::put_block),
        )
        .route("/v1/pins/{cid}", put(custody::pin).delete(custody::unpin))
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
        );
    let files = Router::new()
        .route("/v1/files", put(transfer::put_file))
        .route("/v1/files/{cid}", get(transfer::read_file));
    ledger
        .merge(party)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&interface),
            super::server::in_time,
        ))
        .merge(files)
        .fallback(|| async { Answer::not_found() })
        .method_not_allowed_fallback(|| async {
            Answer::malformed("this route does not take that method")
        })
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&interface),
            super::server::within_limits,
        ))
        .with_state(interface)
}

// -- how handlers work

/// Parses a part of the path.
pub(super) fn parse<T: FromStr>(text: &str) -> Result<T, Answer> {
    text.parse()
        .map_err(|_| Answer::malformed("an identifier in the path is not well formed"))
}

/// Runs `work` on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Answer> + Send + 'static,
) -> Result<T, Answer> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Answer::error(ErrorCode::Internal, "a fault of the node")))
}

/// Reads the ledger; `None` is "not found".
async fn read<T: Serialize + Send + 'static>(
    interface: Arc<Interface>,
    look: impl FnOnce(&View) -> Result<Option<T>, Fault> + Send + 'static,
) -> Handled {
    blocking(move || {
        let view = (interface.views)()?;
        let found = look(&view)?.ok_or_else(Answer::not_found)?;
        Ok(Answer::object(&found))
    })
    .await
}

/// Reads the body of a small request and checks its ticket.
pub(super) async fn admitted(
    interface: &Arc<Interface>,
    request: Request,
) -> Result<(Verified<Ticket>, Bytes), Answer> {
    admitted_as(interface, request, Who::Registered).await
}

pub(super) async fn admitted_as(
    interface: &Arc<Interface>,
    request: Request,
    who: Who,
) -> Result<(Verified<Ticket>, Bytes), Answer> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        Answer::error(
            ErrorCode::TooLarge,
            "the body is larger than 1 MiB or broken off",
        )
    })?;
    let ticket = check_ticket(interface, &parts, Some(Digest::of(&body)), who).await?;
    Ok((ticket, body))
}

/// Whose tickets a route takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// Accounts on the ledger.
    Registered,
    /// Accounts about to register as well: a patient's public key is stored before her
    /// account names it.
    Newcomer,
}

/// Checks the ticket of a request. No ticket, a wrong one and nothing there to see are
/// one answer.
pub(super) async fn check_ticket(
    interface: &Arc<Interface>,
    parts: &axum::http::request::Parts,
    body: Option<Digest>,
    who: Who,
) -> Result<Verified<Ticket>, Answer> {
    let signed = parts
        .headers
        .get(axum::http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(ticket::parse)
        .ok_or_else(Answer::not_found)?;
    let method = parts.method.clone();
    let path = parts
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let interface = Arc::clone(interface);
    blocking(move || {
        let key = match (interface.views)()?.account(signed.body.account)? {
            Some(account) => account.operation_key().ok_or_else(Answer::not_found)?,
            // Somebody who is about to register: her first key is who she is.
            None if who == Who::Newcomer
                && AccountId::of(&signed.body.key) == signed.body.account
                && interface.newcomers.admit() =>
            {
                signed.body.key
            }
            None => return Err(Answer::not_found()),
        };
        let asked = Asked {
            method: method.as_str(),
            path: &path,
            body,
        };
        interface
            .gate
            .admit(signed, &key, asked, system::now())
            .ok_or_else(Answer::not_found)
    })
    .await
}

/// `?from=&limit=`
#[derive(Clone, Copy, Debug, Deserialize)]
struct Range {
    #[serde(default)]
    from: u64,
    #[serde(default = "page_size")]
    limit: usize,
}

impl Range {
    fn page(self) -> Page {
        Page {
            from: self.from,
            limit: self.limit.clamp(1, page_size()),
        }
    }
}

/// Entries of a page: the largest (a grant with thousands of scopes apart) have a few kB.
const fn page_size() -> usize {
    500
}

// -- ledger

async fn status(State(interface): Shared) -> Handled {
    let network = interface.genesis.network.clone();
    let chain = interface.genesis.chain();
    read(interface, move |view| {
        let header = view.head()?.header;
        Ok(Some(Status {
            interface: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            chain,
            network,
            height: header.height,
            tree_size: header.tree_size,
            time: header.time,
        }))
    })
    .await
}

async fn genesis(State(interface): Shared) -> Answer {
    Answer::object(&interface.genesis)
}

async fn head(State(interface): Shared) -> Handled {
    read(interface, |view| view.head().map(Some)).await
}

async fn block_at(State(interface): Shared, Path(height): Path<String>) -> Handled {
    let height = parse(&height)?;
    read(interface, move |view| view.block(height)).await
}

async fn leaves(State(interface): Shared, Query(range): Query<Range>) -> Handled {
    read(interface, move |view| {
        let leaves = view.leaves(range.from, range.limit.clamp(1, 10_000))?;
        Ok(Some(Leaves {
            leaves: leaves.iter().map(|leaf| leaf.to_bytes().into()).collect(),
        }))
    })
    .await
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct InclusionQuery {
    index: u64,
    size: u64,
}

async fn inclusion(State(interface): Shared, Query(asked): Query<InclusionQuery>) -> Handled {
    read(interface, move |view| {
        view.inclusion(asked.index, asked.size)
    })
    .await
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct ConsistencyQuery {
    from: u64,
    to: u64,
}

async fn consistency(State(interface): Shared, Query(asked): Query<ConsistencyQuery>) -> Handled {
    read(interface, move |view| {
        view.consistency(asked.from, asked.to)
    })
    .await
}

async fn submit(State(interface): Shared, request: Request) -> Handled {
    let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY)
        .await
        .map_err(|_| Answer::error(ErrorCode::TooLarge, "an operation has at most 512 KiB"))?;
    blocking(move || {
        let receipt = interface.sequencer.submit(bytes.into())?;
        Ok(Answer::object(&receipt))
    })
    .await
}

async fn operation(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| {
        let found = view.operation(id)?;
        Ok(found.map(|(index, leaf)| LoggedOperation {
            index,
            leaf: leaf.to_bytes().into(),
        }))
    })
    .await
}

async fn of_operation(
    State(interface): Shared,
    Path((id, what)): Path<(String, String)>,
) -> Handled {
    let id = parse(&id)?;
    match what.as_str() {
        "receipt" => read(interface, move |view| view.receipt(id)).await,
        _ => Err(Answer::not_found()),
    }
}

async fn lists(
    State(interface): Shared,
    Query(range): Query<Range>,
    method_uri: axum::http::Uri,
) -> Handled {
    let page = range.page();
    match method_uri.path() {
        "/v1/accounts" => read(interface, move |view| view.accounts(page).map(Some)).await,
        "/v1/disputes" => read(interface, move |view| view.disputes(page).map(Some)).await,
        "/v1/proposals" => read(interface, move |view| view.proposals(page).map(Some)).await,
        "/v1/institutions" => read(interface, |view| view.institutions().map(Some)).await,
        "/v1/ranking" => read(interface, |view| view.ranking(system::now()).map(Some)).await,
        "/v1/totals" => read(interface, |view| view.totals().map(Some)).await,
        "/v1/policy" => read(interface, |view| view.policy().map(Some)).await,
        _ => Err(Answer::not_found()),
    }
}

async fn account(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.account(id)).await
}

async fn of_account(
    State(interface): Shared,
    Path((id, what)): Path<(String, String)>,
    Query(range): Query<Range>,
) -> Handled {
    let id: AccountId = parse(&id)?;
    let page = range.page();
    match what.as_str() {
        "sequence" => {
            read(interface, move |view| {
                view.sequence(id).map(|count| Some(Count { count }))
            })
            .await
        }
        "institution" => read(interface, move |view| view.institution_of(id)).await,
        "bag" => read(interface, move |view| view.bag(id)).await,
        "balance" => read(interface, move |view| view.balance(id).map(Some)).await,
        "standing" => read(interface, move |view| view.standing(id)).await,
        "vouchers" => read(interface, move |view| view.vouchers_of(id).map(Some)).await,
        "journal" => {
            read(interface, move |view| {
                view.journal(id, range.from).map(Some)
            })
            .await
        }
        "records" => read(interface, move |view| view.records_of(id, page).map(Some)).await,
        "requests" => read(interface, move |view| view.requests_of(id, page).map(Some)).await,
        "grants" => read(interface, move |view| view.grants_of(id, page).map(Some)).await,
        "queries" => read(interface, move |view| view.queries_of(id, page).map(Some)).await,
        "notices" => read(interface, move |view| view.notices_of(id, page).map(Some)).await,
        "delegations" => {
            read(interface, move |view| {
                view.delegations_of(id, page).map(Some)
            })
            .await
        }
        "operations" => {
            read(interface, move |view| {
                view.operations_of(id, page).map(Some)
            })
            .await
        }
        _ => Err(Answer::not_found()),
    }
}

async fn record(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.record(id)).await
}

async fn states(
    State(interface): Shared,
    Path(id): Path<String>,
    Query(range): Query<Range>,
) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| {
        view.states_of(id, range.page()).map(Some)
    })
    .await
}

async fn state(State(interface): Shared, Path((id, state)): Path<(String, String)>) -> Handled {
    let (id, state) = (parse(&id)?, parse(&state)?);
    read(interface, move |view| view.state_of(id, state)).await
}

async fn scope(State(interface): Shared, Path((patient, sid)): Path<(String, String)>) -> Handled {
    let (patient, sid) = (parse(&patient)?, parse(&sid)?);
    read(interface, move |view| view.scope(patient, sid)).await
}

async fn request(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.request(id)).await
}

async fn grant(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.grant(id)).await
}

async fn queries_of_grant(
    State(interface): Shared,
    Path(id): Path<String>,
    Query(range): Query<Range>,
) -> Handled {
    let id: OperationId = parse(&id)?;
    read(interface, move |view| {
        view.queries_of_grant(id, range.page()).map(Some)
    })
    .await
}

async fn query(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.query(id)).await
}

async fn dispute(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.dispute(id)).await
}

async fn proposal(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.proposal(id)).await
}

async fn delegation(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.delegation(id)).await
}

/// Requests per second of accounts that are not registered yet, all together.
pub const NEWCOMER_RATE: u32 = 50;
/// One-time keys that one account takes in a minute: a grant takes one for each agent.
pub const PREKEYS_TAKEN: u32 = 20;
/// One-time keys that one agent leaves in a minute.
pub const PREKEYS_LEFT: u32 = 1_000;
