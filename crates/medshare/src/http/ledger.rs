//! The routes of the ledger: every read, and the one write, an operation.

use axum::extract::{Path, Query, Request, State};
use base::{AccountId, OperationId};
use ledger::{Fault, Page, View};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::{
    admission::{blocking, parse},
    answer::{Answer, Handled},
    interface::{Interface, Shared},
    limit::MAX_BODY,
    message::{Count, ErrorCode, INTERFACE, Leaves, LoggedOperation, Status},
};
use crate::system;

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
/// `?from=&limit=`
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Range {
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

pub(super) async fn status(State(interface): Shared) -> Handled {
    let network = interface.genesis.network.clone();
    let chain = interface.genesis.chain();
    read(interface, move |view| {
        let header = view.head()?.header;
        Ok(Some(Status {
            interface: INTERFACE,
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

pub(super) async fn node(State(interface): Shared) -> Handled {
    blocking(move || Ok(Answer::object(&(interface.standing)()))).await
}

pub(super) async fn genesis(State(interface): Shared) -> Answer {
    Answer::object(&interface.genesis)
}

pub(super) async fn validators(State(interface): Shared) -> Handled {
    read(interface, |view| view.validators().map(Some)).await
}

/// `?from=` a height.
pub(super) async fn transitions(
    State(interface): Shared,
    Query(Range { from, limit }): Query<Range>,
) -> Handled {
    read(interface, move |view| {
        view.transitions(from, limit.clamp(1, MAX_TRANSITIONS))
            .map(Some)
    })
    .await
}

/// Transitions of an answer: each has a certificate and a set of at most some hundred.
const MAX_TRANSITIONS: usize = 100;

pub(super) async fn head(State(interface): Shared) -> Handled {
    read(interface, |view| view.head().map(Some)).await
}

pub(super) async fn head_at(State(interface): Shared, Path(height): Path<String>) -> Handled {
    let height = parse(&height)?;
    read(interface, move |view| view.head_at(height)).await
}

pub(super) async fn block_at(State(interface): Shared, Path(height): Path<String>) -> Handled {
    let height = parse(&height)?;
    read(interface, move |view| view.block(height)).await
}

pub(super) async fn leaves(State(interface): Shared, Query(range): Query<Range>) -> Handled {
    read(interface, move |view| {
        let leaves = view.leaves(range.from, range.limit.clamp(1, 10_000))?;
        Ok(Some(Leaves {
            leaves: leaves.iter().map(|leaf| leaf.to_bytes().into()).collect(),
        }))
    })
    .await
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct InclusionQuery {
    index: u64,
    size: u64,
}

pub(super) async fn inclusion(
    State(interface): Shared,
    Query(asked): Query<InclusionQuery>,
) -> Handled {
    read(interface, move |view| {
        view.inclusion(asked.index, asked.size)
    })
    .await
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct ConsistencyQuery {
    from: u64,
    to: u64,
}

pub(super) async fn consistency(
    State(interface): Shared,
    Query(asked): Query<ConsistencyQuery>,
) -> Handled {
    read(interface, move |view| {
        view.consistency(asked.from, asked.to)
    })
    .await
}

pub(super) async fn submit(State(interface): Shared, request: Request) -> Handled {
    let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY)
        .await
        .map_err(|_| Answer::error(ErrorCode::TooLarge, "an operation has at most 512 KiB"))?;
    blocking(move || {
        let receipt = interface.sequencer.submit(bytes.into())?;
        Ok(Answer::object(&receipt))
    })
    .await
}

pub(super) async fn operation(State(interface): Shared, Path(id): Path<String>) -> Handled {
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

pub(super) async fn of_operation(
    State(interface): Shared,
    Path((id, what)): Path<(String, String)>,
) -> Handled {
    let id = parse(&id)?;
    match what.as_str() {
        "receipt" => read(interface, move |view| view.receipt(id)).await,
        _ => Err(Answer::not_found()),
    }
}

pub(super) async fn lists(
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

pub(super) async fn account(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.account(id)).await
}

pub(super) async fn of_account(
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
        "guardianship" => read(interface, move |view| view.guardianship(id)).await,
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

pub(super) async fn record(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.record(id)).await
}

pub(super) async fn states(
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

pub(super) async fn state(
    State(interface): Shared,
    Path((id, state)): Path<(String, String)>,
) -> Handled {
    let (id, state) = (parse(&id)?, parse(&state)?);
    read(interface, move |view| view.state_of(id, state)).await
}

pub(super) async fn scope(
    State(interface): Shared,
    Path((patient, sid)): Path<(String, String)>,
) -> Handled {
    let (patient, sid) = (parse(&patient)?, parse(&sid)?);
    read(interface, move |view| view.scope(patient, sid)).await
}

pub(super) async fn request(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.request(id)).await
}

pub(super) async fn grant(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.grant(id)).await
}

pub(super) async fn queries_of_grant(
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

pub(super) async fn query(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.query(id)).await
}

pub(super) async fn dispute(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.dispute(id)).await
}

pub(super) async fn proposal(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.proposal(id)).await
}

pub(super) async fn recovery(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.recovery(id)).await
}

pub(super) async fn delegation(State(interface): Shared, Path(id): Path<String>) -> Handled {
    let id = parse(&id)?;
    read(interface, move |view| view.delegation(id)).await
}
