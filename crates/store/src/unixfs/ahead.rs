//! Leaves are hashed on a second core while their elders are written.
//!
//! One thread hashes; whoever builds the tree hashes too when that thread has enough to do,
//! so that a tree that goes nowhere is hashed by both. Leaves come out in the order in
//! which they went in. Memory: a few chunks.

use super::{Leaves, node};
use base::cid::{self, Cid};
use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

/// A leaf with its name.
pub(super) struct Leaf {
    pub(super) cid: Cid,
    /// The block.
    pub(super) bytes: Vec<u8>,
    /// Bytes of the file in it.
    pub(super) size: u64,
}

/// Leaves on their way.
pub(super) struct Ahead {
    leaves: Leaves,
    worker: Option<Worker>,
    /// In order; `None` is with the worker.
    under_way: VecDeque<Option<Leaf>>,
    with_worker: usize,
}

struct Worker {
    chunks: Sender<Vec<u8>>,
    leaves: Receiver<Leaf>,
}

impl Ahead {
    pub(super) const fn new(leaves: Leaves) -> Self {
        Self {
            leaves,
            worker: None,
            under_way: VecDeque::new(),
            with_worker: 0,
        }
    }

    /// Takes a chunk.
    pub(super) fn push(&mut self, chunk: Vec<u8>) {
        let worth_it = chunk.len() >= WORTH_IT;
        if worth_it && self.worker.is_none() {
            self.worker = Worker::start(self.leaves);
        }
        let chunk = match &self.worker {
            Some(worker) if worth_it && self.with_worker < AHEAD => {
                match worker.chunks.send(chunk) {
                    Ok(()) => {
                        self.with_worker += 1;
                        self.under_way.push_back(None);
                        return;
                    }
                    Err(back) => back.0,
                }
            }
            _ => chunk,
        };
        self.under_way.push_back(Some(leaf(self.leaves, chunk)));
    }

    /// The next leaf if it is ready; it is waited for if enough others are on their way.
    pub(super) fn ready(&mut self) -> Option<Leaf> {
        if self.under_way.len() > AHEAD {
            return self.next();
        }
        let worker = self.worker.as_ref().map(|worker| &worker.leaves);
        match (self.under_way.front()?, worker) {
            (None, Some(leaves)) => {
                let leaf = leaves.try_recv().ok()?;
                Some(self.came(leaf))
            }
            _ => self.next(),
        }
    }

    /// The next leaf, waited for; `None` if there is none on its way.
    pub(super) fn next(&mut self) -> Option<Leaf> {
        if self.under_way.front()?.is_some() {
            return self.under_way.pop_front()?;
        }
        #[expect(
            clippy::expect_used,
            reason = "hashing neither fails nor ends before this does"
        )]
        let leaf = self
            .worker
            .as_ref()
            .and_then(|worker| worker.leaves.recv().ok())
            .expect("the hashing thread has a leaf of ours");
        Some(self.came(leaf))
    }

    /// Whether no leaf is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    fn came(&mut self, leaf: Leaf) -> Leaf {
        self.under_way.pop_front();
        self.with_worker -= 1; // counted when it was sent
        leaf
    }
}

impl Worker {
    /// `None` where there is no second core, or no thread to be had.
    fn start(kind: Leaves) -> Option<Self> {
        if thread::available_parallelism().map_or(1, usize::from) < 2 {
            return None;
        }
        let (chunks, to_hash) = channel::<Vec<u8>>();
        let (hashed, leaves) = channel();
        let hashing = move || {
            for chunk in to_hash {
                if hashed.send(leaf(kind, chunk)).is_err() {
                    return; // nobody wants it any more
                }
            }
        };
        let name = "unixfs hashing".to_owned();
        thread::Builder::new().name(name).spawn(hashing).ok()?;
        Some(Self { chunks, leaves })
    }
}

/// The leaf of a chunk.
pub(super) fn leaf(leaves: Leaves, chunk: Vec<u8>) -> Leaf {
    let size = chunk.len() as u64;
    match leaves {
        Leaves::Raw => Leaf {
            cid: cid::of_block(cid::RAW, &chunk),
            bytes: chunk,
            size,
        },
        Leaves::Wrapped => {
            let message = node::encode_file(node::FILE_TYPE, &chunk, size, &[]);
            let bytes = node::encode(&[], &message);
            Leaf {
                cid: leaves.name(&bytes),
                bytes,
                size,
            }
        }
    }
}

/// A chunk from which on another core is worth waking.
const WORTH_IT: usize = 64 << 10;
/// Chunks that the worker has at once.
const AHEAD: usize = 2;
