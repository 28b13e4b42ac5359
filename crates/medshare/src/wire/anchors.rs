//! The anchoring service in the background: one thread for each public chain. It reads
//! snapshots of the ledger and writes a file of its own; nothing waits for it, not even the
//! node's end, since it goes on wherever it was.

#[cfg(feature = "bitcoin")]
mod bitcoin;
#[cfg(feature = "eos")]
mod eos;
#[cfg(feature = "ethereum")]
mod ethereum;

use ::database::Tables;
use anchor::{
    Chain, Checkpoint, Evidence, Journal, Next, PublicChain, Report, Schedule, Service, State,
    TABLES_VERSION,
};
use std::sync::{Arc, Mutex, PoisonError};

use super::{ANCHORS, NodeParts};
use crate::{
    config::AnchorConfig,
    exit::{Exit, Fault, Result},
    files,
    home::database,
    http::{
        anchors::{AnchorStanding, Anchors},
        interface::Views,
        log_line,
    },
    stop::Stop,
    system,
};

/// What anchors, as the interface sees it.
pub(super) struct Anchoring {
    journal: Journal,
    standing: Mutex<Vec<AnchorStanding>>,
}

impl Anchoring {
    pub(super) fn tables(&self) -> &Tables {
        self.journal.tables()
    }
}

