//! The routes of the node's operator, who has the node's own account: what the store holds,
//! and work on whole trees of blocks, which runs on while it is asked about.

use axum::extract::{Path, Request, State};
use base::{AccountId, Cid};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{Absent, BlockStore, car, links, walk::Walk};

use super::{
    admission::{Query, Who, admitted, asker, blocking, parse},
    answer::{Answer, Handled},
    interface::{Interface, Shared},
    message::{Collected, ErrorCode, JobStanding, Pinned, StoreFacts, Tree},
    transfer::{self, Pieces},
};

/// Refuses everybody but the node's own account.
async fn operator(interface: &Arc<Interface>, request: Request) -> Result<(), Answer> {
    let (asker, _) = admitted(interface, request).await?;
    is_operator(interface, asker.account)
}

fn is_operator(interface: &Interface, account: AccountId) -> Result<(), Answer> {
    match account == interface.operator {
        true => Ok(()),
        false => Err(Answer::not_found()),
    }
}

pub(super) async fn facts(State(interface): Shared, request: Request) -> Handled {
    operator(&interface, request).await?;
    blocking(move || {
        let pins = interface.store.pins().map_err(unreadable)?.len() as u64;
        let kept = (interface.standing)().kept;
        let scrubbed = *interface
            .scrubs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Answer::object(&StoreFacts {
            pins,
            kept,
            scrubbed,
        }))
    })
    .await
}

/// `?from=`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    from: u64,
}

pub(super) async fn pins(
    State(interface): Shared,
    Query(query): Query<From>,
    request: Request,
) -> Handled {
    operator(&interface, request).await?;
    blocking(move || {
        let pins = interface.store.pins().map_err(unreadable)?;
        let from = usize::try_from(query.from).unwrap_or(usize::MAX);
        let page: Vec<Pinned> = pins
            .iter()
            .skip(from)
            .take(PINS_A_PAGE)
            .map(|(root, count)| Pinned {
                root: *root,
                count: *count,
            })
            .collect();
        let next = from.saturating_add(page.len());
        Ok(Answer::object(&ledger::Listing {
            items: page,
            next: (next < pins.len()).then_some(next as u64),
        }))
    })
    .await
}

pub(super) async fn tree(
    State(interface): Shared,
    Path(root): Path<String>,
    request: Request,
) -> Handled {
    let root = parse(&root)?;
    operator(&interface, request).await?;
    blocking(move || Ok(Answer::object(&measure(&*interface.store, &root)))).await
}

pub(super) async fn collect(State(interface): Shared, request: Request) -> Handled {
    operator(&interface, request).await?;
    blocking(move || {
        let collected = interface.store.gc(GRACE, Absent::Allowed);
        let collected = collected.map_err(|error| unreadable(std::io::Error::other(error)))?;
        Ok(Answer::object(&Collected {
            deleted: collected.deleted,
            bytes: collected.bytes,
            recent: collected.recent,
        }))
    })
    .await
}

/// `PUT /v1/store/cars`: every block of a CARv1, all or nothing, and its roots pinned.
pub(super) async fn import(State(interface): Shared, request: Request) -> Handled {
    let (parts, body) = request.into_parts();
    let asker = asker(&interface, &parts, None, Who::Registered).await?;
    is_operator(&interface, asker.account)?;
    let request = Request::from_parts(parts, body);
    transfer::receive(interface, request, asker.content, read_car).await
}

fn read_car(interface: &Arc<Interface>, pieces: Pieces) -> Handled {
    let (store, limit) = (&*interface.store, interface.file_limit);
    let summary = car::import(store, pieces, limit).map_err(|error| match error {
        car::ImportError::Store(error) => error.into(),
        car::ImportError::TooLarge(_) => Answer::error(ErrorCode::TooLarge, error.to_string()),
        other => Answer::malformed(&other.to_string()),
    })?;
    for root in &summary.roots {
        let account = interface.operator;
        let pin = || store.pin(root).map(drop);
        interface.post.add_pin(account, &root.to_bytes(), pin)??;
    }
    Ok(Answer::object(&Tree {
        roots: summary.roots,
        blocks: summary.blocks,
        bytes: summary.bytes,
        missing: 0,
    }))
}

// -- work on whole trees

