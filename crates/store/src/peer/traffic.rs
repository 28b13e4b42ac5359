//! What one peer may use, over all its connections, and what it has used.

use super::Limits;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Semaphore;

/// What one peer shares among its connections.
pub(super) struct Share {
    /// Streams that it may have open to speak.
    pub(super) streams: Arc<Semaphore>,
    /// Bytes of messages that it may have under way and unread.
    pub(super) unread: Arc<Semaphore>,
    counts: [AtomicU64; 4],
}

/// Blocks that went between this node and a peer since it connected first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Blocks sent to it.
    pub blocks_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// Blocks that it sent and somebody had asked for.
    pub blocks_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
}

impl Share {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            streams: Arc::new(Semaphore::new(limits.streams_per_peer)),
            unread: Arc::new(Semaphore::new(
                limits.unread_per_peer.max(super::MAX_MESSAGE),
            )),
            counts: Default::default(),
        }
    }

    pub(super) fn sent(&self, blocks: u64, bytes: u64) {
        self.counts[0].fetch_add(blocks, Ordering::Relaxed);
        self.counts[1].fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.counts[2].fetch_add(1, Ordering::Relaxed);
        self.counts[3].fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn traffic(&self) -> Traffic {
        let count = |at: usize| self.counts[at].load(Ordering::Relaxed);
        Traffic {
            blocks_sent: count(0),
            bytes_sent: count(1),
            blocks_received: count(2),
            bytes_received: count(3),
        }
    }
}
