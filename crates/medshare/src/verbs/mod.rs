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
use std::sync::Arc;

use crate::{
    cli::context::Context,
    exit::Result,
    home::Home,
    http::{
        Address,
        server::{self, Serving},
    },
};
use call::Desk;
pub use describe::made as described;
use routes::Served;

/// Serves the verbs of `home`, which `context` holds open, at `address` beside whatever the
/// process does; prints address and token once it listens.
///
/// # Errors
/// [`Exit::Busy`](crate::exit::Exit::Busy) when another process listens there;
/// [`Exit::Storage`](crate::exit::Exit::Storage); [`Exit::Internal`](crate::exit::Exit::Internal).
pub fn serve(context: &Context, home: &Home, address: &Address) -> Result<Serving> {
    let desk = Desk::new(context, home)?;
    let runtime = server::event_loop(BLOCKING)?;
    let listener = runtime.block_on(server::Listener::bind(address))?;
    let bound = listener.address(address)?;
    let (served, token) = Served::new(desk);
    let serving = Serving::start(
        "verbs",
        runtime,
        listener,
        CONNECTIONS,
        Arc::new(served),
        |served, _| routes::router(Arc::clone(served)),
    )?;
    context.output.data(
        &json!({"event": "serving", "address": bound.to_string(), "token": token.as_str()}),
        format!(
            "serving at {bound}\ntoken {}\n(good until this process ends)",
            token.as_str()
        ),
    )?;
    Ok(serving)
}

/// Programs of one party open a handful.
const CONNECTIONS: usize = 64;
/// Calls that wait for the home at once.
const BLOCKING: usize = 8;
