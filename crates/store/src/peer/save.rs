//! Blocks that came, saved on a thread of its own and committed in portions.

use super::{fetch::FetchError, name::Name, pull::Room};
use crate::{BlockStore, PutError};
use bytes::Bytes;
use std::{io, sync::Arc};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    task::{JoinHandle, spawn_blocking},
};

/// A block to save, and what it takes of the fetch's memory.
pub(super) struct Save {
    pub(super) name: Name,
    pub(super) data: Bytes,
    pub(super) taken: OwnedSemaphorePermit,
}

enum Order {
    Save(Save),
    Finish,
}

/// The thread that saves. Dropping it unfinished leaves what was committed.
pub(super) struct Saver {
    orders: mpsc::UnboundedSender<Order>,
    thread: JoinHandle<Result<(), PutError>>,
    commits: watch::Receiver<u64>,
}

impl Saver {
    pub(super) fn start(store: Arc<dyn BlockStore>, room: Arc<Room>) -> Self {
        // What waits in it is bounded by the room.
        let (orders, received) = mpsc::unbounded_channel();
        let (committed, commits) = watch::channel(0);
        let thread = spawn_blocking(move || run(&*store, &room, received, &committed));
        Self {
            orders,
            thread,
            commits,
        }
    }

    pub(super) fn save(&self, save: Save) {
        // If the thread has ended, `failed` says why.
        let _ = self.orders.send(Order::Save(save));
    }

    /// Waits until something is committed, or for the thread's failure.
    pub(super) async fn committed(&mut self) -> Result<(), FetchError> {
        if self.commits.changed().await.is_ok() {
            return Ok(());
        }
        Err(ended((&mut self.thread).await)
            .err()
            .unwrap_or(FetchError::Stopped))
    }

    /// Commits what is left.
    pub(super) async fn finish(self) -> Result<(), FetchError> {
        let _ = self.orders.send(Order::Finish); // as above
        ended(self.thread.await)
    }
}

fn ended(thread: Result<Result<(), PutError>, tokio::task::JoinError>) -> Result<(), FetchError> {
    match thread {
        Ok(saved) => Ok(saved?),
        Err(_) => {
            let panicked = io::Error::other("the store panicked");
            Err(PutError::Io(panicked).into())
        }
    }
}

fn run(
    store: &dyn BlockStore,
    room: &Room,
    mut orders: mpsc::UnboundedReceiver<Order>,
    committed: &watch::Sender<u64>,
) -> Result<(), PutError> {
    let mut batch = store.batch();
    let (mut blocks, mut bytes) = (0, 0);
    while let Some(order) = orders.blocking_recv() {
        let Order::Save(save) = order else {
            return batch.commit();
        };
        batch.put_hashed(&save.name.cid(), &save.data)?;
        (blocks, bytes) = (blocks + 1, bytes + save.data.len());
        drop(save.data);
        room.free(save.taken);
        if bytes >= PORTION || blocks >= PORTION_BLOCKS {
            batch.commit()?;
            batch = store.batch();
            (blocks, bytes) = (0, 0);
            committed.send_modify(|commits| *commits += 1);
        }
    }
    Ok(()) // given up
}

/// Bytes, and blocks, committed together: few syncs, and a bound on what a batch remembers.
const PORTION: usize = 64 << 20;
const PORTION_BLOCKS: usize = 16 << 10;
