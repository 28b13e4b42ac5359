//! The anchoring service in the background: one thread for each public chain. It reads
//! snapshots of the ledger and writes a file of its own; nothing waits for it, not even the
//! node's end, since it goes on wherever it was.

#[cfg(feature = "bitcoin")]
mod bitcoin;
#[cfg(feature = "eos")]
mod eos;
#[cfg(feature = "ethereum")]
mod ethereum;
#[cfg(any(feature = "bitcoin", feature = "eos", feature = "ethereum"))]
mod running;

use ::database::Tables;
use anchor::{Chain, Checkpoint, Evidence, Journal, State, TABLES_VERSION};
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
    },
    stop::Stop,
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
                State::Final { evidence, .. } => Some((entry.says, evidence)),
                State::Open | State::Void => None,
            }))
    }

    fn record(&self, chain: Chain, index: u64) -> std::result::Result<Option<Evidence>, String> {
        let entry = self.journal.record(chain, index);
        Ok(entry
            .map_err(|error| error.to_string())?
            .and_then(|entry| match entry.state {
                State::Final { evidence, .. } => Some(evidence),
                State::Open | State::Void => None,
            }))
    }
}

/// One of a kind that this build may not know.
trait Begin: Send {
    fn standing(&self) -> AnchorStanding;

    /// Goes on for ever, in the thread that calls it.
    fn run(self: Box<Self>, anchoring: &Anchoring, views: &Views, stop: &Stop);
}

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
        made.extend(make(chain, parts)?);
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
        standing: Mutex::new(made.iter().map(|made| made.standing()).collect()),
    });
    for made in made {
        let (anchoring, views, stop) = (Arc::clone(&anchoring), Arc::clone(views), stop.clone());
        std::thread::spawn(move || made.run(&anchoring, &views, &stop));
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

fn make(chain: Chain, parts: &NodeParts<'_>) -> Result<Vec<Box<dyn Begin>>> {
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
            table.map(|table| ethereum::clients(table, key, ledger))
        }
        #[cfg(feature = "bitcoin")]
        Chain::Bitcoin => {
            let table = tables.bitcoin.as_ref();
            table.map(|table| Ok(vec![Box::new(bitcoin::client(table, key, ledger)?) as _]))
        }
        #[cfg(feature = "eos")]
        Chain::Eos => {
            let table = tables.eos.as_ref();
            table.map(|table| Ok(vec![Box::new(eos::client(table, key, ledger)?) as _]))
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
        feed: crate::http::anchors::Feed::Anchors,
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

/// Nodes that know of one another seldom begin at once, where nothing refuses a second anchor of
/// the same: each waits up to an eighth longer, by what its key is known by.
#[cfg(any(feature = "bitcoin", feature = "eos"))]
fn apart(schedule: anchor::Schedule, payer: &str) -> anchor::Schedule {
    let hash = base::Digest::of(payer.as_bytes()).0;
    let number = hash
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let longer = |whole: u64| whole + number % (whole / 8 + 1);
    anchor::Schedule {
        every: longer(schedule.every),
        count: longer(schedule.count),
        ..schedule
    }
}

/// A key of a chain's table that cannot be used.
#[cfg(any(feature = "bitcoin", feature = "eos", feature = "ethereum"))]
fn wrong(chain: Chain, key: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::new(Exit::Config, format!("anchor.{chain}.{key}: {why}"))
}

const CACHE_BYTES: usize = 4 << 20;

#[cfg(test)]
#[cfg(any(feature = "bitcoin", feature = "eos"))]
mod tests {
    use super::*;
    use anchor::Schedule;
    use std::collections::BTreeSet;

    #[test]
    fn nodes_that_know_of_one_another_begin_apart() {
        let schedule = Schedule {
            every: 3_600_000,
            count: 1_024,
            confirmations: 6,
            replace: 1,
            budget: 1,
            poll: std::time::Duration::ZERO,
        };
        let mut times = BTreeSet::new();
        for payer in 0..100 {
            let apart = apart(schedule, &payer.to_string());
            assert!((3_600_000..=4_050_000).contains(&apart.every));
            assert!((1_024..=1_152).contains(&apart.count));
            times.insert(apart.every / 1_000);
        }
        assert!(times.len() > 75, "{} seconds", times.len());
        let often = Schedule {
            every: 1,
            count: 1,
            ..schedule
        };
        assert_eq!(apart(often, "payer"), often);
    }
}
