//! The verbs of the command line for programs on this machine: `POST /v1/do/NOUN/VERB`, as
//! [`docs/interface.md`](../../../../docs/interface.md) has it.
//!
//! A node's `/v1` is what all parties share, and holds nobody's key. What takes a party's key is
//! done by her own process: this one. A call is the command line in another spelling: what it
//! takes, does and gives is described once, there; [`verb`] reads it. Who may call: whoever has
//! the token that is printed when it starts. Against web pages: `Host` and `Origin` are checked
//! ([`crate::http::server`]), and no page has the token.

mod call;
mod describe;
mod once;
mod routes;
pub mod verb;

use serde_json::json;
use std::{sync::Arc, thread};
use tokio::sync::watch;

use crate::{
    cli::context::Context,
    exit::{Exit, Fault, Result},
    home::Home,
    http::{Address, server},
};
use call::Desk;
pub use describe::made as described;
use routes::Served;

/// The service, as it runs.
#[derive(Debug)]
pub struct Serving {
    stopper: watch::Sender<bool>,
    thread: thread::JoinHandle<()>,
}

impl Serving {
    /// Ends it: calls that run get a few seconds, and no file of them is left.
    pub fn end(self) {
        let _ = self.stopper.send(true);
        let _ = self.thread.join();
    }
}

/// Serves the verbs of `home`, which `context` holds open, at `address` beside whatever the
/// process does; prints address and token once it listens.
///
/// # Errors
/// [`Exit::Busy`] when another process listens there, [`Exit::Storage`], [`Exit::Internal`].
pub fn serve(context: &Context, home: &Home, address: &Address) -> Result<Serving> {
    let desk = Desk::new(context, home)?;
    let runtime = server::event_loop(BLOCKING)?;
    let listener = runtime.block_on(server::Listener::bind(address))?;
    let bound = listener.address(address)?;
    let (served, token) = Served::new(desk);
    let (stopper, stopped) = watch::channel(false);
    let thread = thread::Builder::new()
        .name("verbs".into())
        .spawn(move || {
            let served = Arc::new(served);
            let router = routes::router(Arc::clone(&served));
            runtime.block_on(server::serve(listener, router, CONNECTIONS, stopped));
            drop(runtime);
            // Last, and outside of the event loop: a node's client has one of its own.
            drop(served);
        })
        .map_err(|error| Fault::new(Exit::Internal, format!("no thread: {error}")))?;
    context.output.data(
        &json!({"event": "serving", "address": bound.to_string(), "token": token.as_str()}),
        format!(
            "serving at {bound}\ntoken {}\n(good until this process ends)",
            token.as_str()
        ),
    )?;
    Ok(Serving { stopper, thread })
}

/// Programs of one party open a handful.
const CONNECTIONS: usize = 64;
/// Calls that wait for the home at once.
const BLOCKING: usize = 8;
