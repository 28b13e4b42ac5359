//! A tree of blocks, fetched from providers into the store.
//!
//! The tree is walked depth first, so that what waits is a few nodes' links, however large
//! the file. Blocks that are here already are not asked for. What comes is hashed where it
//! comes in, saved by a thread of its own, and committed in portions: a fetch that fails has
//! stored whole blocks, which the next one finds. Nothing is pinned here.
//!
//! Bounds: bytes asked for and unsaved ([`FetchOptions::window`]); depth, blocks and bytes of
//! the tree; names waiting. A CID cannot be part of what it names, so that a tree has no
//! cycle; a node that is reached twice is visited once.

use super::{
    PeerId,
    plan::{Ending, Fault, Pace},
    pull::{Came, Pull},
    save::{Save, Saver},
    walk::{Here, Walk},
};
use crate::{BlockStore, GetError, PutError};
use base::cid::Cid;
use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{sync::watch, task::JoinHandle};

/// How a tree is fetched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchOptions {
    /// Bytes that may be asked for or lie unsaved in memory, at least 2 MiB.
    pub window: usize,
    /// How long a provider may take for a block before another is asked too.
    pub patience: Duration,
    /// How long may pass without any block before the fetch is given up.
    pub stall: Duration,
    /// Links from the root to the deepest block, at most.
    pub depth: usize,
    /// Blocks of the tree, at most.
    pub blocks: u64,
    /// Bytes of them, at most.
    pub bytes: u64,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            window: 12 << 20,
            patience: Duration::from_secs(5),
            stall: Duration::from_secs(30),
            depth: 64,
            blocks: 1 << 24,
            bytes: 1 << 40,
        }
    }
}

impl FetchOptions {
    pub(super) fn pace(&self) -> Pace {
        Pace {
            window: self.window.max(crate::MAX_BLOCK),
            patience: self.patience,
            stall: self.stall,
        }
    }
}

/// How far a fetch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Blocks that came.
    pub blocks: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Blocks that were here already.
    pub held: u64,
    /// Bytes of the whole tree as its root says, which is not to be trusted.
    pub expected: Option<u64>,
}

/// A finished fetch: every block of the tree is in the store, durable.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// The root.
    pub root: Cid,
    /// Blocks that came.
    pub blocks: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Blocks that were here already.
    pub held: u64,
    /// How many bytes each provider gave.
    pub from: HashMap<PeerId, u64>,
}

/// Why a fetch failed. Blocks that came may have been stored, each of them whole.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No provider can be reached.
    #[error("none of the providers of {0} can be reached")]
    NoProvider(Cid),
    /// Every provider says that it has no such block, or not for us.
    #[error("no provider gives block {0}")]
    Missing(Cid),
    /// None has sent anything for too long.
    #[error("the providers have sent nothing for too long; block {0} is waited for")]
    Stalled(Cid),
    /// The tree is deeper than allowed.
    #[error("the tree is deeper than {limit} links at block {cid}")]
    TooDeep {
        /// Where.
        cid: Cid,
        /// Links allowed.
        limit: usize,
    },
    /// The tree has more blocks or bytes than allowed, or links that no file has.
    #[error("the tree is larger than allowed at block {0}")]
    TooLarge(Cid),
    /// A block is no valid node, wherever it comes from, or one here cannot be read.
    #[error(transparent)]
    Block(#[from] GetError),
    /// The store did not take the blocks.
    #[error(transparent)]
    Store(#[from] PutError),
    /// A CID that names no block that is kept here.
    #[error("{0} is not a raw, dag-pb or dag-cbor CID with SHA2-256; no others are kept here")]
    Unsupported(Cid),
    /// The node was stopped.
    #[error("the node is stopped")]
    Stopped,
}

impl FetchError {
    pub(super) fn of(fault: Fault, root: &Cid) -> Self {
        match fault {
            Fault::NoProvider => Self::NoProvider(*root),
            Fault::Missing(name) => Self::Missing(name.cid()),
            Fault::Stalled(name) => Self::Stalled(name.cid()),
        }
    }
}

/// A fetch under way. Dropping it cancels it.
pub struct Fetch {
    task: JoinHandle<Result<Fetched, FetchError>>,
    progress: watch::Receiver<Progress>,
}

impl Fetch {
    pub(super) const fn new(
        task: JoinHandle<Result<Fetched, FetchError>>,
        progress: watch::Receiver<Progress>,
    ) -> Self {
        Self { task, progress }
    }

    /// How far it is, whenever that changes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

impl Future for Fetch {
    type Output = Result<Fetched, FetchError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = Pin::new(&mut self.task).poll(context);
        // Aborted or panicked: either way it runs no more.
        joined.map(|joined| joined.unwrap_or(Err(FetchError::Stopped)))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a fetch works on.
pub(super) struct Job {
    pub(super) store: Arc<dyn BlockStore>,
    pub(super) pull: Pull,
    pub(super) options: FetchOptions,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) root: Cid,
}

impl Job {
    /// Fetches the tree.
    pub(super) async fn run(mut self) -> Result<Fetched, FetchError> {
        let root = self.root;
        let mut walk = Walk::new(&root, &self.options)?;
        let mut saver = Saver::start(self.store.clone(), self.pull.room.clone());
        let mut from = HashMap::new();
        let mut looking: Option<JoinHandle<Result<Vec<Here>, GetError>>> = None;
        loop {
            if looking.is_none() && self.pull.plan.is_hungry() {
                let store = self.store.clone();
                looking = walk.look(|name| self.pull.plan.wants(name), store);
            }
            if looking.is_none() && self.pull.plan.is_idle() && walk.is_done() {
                break;
            }
            let ending = if walk.is_done() {
                Ending::Yes
            } else {
                Ending::NotYet
            };
            tokio::select! {
                looked = finish(&mut looking) => {
                    let now = Instant::now();
                    for here in looked? {
                        match walk.found(here)? {
                            Some(name) => self.pull.plan.want(name, now),
                            None => self.progress.send_modify(|progress| progress.held += 1),
                        }
                    }
                }
                came = self.pull.next(ending), if !self.pull.plan.is_idle() => {
                    let came = came.map_err(|fault| FetchError::of(fault, &root))?;
                    self.take(came, &mut walk, &mut from, &saver)?;
                }
                committed = saver.committed() => {
                    committed?;
                    walk.committed();
                }
            }
        }
        saver.finish().await?;
        let Progress {
            blocks,
            bytes,
            held,
            ..
        } = *self.progress.borrow();
        Ok(Fetched {
            root,
            blocks,
            bytes,
            held,
            from,
        })
    }

    fn take(
        &self,
        came: Came,
        walk: &mut Walk,
        from: &mut HashMap<PeerId, u64>,
        saver: &Saver,
    ) -> Result<(), FetchError> {
        let expected = walk.came(&came.name, &came.data)?;
        let size = came.data.len() as u64;
        *from.entry(came.from).or_default() += size;
        self.progress.send_modify(|progress| {
            progress.blocks += 1;
            progress.bytes += size;
            progress.expected = progress.expected.or(expected);
        });
        saver.save(Save {
            name: came.name,
            data: came.data,
            taken: came.taken,
        });
        Ok(())
    }
}

/// The result of a look into the store; waits for ever if there is none under way.
async fn finish(
    looking: &mut Option<JoinHandle<Result<Vec<Here>, GetError>>>,
) -> Result<Vec<Here>, FetchError> {
    let Some(task) = looking else {
        return std::future::pending().await;
    };
    let looked = task.await;
    *looking = None;
    Ok(looked.map_err(|_| FetchError::Stopped)??)
}