/// `POST /v1/store/{work}/{root}`: begins it, or tells how far it is; told to be done, it is
/// forgotten.
pub(super) async fn work(
    State(interface): Shared,
    Path((work, root)): Path<(String, String)>,
    request: Request,
) -> Handled {
    let root: Cid = parse(&root)?;
    let work = match work.as_str() {
        "fetch" => Work::Fetch,
        "verify" => Work::Verify,
        _ => return Err(Answer::not_found()),
    };
    operator(&interface, request).await?;
    let job = interface.jobs.begin(work, root, &interface)?;
    // A short one is told to be done at once.
    for _ in 0..TURNS {
        if job.standing().done {
            break;
        }
        tokio::time::sleep(TURN).await;
    }
    let standing = job.standing();
    if standing.done {
        interface.jobs.forget(work, root);
    }
    Ok(Answer::object(&standing))
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Work {
    Fetch,
    Verify,
}

/// What runs for the operator.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<HashMap<(Work, Cid), Arc<Job>>>);

#[derive(Debug, Default)]
struct Job(Mutex<JobStanding>);

impl Jobs {
    fn begin(&self, work: Work, root: Cid, interface: &Arc<Interface>) -> Result<Arc<Job>, Answer> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = jobs.get(&(work, root)) {
            return Ok(Arc::clone(job));
        }
        if jobs.len() >= MAX_JOBS {
            return Err(Answer::error(
                ErrorCode::Busy,
                format!("{MAX_JOBS} such jobs run already"),
            ));
        }
        let job = Arc::<Job>::default();
        let (running, interface) = (Arc::clone(&job), Arc::clone(interface));
        tokio::task::spawn_blocking(move || {
            match work {
                Work::Fetch => running.fetch(&interface, &root),
                Work::Verify => running.verify(&*interface.store, &root),
            }
            running.lock().done = true;
        });
        jobs.insert((work, root), Arc::clone(&job));
        Ok(job)
    }

    fn forget(&self, work: Work, root: Cid) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.remove(&(work, root));
    }
}

impl Job {
    fn lock(&self) -> MutexGuard<'_, JobStanding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> JobStanding {
        self.lock().clone()
    }

    fn fetch(&self, interface: &Interface, root: &Cid) {
        let told = |blocks, bytes, expected| {
            let mut standing = self.lock();
            (standing.blocks, standing.bytes) = (blocks, bytes);
            standing.expected = expected;
        };
        let fetched = match &interface.finder {
            Some(finder) => finder.fetch(root, &told),
            None => Err("this node has no peers".to_owned()),
        };
        self.lock().error = fetched.err();
    }

    fn verify(&self, store: &dyn BlockStore, root: &Cid) {
        let tree = measure(store, root);
        self.lock().expected = Some(tree.bytes);
        for found in Walk::new(store, *root) {
            let mut standing = self.lock();
            match found {
                Ok((_, bytes)) => {
                    standing.blocks += 1;
                    standing.bytes += bytes.len() as u64;
                }
                Err(fault) => {
                    standing.faults += 1;
                    if standing.named.len() < MAX_NAMED {
                        standing.named.push((*fault.cid(), fault.to_string()));
                    }
                }
            }
        }
    }
}

/// Blocks and bytes that a root reaches, by their lengths alone.
pub(crate) fn measure(store: &dyn BlockStore, root: &Cid) -> Tree {
    let mut tree = Tree {
        roots: vec![*root],
        ..Tree::default()
    };
    let (mut waiting, mut seen) = (vec![*root], std::collections::HashSet::new());
    while let Some(cid) = waiting.pop() {
        if !seen.insert(cid) {
            continue;
        }
        let length = match cid.codec() {
            base::cid::RAW => store.size(&cid).ok().flatten(),
            _ => store.get(&cid).ok().map(|bytes| {
                waiting.extend(links(&cid, &bytes).unwrap_or_default());
                bytes.len() as u64
            }),
        };
        match length {
            Some(length) => {
                tree.blocks += 1;
                tree.bytes += length;
            }
            None => tree.missing += 1,
        }
    }
    tree
}

fn unreadable(error: std::io::Error) -> Answer {
    super::log_line(&error);
    Answer::error(
        ErrorCode::Internal,
        "the node cannot read its store; look into its log",
    )
}

const PINS_A_PAGE: usize = 500;
const MAX_JOBS: usize = 16;
const MAX_NAMED: usize = 100;
/// What came up lately may be on its way to a pin.
const GRACE: Duration = Duration::from_secs(15 * 60);
const TURN: Duration = Duration::from_millis(50);
const TURNS: usize = 10;
