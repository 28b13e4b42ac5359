//! A patient's own page: her wallet on loopback, for her browser alone.
//!
//! The page reads the vault and the node exactly as the command line does, a home's lock at a
//! time, and does what its verbs do. Who may see it: whoever has the one-time link that
//! `wallet run --page` prints, once. Against other sites: `Host` and `Origin` are checked
//! ([`crate::http::server`]), a form carries a token, the session's cookie is `SameSite`, and
//! the headers of [`pages::assets`] let nothing else run. What is not there and what is not
//! allowed get the same answer.

mod act;
mod records;
mod routes;
mod session;
mod sharing;

use serde_json::json;
use std::{sync::Arc, thread, time::Duration};
use tokio::sync::watch;

use crate::{
    cli::{context::Unlocked, output::Output},
    exit::{Exit, Fault, Result},
    http::{Address, server},
    stop::Stop,
};
use routes::Site;
use session::Session;

/// Serves the page of `unlocked`'s patient at `address` until SIGTERM or SIGINT, beside
/// whatever the process does; prints the one-time link once it listens.
///
/// # Errors
/// [`Exit::Busy`] when another process listens there, [`Exit::Storage`], [`Exit::Internal`].
pub fn serve(
    unlocked: Arc<Unlocked>,
    address: &Address,
    patience: Duration,
    output: &Output,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Exit::Internal, format!("no event loop: {error}")))?;
    let listener = runtime.block_on(server::Listener::bind(address))?;
    let bound = listener.address(address)?;
    let (session, link) = Session::new();
    let page = format!("{bound}/open/{}", link.as_str());
    let site = Arc::new(Site {
        unlocked,
        patience,
        session,
    });
    let stop = Stop::on_signals()?;
    let (stopper, stopped) = watch::channel(false);
    thread::spawn(move || {
        while !stop.wait(Duration::from_secs(3600)) {}
        let _ = stopper.send(true);
    });
    thread::Builder::new()
        .name("page".into())
        .spawn(move || {
            let router = routes::router(site);
            runtime.block_on(server::serve(listener, router, CONNECTIONS, stopped));
        })
        .map_err(|error| Fault::new(Exit::Internal, format!("no thread for the page: {error}")))?;
    output.data(
        &json!({"event": "page", "address": bound.to_string(), "link": page}),
        format!("your page: {page}\n(the link is good once; end with Ctrl-C)"),
    )
}

/// One browser opens a handful of connections.
const CONNECTIONS: usize = 64;
/// Requests that wait for the home at once.
const BLOCKING: usize = 8;
