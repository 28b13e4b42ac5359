//! The application's thread: it serves one engine after the other. The second comes when a
//! validator that had lost its memory of votes may vote again.

use malachite::{AppMsg, app::engine::util::events::RxEvent};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc::Receiver,
    time::{MissedTickBehavior, sleep_until},
};

use super::{App, Memory};
use crate::{
    SubmitError,
    bft::{
        context::Chain,
        engine::{Seat, Session},
    },
};

/// Why the application leaves an engine.
enum Leave {
    /// The node stops, or the engine ended.
    End,
    /// It may vote again, which takes an engine that signs.
    Vote,
}

impl App {
    /// Until the node stops or the engine ends.
    pub(crate) fn serve(mut self, seat: &Seat, session: Session) {
        let mut next = Some(session);
        while let Some(session) = next.take() {
            next = match self.attend(session) {
                Leave::End => None,
                Leave::Vote => {
                    self.show_watch();
                    self.seated(seat)
                }
            };
        }
        for waiter in self.shared.pool().drain() {
            waiter(Err(SubmitError::Stopped));
        }
    }

    /// Serves one engine, and ends it.
    fn attend(&mut self, session: Session) -> Leave {
        let Session {
            messages,
            events,
            wire,
            running,
        } = session;
        self.memory = Memory {
            accusations: std::mem::take(&mut self.memory.accusations),
            ..Memory::default()
        };
        self.shared.attach(wire, Some(running.actor.clone()));
        let here = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let leave = match here {
            Ok(here) => here.block_on(self.run(messages, events)),
            Err(error) => {
                self.trouble(format!("no thread for the validator: {error}"));
                Leave::End
            }
        };
        self.shared.detach();
        leave // what runs is dropped here
    }

    /// An engine that votes. Its address and its log may not be free at once.
    fn seated(&self, seat: &Seat) -> Option<Session> {
        while !self.shared.is_stopped() {
            match seat.start(true) {
                Ok(session) => return Some(session),
                Err(error) => self.trouble(error.to_string()),
            }
            thread::sleep(RETRY);
        }
        None
    }

    async fn run(
        &mut self,
        mut messages: Receiver<AppMsg<Chain>>,
        mut events: RxEvent<Chain>,
    ) -> Leave {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = Arc::clone(&self.shared);
        let watched = self.watch.is_some();
        let mut due = None;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.answer(message).await,
                    None => {
                        self.trouble("the consensus engine ended: start this node again".into());
                        return Leave::End;
                    }
                },
                event = events.recv() => self.heed(event),
                () = shared.wake.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
                _ = tick.tick() => self.look_around().await,
            }
            if self.shared.is_stopped() {
                return Leave::End;
            }
            if watched && self.watch.is_none() && !self.memory.halted {
                return Leave::Vote;
            }
            due = self.begin_next().unwrap_or_else(|fault| {
                self.trouble(fault.to_string());
                None
            });
        }
    }
}

/// Pause between two looks at what waits, and between two words on how far this node is.
const TICK: Duration = Duration::from_millis(500);
/// Pause before an engine is started again.
const RETRY: Duration = Duration::from_secs(1);
