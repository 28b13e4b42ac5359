//! Who wants which block of whom: where connections and fetches meet.
//!
//! A connection reports blocks and absences, a fetch asks and cancels; neither knows the
//! other. A block is taken only if its peer was asked for it; any other counts against the
//! peer, which is banned after [`Limits::wrong_blocks`]. Nothing here waits.

use super::{
    Limits,
    message::{Absence, Want, WantKind},
    name::Name,
};
use bytes::Bytes;
use libp2p::{PeerId, swarm::ConnectionId};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What a fetch hears.
pub(super) enum News {
    /// The peer is connected, anew perhaps: what it was asked before is to be asked again.
    Up(PeerId),
    /// It is not connected any more, and is being dialled.
    Down(PeerId),
    /// It was dialled and could not be reached.
    Away(PeerId),
    /// It sent something that it was not asked for.
    Wrong(PeerId),
    /// A block, its hash checked. `room` is what it takes of the fetch's memory.
    Block {
        name: Name,
        from: PeerId,
        data: Bytes,
        room: OwnedSemaphorePermit,
    },
    /// A block came and the fetch had no room for it.
    NoRoom(Name, PeerId),
    /// The peer has the block.
    Held(PeerId),
    /// It has not, or says so.
    Absent(Name, PeerId),
}

/// What became of a block that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// Somebody wanted it.
    Wanted,
    /// It was asked for, and is wanted no more.
    Late,
    /// Nobody asked this peer for it.
    Wrong,
}

pub(super) struct Board {
    state: Mutex<State>,
    wrong_blocks: u32,
    ban: Duration,
    /// Peers to cut.
    banned: mpsc::UnboundedSender<PeerId>,
}

#[derive(Default)]
struct State {
    peers: HashMap<PeerId, Peer>,
    seats: HashMap<u64, Taker>,
    /// The fetches that want a block, whomever they asked.
    wanted: HashMap<Name, Vec<u64>>,
    next: u64,
}

#[derive(Default)]
struct Peer {
    /// What its connections send, the newest last.
    lanes: Vec<(ConnectionId, mpsc::UnboundedSender<Want>)>,
    /// What it was asked for and has not answered, and by which fetches.
    asked: HashMap<Name, Vec<u64>>,
    /// What it was asked for lately and need not answer any more.
    late: VecDeque<Name>,
    wrong: u32,
    banned_until: Option<Instant>,
}

/// A fetch, seen from here.
struct Taker {
    news: mpsc::UnboundedSender<News>,
    providers: HashSet<PeerId>,
    room: Arc<Semaphore>,
}

/// A fetch's place at the board. Dropping it cancels what it asked for.
pub(super) struct Seat {
    board: Arc<Board>,
    id: u64,
    pub(super) news: mpsc::UnboundedReceiver<News>,
}

