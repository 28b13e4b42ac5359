//! Who is connected. When there is no room for one more, the connection that has kept the
//! node waiting longest is put out: one that asks nothing, then one whose request or
//! answer does not move. One whose request is being worked on never is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time};

/// The open connections of one listener.
#[derive(Debug)]
pub(super) struct Connections {
    capacity: usize,
    /// How long a request or an answer must have stood still before it may be put out.
    still: Duration,
    state: Mutex<State>,
    /// There may be room now.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    phase: Phase,
    /// When it came into this phase, or last moved in it.
    since: Instant,
    /// `None` once it was told to go.
    leave: Option<Arc<Notify>>,
}

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Nothing, or sending a request's first lines, or taking the end of an answer.
    Waiting,
    /// Its request's body is coming.
    Receiving,
    /// Its request is being worked on.
    Working,
    /// It is taking a long answer.
    Answering,
    /// It is sending a file, or taking one.
    Streaming,
}

/// One connection's place among the others; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    leave: Arc<Notify>,
}

impl Connections {
    /// Room for `capacity` connections, at least one.
    pub(super) fn new(capacity: usize, still: Duration) -> Arc<Self> {
        Arc::new(Self {
            capacity: capacity.max(1),
            still,
            state: Mutex::default(),
            room: Notify::new(),
        })
    }

    /// A place for one more, as soon as there is one.
    pub(super) async fn admit(self: &Arc<Self>) -> Place {
        loop {
            {
                let mut state = self.state();
                if state.open.len() < self.capacity {
                    return self.place(&mut state);
                }
                let still = self.still;
                if !state.put_out(Phase::Waiting, MOMENT.min(still)) {
                    let phases = [Phase::Receiving, Phase::Answering, Phase::Streaming];
                    phases.iter().any(|phase| state.put_out(*phase, still));
                }
            }
            // What stands still now may be put out in a moment.
            let _ = time::timeout(MOMENT, self.room.notified()).await;
        }
    }

    /// Puts out the connection that has stood longest in `phase` without moving, if there
    /// is one.
    pub(super) fn put_out(&self, phase: Phase) {
        self.state().put_out(phase, self.still);
    }

    /// Puts out the connection that has waited longest, if one waits.
    pub(super) fn make_room(&self) {
        self.state().put_out(Phase::Waiting, MOMENT);
    }

    fn place(self: &Arc<Self>, state: &mut State) -> Place {
        let (id, leave) = (state.next, Arc::new(Notify::new()));
        state.next += 1;
        let open = Open {
            phase: Phase::Waiting,
            since: Instant::now(),
            leave: Some(Arc::clone(&leave)),
        };
        state.open.insert(id, open);
        Place {
            connections: Arc::clone(self),
            id,
            leave,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells the one to go that has been longest in `phase` without moving, for `still` at
    /// least; says whether there was one.
    fn put_out(&mut self, phase: Phase, still: Duration) -> bool {
        let now = Instant::now();
        let oldest = self
            .open
            .values_mut()
            .filter(|open| open.leave.is_some() && open.phase == phase)
            .filter(|open| now.saturating_duration_since(open.since) >= still)
            .min_by_key(|open| open.since);
        let Some(leave) = oldest.and_then(|open| open.leave.take()) else {
            return false;
        };
        leave.notify_one();
        true
    }
}

impl Place {
    /// Goes over to `phase`, or moves on in it.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.connections.state();
        let full = state.open.len() >= self.connections.capacity;
        if let Some(open) = state.open.get_mut(&self.id) {
            (open.phase, open.since) = (phase, Instant::now());
        }
        if full && phase == Phase::Waiting {
            self.connections.room.notify_one();
        }
    }

    /// Puts out another connection that stands still in `phase`, if there is one.
    pub(super) fn put_out(&self, phase: Phase) {
        self.connections.put_out(phase);
    }

    /// Comes back when somebody else needs the place.
    pub(super) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.state().open.remove(&self.id);
        self.connections.room.notify_one();
    }
}

/// What everybody has to say something in, or to take a short answer in.
const MOMENT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Duration = Duration::from_millis(50); // below a moment

    fn now_or_never(future: impl Future) -> bool {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut context).is_ready()
    }

    #[tokio::test]
    async fn who_waits_longest_goes_first() {
        let connections = Connections::new(3, STILL);
        let first = connections.admit().await;
        let second = connections.admit().await;
        let third = connections.admit().await;
        first.enter(Phase::Working);
        second.enter(Phase::Working);
        second.enter(Phase::Waiting); // has moved after the third came
        assert!(!now_or_never(connections.admit()));
        assert!(!now_or_never(third.told_to_leave()), "it has only come");
        time::sleep(STILL).await;
        assert!(!now_or_never(connections.admit()));
        assert!(!now_or_never(first.told_to_leave()));
        assert!(!now_or_never(second.told_to_leave()));
        assert!(now_or_never(third.told_to_leave()));
        drop(third);
        let _fourth = connections.admit().await;
    }

    #[tokio::test]
    async fn what_is_worked_on_stays_and_what_stands_still_goes() {
        let connections = Connections::new(2, STILL);
        let working = connections.admit().await;
        let answering = connections.admit().await;
        working.enter(Phase::Working);
        answering.enter(Phase::Answering);
        assert!(!now_or_never(connections.admit()), "it has only begun");
        assert!(!now_or_never(answering.told_to_leave()));
        let (admitted, ()) = tokio::join!(connections.admit(), async {
            answering.told_to_leave().await;
            drop(answering);
        });
        assert!(!now_or_never(working.told_to_leave()));
        drop(admitted);
    }

    #[tokio::test]
    async fn a_place_is_given_as_soon_as_somebody_waits() {
        let connections = Connections::new(1, Duration::from_secs(3600));
        let only = connections.admit().await;
        only.enter(Phase::Working);
        let (_admitted, ()) = tokio::join!(connections.admit(), async {
            only.enter(Phase::Waiting);
            only.told_to_leave().await;
            drop(only);
        });
    }
}