impl Anchors for Anchoring {
    fn standing(&self) -> Vec<AnchorStanding> {
        let standing = self.standing.lock();
        standing.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn covering(
        &self,
        chain: Chain,
        index: u64,
    ) -> std::result::Result<Option<(Checkpoint, Evidence)>, String> {
        let entry = self.journal.covering(chain, index);
        Ok(entry
            .map_err(|error| error.to_string())?
            .and_then(|entry| match entry.state {
                State::Final { evidence, .. } => Some((entry.checkpoint, evidence)),
                State::Open | State::Void => None,
            }))
    }
}

/// A client, when it anchors, and how that stands at first.
type Made = (Box<dyn PublicChain>, Schedule, AnchorStanding);

/// Begins anchoring where the configuration asks for it. Anchors that were made stay readable
/// without it.
///
/// # Errors
/// [`Exit::Config`], [`Exit::Home`], [`Exit::Storage`].
pub(super) fn start(
    parts: &NodeParts<'_>,
    views: &Views,
    stop: &Stop,
) -> Result<Option<Arc<Anchoring>>> {
    let path = parts.folder.join(ANCHORS);
    let mut made = Vec::new();
    for chain in wanted(parts.anchors.config) {
        made.push(make(chain, parts)?);
    }
    if made.is_empty() && path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let tables = match path.symlink_metadata() {
        Ok(_) => database::open(&path, CACHE_BYTES, TABLES_VERSION)?,
        Err(_) => database::create(&path, CACHE_BYTES, TABLES_VERSION, Journal::begin)?,
    };
    files::keep_private(&path)?;
    let anchoring = Arc::new(Anchoring {
        journal: Journal::new(tables),
        standing: Mutex::new(
            made.iter()
                .map(|(_, _, standing)| standing.clone())
                .collect(),
        ),
    });
    for (client, schedule, standing) in made {
        let (anchoring, views, stop) = (Arc::clone(&anchoring), Arc::clone(views), stop.clone());
        std::thread::spawn(move || {
            let now = system::now();
            let service = Service::new(client, &anchoring.journal, schedule, now);
            run(service, standing, &anchoring, &views, &stop);
        });
    }
    Ok(Some(anchoring))
}

fn wanted(config: &AnchorConfig) -> impl Iterator<Item = Chain> {
    Chain::ALL.into_iter().filter(|chain| match chain {
        Chain::Ethereum => config.ethereum.is_some(),
        Chain::Bitcoin => config.bitcoin.is_some(),
        Chain::Eos => config.eos.is_some(),
    })
}

fn make(chain: Chain, parts: &NodeParts<'_>) -> Result<Made> {
    let config =
        |what: &str| Fault::new(Exit::Config, format!("anchor.{chain} is set, and {what}"));
    let built = "this program was built without it; build it with --features full";
    if !chain.is_built() {
        return Err(config(built));
    }
    let key = parts.anchors.keys.get(&chain).ok_or_else(|| {
        config("this home has no key that pays there: `medshare anchor key` makes one")
    })?;
    let (tables, ledger) = (parts.anchors.config, parts.genesis.chain());
    let made = match chain {
        #[cfg(feature = "ethereum")]
        Chain::Ethereum => {
            let table = tables.ethereum.as_ref();
            table.map(|table| ethereum::client(table, key, ledger))
        }
        #[cfg(feature = "bitcoin")]
        Chain::Bitcoin => {
            let table = tables.bitcoin.as_ref();
            table.map(|table| bitcoin::client(table, key, ledger))
        }
        #[cfg(feature = "eos")]
        Chain::Eos => {
            let table = tables.eos.as_ref();
            table.map(|table| eos::client(table, key, ledger))
        }
        #[allow(unreachable_patterns)]
        _ => {
            let _ = (tables, key, ledger);
            None
        }
    };
    made.unwrap_or_else(|| Err(config(built)))
}

/// How a chain stands before anything is known of it.
#[cfg(any(feature = "bitcoin", feature = "eos", feature = "ethereum"))]
fn fresh(chain: Chain, network: String, payer: String) -> AnchorStanding {
    AnchorStanding {
        chain,
        network,
        contract: None,
        payer,
        anchors: 0,
        newest: None,
        open: 0,
        cost: 0,
        left: 0,
        trouble: None,
    }
}

/// A key of a chain's table that cannot be used.
#[cfg(any(feature = "bitcoin", feature = "eos", feature = "ethereum"))]
fn wrong(chain: Chain, key: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::new(Exit::Config, format!("anchor.{chain}.{key}: {why}"))
}

fn run(
    mut service: Service<'_>,
    mut standing: AnchorStanding,
    anchoring: &Anchoring,
    views: &Views,
    stop: &Stop,
) {
    let chain = standing.chain;
    let mut said = None;
    let mut next = Next::Begun;
    loop {
        // Nothing changed: the journal need not be read again.
        if next != Next::Idle || standing.trouble != said {
            let report = service.report(system::now()).unwrap_or_default();
            show(&mut standing, &report, anchoring, &said);
        }
        if stop.wait(service.pause()) {
            return;
        }
        let trouble = match service.step(&|| views(), system::now()) {
            Ok(done) => {
                next = done;
                match done {
                    Next::Idle | Next::Waiting => {}
                    done => log_line(&format!("anchors in {chain}: {}", word(done))),
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if trouble != said {
            if let Some(trouble) = &trouble {
                log_line(&format!("anchors in {chain}: {trouble}"));
            }
            said = trouble;
        }
    }
}

fn show(
    standing: &mut AnchorStanding,
    report: &Report,
    anchoring: &Anchoring,
    said: &Option<String>,
) {
    standing.anchors = report.anchors;
    standing.newest = report
        .newest
        .map(|(checkpoint, block)| (checkpoint.size, checkpoint.root, block));
    standing.open = report.open;
    standing.cost = report.cost;
    standing.left = report.left;
    standing.trouble.clone_from(said);
    let mut shown = anchoring
        .standing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let own = shown.iter_mut().find(|one| one.chain == standing.chain);
    if let Some(own) = own {
        own.clone_from(standing);
    }
}

fn word(next: Next) -> &'static str {
    match next {
        Next::Idle | Next::Waiting => "nothing new",
        Next::Begun => "one was sent",
        Next::Final => "one is final",
        Next::Adopted => "one that another node sent is final",
        Next::Reopened => "the chain was reorganised; one is sent again",
        Next::Void => {
            "one came to nothing: the chain took another transaction in its place, or refused it"
        }
    }
}

const CACHE_BYTES: usize = 4 << 20;
