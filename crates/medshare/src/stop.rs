//! A clean end on SIGTERM and SIGINT, for loops that block.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, Fault, Result};

/// Says when to end. Clones speak of one end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    state: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// One that the process's signals set.
    ///
    /// # Errors
    /// [`Exit::Internal`] when the operating system takes no handler.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        let setter = stop.clone();
        let failed =
            |error: &std::io::Error| Fault::new(Exit::Internal, format!("signals: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            let interrupt = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
            let terminate = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
            (interrupt, terminate)
        };
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                });
                setter.set();
            })
            .map_err(|error| failed(&error))?;
        Ok(stop)
    }

    /// Asks for the end.
    pub fn set(&self) {
        *self.state.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.state.1.notify_all();
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        *self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to `pause`; says whether the end was asked for.
    pub fn wait(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut set = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*set {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            set = self
                .state
                .1
                .wait_timeout(set, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *set
    }
}
