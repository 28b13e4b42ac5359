//! Pages on loopback, for one browser: the page of a home's role, and the auditor's.
//!
//! A page reads the vault and the node exactly as the command line does, in the home that the
//! loop beside it keeps ([`crate::cli::kept`]), and does what its verbs do. Who may see it: whoever has the one-time link that is
//! printed when it starts, once. Against other sites: `Host` and `Origin` are checked
//! ([`crate::http::server`]), a form carries a token, the session's cookie is `SameSite`, and
//! the headers of [`pages::assets`] let nothing else run. What is not there and what is not
//! allowed get the same answer.

mod agent;
mod auditor;
mod day;
mod events;
mod hospital;
mod log;
mod names;
mod operation;
mod patient;
mod reading;
mod researcher;
mod routes;
mod session;
mod site;
mod statistics;
mod upload;

use serde_json::json;
use std::{sync::Arc, thread, time::Duration};

use crate::{
    cli::{kept::Kept, output::Output},
    exit::{Exit, Fault, Result},
    http::{
        Address, HttpNode,
        server::{self, Serving},
    },
};
use base::{genesis::Genesis, operation::Role};
use log::Log;
use session::Session;
use site::{Site, Whose};

/// Serves the page of `kept`'s party at `address`, beside whatever the process does; prints
/// the one-time link once it listens. `node` is for what needs no account.
///
/// # Errors
/// [`Exit::Busy`] when another process listens there, [`Exit::Storage`], [`Exit::Internal`].
pub fn serve(
    kept: Arc<Kept>,
    node: HttpNode,
    address: &Address,
    output: &Output,
) -> Result<Serving> {
    let facts = &kept.home().facts;
    let role = match facts.role {
        Role::Patient => pages::frame::Site::Patient,
        Role::Hospital => pages::frame::Site::Hospital,
        Role::Agent => pages::frame::Site::Agent,
        Role::Requester => pages::frame::Site::Researcher,
        other => {
            return Err(Fault::new(
                Exit::Role,
                format!(
                    "a home of role {} has no page; `medshare ledger page` shows the log",
                    crate::cli::show::word(&other)
                ),
            ));
        }
    };
    // A home that acts for somebody shows her records.
    let of = kept.enter()?.session.identity.acts_for();
    let log = Log::new(&kept.home().genesis, Some(of));
    let whose = Whose::Home(kept);
    start(role, whose, node, log, address, output)
}

/// Serves the auditor's page: the log of `node`, checked against `genesis`.
///
/// # Errors
/// As [`serve`].
pub fn serve_log(
    genesis: Genesis,
    node: HttpNode,
    address: &Address,
    output: &Output,
) -> Result<Serving> {
    let log = Log::new(&genesis, None);
    let whose = Whose::Anybody(Box::new(genesis));
    start(
        pages::frame::Site::Auditor,
        whose,
        node,
        log,
        address,
        output,
    )
}

fn start(
    role: pages::frame::Site,
    whose: Whose,
    node: HttpNode,
    log: Log,
    address: &Address,
    output: &Output,
) -> Result<Serving> {
    let runtime = server::event_loop(BLOCKING)?;
    let listener = runtime.block_on(server::Listener::bind(address))?;
    let bound = listener.address(address)?;
    let port = match &bound {
        Address::Loopback(at) => at.port(),
        Address::Unix(_) => 0,
    };
    let (session, link) = Session::new(port);
    let page = format!("{bound}/open/{}", link.as_str());
    let site = Arc::new(Site {
        role,
        whose,
        node,
        log,
        session,
        known: patient::Remembered::default(),
    });
    let reader = Arc::clone(&site);
    let serving = Serving::start(
        "page",
        runtime,
        listener,
        CONNECTIONS,
        site,
        |site, stopped| routes::router(Arc::clone(site), stopped),
    )?;
    // The log is read before anybody asks; a page that comes earlier waits for it, and says
    // what is wrong with it.
    let ended = serving.stopped();
    thread::Builder::new()
        .name("log".into())
        .spawn(move || {
            while !*ended.borrow() {
                let _ = reader.log.keep_up(&reader.node, hospital::CHOICE);
                thread::sleep(AHEAD);
            }
        })
        .map_err(|error| Fault::new(Exit::Internal, format!("no thread for the page: {error}")))?;
    output.data(
        &json!({"event": "page", "address": bound.to_string(), "link": page}),
        format!("your page: {page}\n(the link is good once; end with Ctrl-C)"),
    )?;
    Ok(serving)
}

/// One browser opens a handful of connections.
const CONNECTIONS: usize = 64;
/// Between two looks at the log that nobody waits for.
const AHEAD: Duration = Duration::from_secs(1);
/// Requests that wait for the home at once.
const BLOCKING: usize = 8;
