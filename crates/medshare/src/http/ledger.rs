//! The routes of the ledger: every read, and the one write, an operation.

use axum::{
    extract::{Path, Request, State},
    routing::get,
};
use base::{AccountId, OperationId};
use consensus::SubmitError;
use ledger::{Balance, Fault, Page, Ranked, Receipt, View, Voucher};
use serde::{Deserialize, Serialize};
use std::{str::FromStr, sync::Arc};
use tokio::{sync::oneshot, time::timeout};

use super::{
    admission::{Query, blocking, parse, taken},
    answer::{Answer, Handled},
    interface::{Interface, Shared},
    media,
    message::{Count, INTERFACE, Leaves, LoggedOperation, Status},
    table::Handlers,
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
#[serde(deny_unknown_fields)]
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

/// `GET` of what has no name.
pub(super) fn fixed<T: Serialize + Send + 'static>(
    look: fn(&View) -> Result<Option<T>, Fault>,
) -> Handlers {
    get(move |State(interface): Shared| read(interface, look))
}

/// `GET` of a page of a list.
pub(super) fn page<T: Serialize + Send + 'static>(
    look: fn(&View, Page) -> Result<T, Fault>,
) -> Handlers {
    get(
        move |State(interface): Shared, Query(range): Query<Range>| {
            read(interface, move |view| look(view, range.page()).map(Some))
        },
    )
}

/// `GET` of what has a name.
pub(super) fn one<I, T>(look: fn(&View, I) -> Result<Option<T>, Fault>) -> Handlers
where
    I: FromStr + Send + 'static,
    T: Serialize + Send + 'static,
{
    get(
        move |State(interface): Shared, Path(name): Path<String>| async move {
            let name = parse(&name)?;
            read(interface, move |view| look(view, name)).await
        },
    )
}

/// `GET` of what has two names.
pub(super) fn two<I, J, T>(look: fn(&View, I, J) -> Result<Option<T>, Fault>) -> Handlers
where
    I: FromStr + Send + 'static,
    J: FromStr + Send + 'static,
    T: Serialize + Send + 'static,
{
    get(
        move |State(interface): Shared, Path((one, two)): Path<(String, String)>| async move {
            let (one, two) = (parse(&one)?, parse(&two)?);
            read(interface, move |view| look(view, one, two)).await
        },
    )
}

/// `GET` of a page of the list of what has a name.
pub(super) fn page_of<I, T>(look: fn(&View, I, Page) -> Result<T, Fault>) -> Handlers
where
    I: FromStr + Send + 'static,
    T: Serialize + Send + 'static,
{
    get(
        move |State(interface): Shared, Path(name): Path<String>, Query(range): Query<Range>| async move {
            let name = parse(&name)?;
            read(interface, move |view| {
                look(view, name, range.page()).map(Some)
            })
            .await
        },
    )
}

// -- what a view has in another shape

pub(super) fn sequence(view: &View, account: AccountId) -> Result<Option<Count>, Fault> {
    view.sequence(account).map(|count| Some(Count { count }))
}

pub(super) fn balance(view: &View, account: AccountId) -> Result<Option<Balance>, Fault> {
    view.balance(account).map(Some)
}

pub(super) fn vouchers(view: &View, account: AccountId) -> Result<Option<Vec<Voucher>>, Fault> {
    view.vouchers_of(account).map(Some)
}

pub(super) fn ranking(view: &View) -> Result<Option<Vec<Ranked>>, Fault> {
    view.ranking(system::now()).map(Some)
}

pub(super) fn logged(view: &View, id: OperationId) -> Result<Option<LoggedOperation>, Fault> {
    let found = view.operation(id)?;
    Ok(found.map(|(index, leaf)| LoggedOperation {
        index,
        leaf: leaf.to_bytes().into(),
    }))
}

// -- routes of their own

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
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
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
    let (parts, body) = request.into_parts();
    let bytes = media::object(&parts.headers, taken(body).await?)?;
    let receipt = ordered(&interface, bytes.into()).await?;
    Ok(Answer::object(&receipt))
}

/// Gives an operation to the sequencer and waits for its fate, with a thread only if the
/// sequencer needs one.
async fn ordered(interface: &Interface, bytes: Vec<u8>) -> Result<Receipt, Answer> {
    let (sender, fate) = oneshot::channel();
    // Who went away has its operation in the log all the same.
    let teller = Box::new(move |told| drop(sender.send(told)));
    let sequencer = Arc::clone(&interface.sequencer);
    if let Err((bytes, _)) = sequencer.begin(bytes, teller) {
        return blocking(move || Ok(sequencer.submit(bytes)?)).await;
    }
    let fate = match sequencer.patience() {
        Some(patience) => match timeout(patience, fate).await {
            Ok(fate) => fate,
            Err(_) => Ok(Err(SubmitError::undecided())),
        },
        None => fate.await,
    };
    Ok(fate.unwrap_or(Err(SubmitError::Stopped))?)
}

pub(super) async fn journal(
    State(interface): Shared,
    Path(account): Path<String>,
    Query(range): Query<Range>,
) -> Handled {
    let account: AccountId = parse(&account)?;
    read(interface, move |view| {
        view.journal(account, range.from).map(Some)
    })
    .await
}