impl Board {
    pub(super) fn new(limits: &Limits, banned: mpsc::UnboundedSender<PeerId>) -> Self {
        Self {
            state: Mutex::default(),
            wrong_blocks: limits.wrong_blocks,
            ban: limits.ban,
            banned,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is there; what is asked of its peer goes to `lane`.
    pub(super) fn up(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        lane: mpsc::UnboundedSender<Want>,
    ) {
        let mut state = self.state();
        let entry = state.peers.entry(peer).or_default();
        entry.lanes.push((connection, lane));
        if entry.lanes.len() == 1 {
            state.tell(&peer, || News::Up(peer));
        }
    }

    /// A connection is gone, and with it what was asked over it.
    pub(super) fn down(&self, peer: &PeerId, connection: ConnectionId) {
        let mut state = self.state();
        let Some(entry) = state.peers.get_mut(peer) else {
            return;
        };
        let before = entry.lanes.len();
        entry.lanes.retain(|(lane, _)| *lane != connection);
        if entry.lanes.len() == before {
            return;
        }
        for (name, _) in entry.asked.drain() {
            remember(&mut entry.late, name);
        }
        let left = !entry.lanes.is_empty();
        if !left && entry.wrong == 0 {
            state.peers.remove(peer);
        }
        state.tell(peer, || News::Down(*peer));
        if left {
            state.tell(peer, || News::Up(*peer));
        }
    }

    /// A block came in from `peer`; its bytes hash to `name`.
    pub(super) fn block(&self, peer: &PeerId, name: Name, data: &Bytes) -> Taken {
        let mut state = self.state();
        let Some(entry) = state.peers.get_mut(peer) else {
            return Taken::Late; // cut meanwhile
        };
        if entry.asked.remove(&name).is_some() {
            remember(&mut entry.late, name);
        } else if !entry.late.contains(&name) {
            return Taken::Wrong;
        }
        let Some(seats) = state.wanted.remove(&name) else {
            return Taken::Late;
        };
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        for seat in seats {
            if let Some(taker) = state.seats.get(&seat) {
                let room = taker.room.clone().try_acquire_many_owned(size);
                let news = match room {
                    Ok(room) => News::Block {
                        name,
                        from: *peer,
                        data: data.clone(),
                        room,
                    },
                    Err(_) => News::NoRoom(name, *peer),
                };
                let _ = taker.news.send(news); // it may be over
            }
        }
        Taken::Wanted
    }

    /// `peer` says whether it has a block that it was asked for.
    pub(super) fn presence(&self, peer: &PeerId, name: Name, held: bool) {
        let mut state = self.state();
        let Some(entry) = state.peers.get_mut(peer) else {
            return;
        };
        // Who was asked for the block and says that it has it will send it, or time will
        // tell; an absence ends the matter.
        let asked = if held {
            entry.asked.get(&name).cloned()
        } else {
            entry.asked.remove(&name)
        };
        for seat in asked.into_iter().flatten() {
            if let Some(taker) = state.seats.get(&seat) {
                let news = if held {
                    News::Held(*peer)
                } else {
                    News::Absent(name, *peer)
                };
                let _ = taker.news.send(news); // it may be over
            }
        }
    }

    /// `peer` sent what it was not asked for, or what is no message.
    pub(super) fn wrong(&self, peer: &PeerId, now: Instant) {
        let mut state = self.state();
        let entry = state.peers.entry(*peer).or_default();
        entry.wrong = entry.wrong.saturating_add(1);
        if entry.wrong >= self.wrong_blocks {
            entry.banned_until = Some(now + self.ban);
            let _ = self.banned.send(*peer); // the node may be stopping
        }
        state.tell(peer, || News::Wrong(*peer));
    }

    /// Whether a peer is to be kept out. A ban that is over is forgotten, and why.
    pub(super) fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        let mut state = self.state();
        let Some(entry) = state.peers.get_mut(peer) else {
            return false;
        };
        match entry.banned_until {
            Some(until) if until <= now => {
                entry.banned_until = None;
                entry.wrong = 0;
                false
            }
            Some(_) => true,
            None => false,
        }
    }

    /// Wrong blocks and messages of a peer since its last ban.
    pub(super) fn wrong_of(&self, peer: &PeerId) -> u32 {
        self.state().peers.get(peer).map_or(0, |entry| entry.wrong)
    }

    /// A peer cannot be reached.
    pub(super) fn away(&self, peer: &PeerId) {
        self.state().tell(peer, || News::Away(*peer));
    }

    /// A place for a fetch, with room for blocks that came in. It hears at once which
    /// providers are up.
    pub(super) fn sit(self: &Arc<Self>, providers: &[PeerId], room: Arc<Semaphore>) -> Seat {
        let (sender, news) = mpsc::unbounded_channel();
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        for peer in providers {
            let up = state.peers.get(peer).map(|entry| !entry.lanes.is_empty());
            if up == Some(true) {
                let _ = sender.send(News::Up(*peer)); // its receiver is here
            }
        }
        let taker = Taker {
            news: sender,
            providers: providers.iter().copied().collect(),
            room,
        };
        state.seats.insert(id, taker);
        let board = self.clone();
        Seat { board, id, news }
    }
}

impl State {
    fn tell(&self, peer: &PeerId, news: impl Fn() -> News) {
        for taker in self.seats.values() {
            if taker.providers.contains(peer) {
                let _ = taker.news.send(news()); // it may be over
            }
        }
    }

    /// The fetch wants nothing of this peer under this name any more.
    fn withdraw(&mut self, seat: u64, peer: &PeerId, name: &Name) {
        let Some(entry) = self.peers.get_mut(peer) else {
            return;
        };
        let Some(seats) = entry.asked.get_mut(name) else {
            return;
        };
        seats.retain(|other| *other != seat);
        if seats.is_empty() {
            entry.asked.remove(name);
            remember(&mut entry.late, *name);
            entry.send(name, WantKind::Cancel);
        }
    }
}

impl Peer {
    fn send(&self, name: &Name, kind: WantKind) {
        let want = Want {
            cid: name.cid(),
            kind,
            or_absence: match kind {
                WantKind::Cancel => Absence::Silent,
                WantKind::Block | WantKind::Have => Absence::Told,
            },
        };
        if let Some((_, lane)) = self.lanes.last() {
            let _ = lane.send(want); // it may be closing; the fetch hears of that
        }
    }
}

impl Seat {
    /// Asks `peer` for a block, or whether it has it.
    pub(super) fn ask(&self, peer: &PeerId, name: Name, kind: WantKind) {
        let mut state = self.board.state();
        let seats = state.wanted.entry(name).or_default();
        if !seats.contains(&self.id) {
            seats.push(self.id);
        }
        if let Some(entry) = state.peers.get_mut(peer) {
            let asked = entry.asked.entry(name).or_default();
            if !asked.contains(&self.id) {
                asked.push(self.id);
            }
            entry.send(&name, kind);
        }
    }

    /// Takes back what `peer` was asked for.
    pub(super) fn cancel(&self, peer: &PeerId, name: &Name) {
        self.board.state().withdraw(self.id, peer, name);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.board.state();
        let Some(taker) = state.seats.remove(&self.id) else {
            return;
        };
        for peer in &taker.providers {
            let asked = state.peers.get(peer).map(|entry| {
                let ours = entry.asked.iter().filter(|(_, by)| by.contains(&self.id));
                ours.map(|(name, _)| *name).collect::<Vec<_>>()
            });
            for name in asked.unwrap_or_default() {
                state.withdraw(self.id, peer, &name);
            }
        }
        state.wanted.retain(|_, seats| {
            seats.retain(|seat| *seat != self.id);
            !seats.is_empty()
        });
    }
}

/// Blocks remembered of one peer: more than it can be asked for at once.
const LATE: usize = 1024;

fn remember(late: &mut VecDeque<Name>, name: Name) {
    if late.len() == LATE {
        late.pop_front();
    }
    late.push_back(name);
}
