//! What a peer wants is answered: blocks that it may have, and absence for the rest.
//!
//! The policy is asked for every block before the store is looked at, and what it refuses is
//! never looked for. "Not here" is sent a fixed time after the want arrived, so that neither
//! its words nor its time tell a refusal from an absence.
//!
//! A want is answered once: a block that comes here later is not sent to who asked before.
//! Bounds: one message is read while one is sent; a number of threads for all peers together.

use super::{
    Limits, PeerId, Policy,
    message::{Absence, Block, Message, Presence, Want, WantKind},
    name::Name,
    traffic::Share,
};
use crate::BlockStore;
use base::cid::Cid;
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::spawn_blocking,
    time::sleep_until,
};

/// What every peer is served from.
pub(super) struct Server {
    pub(super) store: Arc<dyn BlockStore>,
    policy: Arc<dyn Policy>,
    reads: Semaphore,
    absence: Duration,
}

impl Server {
    pub(super) fn new(
        store: Arc<dyn BlockStore>,
        policy: Arc<dyn Policy>,
        limits: &Limits,
    ) -> Self {
        Self {
            store,
            policy,
            reads: Semaphore::new(limits.reads),
            absence: limits.absence,
        }
    }

    /// Answers what a peer wants, until its connection closes.
    pub(super) async fn serve(
        self: Arc<Self>,
        peer: PeerId,
        queue: Arc<Queue>,
        share: Arc<Share>,
        answers: mpsc::Sender<Vec<u8>>,
    ) {
        loop {
            let (mut wants, arrived) = tokio::select! {
                taken = queue.take() => taken,
                () = answers.closed() => return,
            };
            while !wants.is_empty() {
                let Ok(_turn) = self.reads.acquire().await else {
                    return;
                };
                let server = self.clone();
                let work = spawn_blocking(move || {
                    let answer = server.answer(&peer, &mut wants);
                    (answer, wants)
                });
                let Ok((answer, rest)) = work.await else {
                    return; // the policy or the store panicked: this peer gets no more
                };
                wants = rest;
                drop(_turn);
                if let Some(message) = answer.present {
                    if answers.send(message).await.is_err() {
                        return;
                    }
                    share.sent(answer.blocks, answer.bytes);
                }
                if let Some(message) = answer.absent {
                    sleep_until((arrived + self.absence).into()).await;
                    if answers.send(message).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Answers wants from the front until a message is full.
    fn answer(&self, peer: &PeerId, wants: &mut VecDeque<Want>) -> Answer {
        let (mut present, mut absent) = (Message::default(), Message::default());
        let mut bytes = 0;
        while let Some(want) = wants.front() {
            match self.look(peer, want, FULL.saturating_sub(bytes)) {
                Found::TooLarge if bytes > 0 => break, // for the next message
                Found::Block(block) => {
                    bytes += block.data.len();
                    present.blocks.push(block);
                }
                Found::Held => present.presences.push(Presence {
                    cid: want.cid,
                    held: true,
                }),
                Found::Absent if want.or_absence == Absence::Told => {
                    absent.presences.push(Presence {
                        cid: want.cid,
                        held: false,
                    });
                }
                Found::Absent | Found::TooLarge => {}
            }
            wants.pop_front();
        }
        let encode = |message: Message| (message != Message::default()).then(|| message.encode());
        Answer {
            blocks: present.blocks.len() as u64,
            bytes: bytes as u64,
            present: encode(present),
            absent: encode(absent),
        }
    }

    /// Looks for a block, at most `room` bytes of it unless the message is still empty.
    fn look(&self, peer: &PeerId, want: &Want, room: usize) -> Found {
        let Some(name) = Name::of(&want.cid) else {
            return Found::Absent;
        };
        if !self.policy.may_have(peer, &want.cid) {
            return Found::Absent;
        }
        let Ok(Some(size)) = self.store.size(&want.cid) else {
            return Found::Absent;
        };
        if want.kind == WantKind::Have && size > SMALL {
            return Found::Held;
        }
        if size > room as u64 && room < FULL {
            return Found::TooLarge;
        }
        // Damaged is as good as absent: it is for a replica to give.
        match self.store.get(&want.cid) {
            Ok(data) => Found::Block(name.block(want.cid.version(), Bytes::from(data))),
            Err(_) => Found::Absent,
        }
    }
}

enum Found {
    Block(Block),
    Held,
    Absent,
    TooLarge,
}

struct Answer {
    present: Option<Vec<u8>>,
    absent: Option<Vec<u8>>,
    blocks: u64,
    bytes: u64,
}

/// Bytes of blocks in one message, unless a single block has more.
const FULL: usize = 1 << 20;
/// A block of so few bytes is itself the answer to who asks whether it is here.
const SMALL: u64 = 1 << 10;
/// Wants answered in one go.
const BATCH: usize = 128;

/// What a peer wants and has not been answered yet.
pub(super) struct Queue {
    state: Mutex<Waiting>,
    filled: Notify,
    limit: usize,
}

#[derive(Default)]
struct Waiting {
    wants: HashMap<Cid, Want>,
    /// In the order of arrival; names what is wanted no more, too.
    order: VecDeque<Cid>,
    arrived: Option<Instant>,
}

impl Queue {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            limit: limits.wants_per_peer,
        }
    }

    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a want list in. What is above the limit is not taken.
    pub(super) fn put(&self, message: &Message, now: Instant) {
        let mut state = self.state();
        if message.full {
            *state = Waiting::default();
        }
        for want in &message.wants {
            if want.kind == WantKind::Cancel {
                state.wants.remove(&want.cid);
                continue;
            }
            if state.order.len() >= 2 * self.limit {
                let Waiting { wants, order, .. } = &mut *state;
                order.retain(|cid| wants.contains_key(cid));
            }
            if state.wants.contains_key(&want.cid) {
                state.wants.insert(want.cid, *want);
            } else if state.wants.len() < self.limit && state.order.len() < 2 * self.limit {
                state.wants.insert(want.cid, *want);
                state.order.push_back(want.cid);
            }
        }
        state.arrived = Some(now);
        drop(state);
        self.filled.notify_one();
    }

    /// Some wants, in their order, and when the last of all arrived.
    async fn take(&self) -> (VecDeque<Want>, Instant) {
        loop {
            if let Some(taken) = self.some() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn some(&self) -> Option<(VecDeque<Want>, Instant)> {
        let mut state = self.state();
        let mut taken = VecDeque::new();
        while taken.len() < BATCH
            && let Some(cid) = state.order.pop_front()
        {
            taken.extend(state.wants.remove(&cid));
        }
        if taken.is_empty() {
            return None;
        }
        Some((taken, state.arrived.unwrap_or_else(Instant::now)))
    }
}
