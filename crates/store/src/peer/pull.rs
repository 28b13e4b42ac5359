//! Blocks, as they come from providers: [`Plan`] says what to ask of whom, the board carries
//! it there and brings the news.

use super::{
    board::{Board, News, Seat},
    message::WantKind,
    name::Name,
    plan::{Ending, Fault, Pace, Plan},
};
use bytes::Bytes;
use libp2p::PeerId;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Interval, MissedTickBehavior, interval},
};

/// Memory for blocks that came and are not saved yet.
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    size: usize,
    freed: Notify,
}

impl Room {
    /// Room for what may be asked for, and for blocks that are larger than expected.
    pub(super) fn new(window: usize) -> Self {
        let size = window + (window / 2).max(crate::MAX_BLOCK);
        Self {
            bytes: Arc::new(Semaphore::new(size)),
            size,
            freed: Notify::new(),
        }
    }

    /// Gives back what a block took.
    pub(super) fn free(&self, taken: OwnedSemaphorePermit) {
        drop(taken);
        self.freed.notify_one();
    }

    fn taken(&self) -> usize {
        self.size - self.bytes.available_permits()
    }
}

/// A block that came; its hash is checked.
pub(super) struct Came {
    pub(super) name: Name,
    pub(super) from: PeerId,
    pub(super) data: Bytes,
    pub(super) taken: OwnedSemaphorePermit,
}

pub(super) struct Pull {
    seat: Seat,
    pub(super) plan: Plan,
    pub(super) room: Arc<Room>,
    tick: Interval,
}

impl Pull {
    pub(super) fn new(board: &Arc<Board>, providers: &[PeerId], pace: Pace) -> Self {
        let room = Arc::new(Room::new(pace.window));
        let mut tick = interval((pace.patience / 10).clamp(SHORTEST, LONGEST));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            seat: board.sit(providers, room.bytes.clone()),
            plan: Plan::new(pace, providers, Instant::now()),
            room,
            tick,
        }
    }

    /// The next block that comes. It may be dropped and called again at any time.
    ///
    /// # Errors
    /// [`Fault`], when no provider gives what is wanted.
    pub(super) async fn next(&mut self, ending: Ending) -> Result<Came, Fault> {
        loop {
            let now = Instant::now();
            for (peer, name) in self.plan.assign(self.room.taken(), now) {
                self.seat.ask(&peer, name, WantKind::Block);
            }
            if let Some(fault) = self.plan.fault(now) {
                return Err(fault);
            }
            tokio::select! {
                news = self.seat.news.recv() => match news {
                    Some(news) => if let Some(came) = self.hear(news) {
                        return Ok(came);
                    },
                    None => return Err(Fault::NoProvider), // the board is gone
                },
                () = self.room.freed.notified() => {}
                _ = self.tick.tick() => self.plan.overdue(ending, Instant::now()),
            }
        }
    }

    fn hear(&mut self, news: News) -> Option<Came> {
        match news {
            News::Up(peer) => self.plan.up(&peer),
            News::Down(peer) => self.plan.down(&peer),
            News::Away(peer) => self.plan.away(&peer),
            News::Wrong(peer) => self.plan.wrong(&peer),
            News::NoRoom(name, from) => self.plan.no_room(&name, &from),
            News::Absent(name, by) => self.plan.refused(&name, &by),
            News::Held(_) => {} // it will send it
            News::Block {
                name,
                from,
                data,
                room: taken,
            } => {
                let others = self.plan.came(&name, &from, data.len(), Instant::now())?;
                for other in others {
                    self.seat.cancel(&other, &name);
                }
                return Some(Came {
                    name,
                    from,
                    data,
                    taken,
                });
            }
        }
        None
    }
}

/// How often requests that take too long are looked for: a tenth of what is too long, and
/// within these.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(250);
