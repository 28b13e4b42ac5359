//! The anchoring service in the background: one thread for each public chain. It reads
//! snapshots of the ledger and writes a file of its own; nothing waits for it, not even the
//! node's end, since it goes on wherever it was.

use ::database::Tables;
use anchor::{Chain, Checkpoint, Evidence, Journal, State, TABLES_VERSION};
use std::sync::{Arc, Mutex, PoisonError};

use super::{ANCHORS, NodeParts};
use crate::{
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
                State::Final { evidence, .. } => Some((entry.checkpoint, evidence)),
                State::Open | State::Void => None,
            }))
    }
}

/// Begins anchoring if the configuration asks for it. Anchors that were made stay readable
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
    let wanted = parts.anchors.config.ethereum.is_some();
    if wanted && !Chain::Ethereum.is_built() {
        return Err(Fault::new(
            Exit::Config,
            "anchor.ethereum is set, and this program was built without it; build it with --features full",
        ));
    }
    if !wanted && path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let tables = match path.symlink_metadata() {
        Ok(_) => database::open(&path, CACHE_BYTES, TABLES_VERSION)?,
        Err(_) => database::create(&path, CACHE_BYTES, TABLES_VERSION, Journal::begin)?,
    };
    files::keep_private(&path)?;
    let journal = Journal::new(tables);
    let anchoring = Arc::new(Anchoring {
        journal,
        standing: Mutex::default(),
    });
    #[cfg(feature = "ethereum")]
    ethereum::start(parts, &anchoring, views, stop)?;
    #[cfg(not(feature = "ethereum"))]
    let _ = (views, stop);
    Ok(Some(anchoring))
}

const CACHE_BYTES: usize = 4 << 20;

#[cfg(feature = "ethereum")]
mod ethereum {
    use anchor::{
        Chain, Next, Report, Schedule, Service,
        ethereum::{Ethereum, Key, Settings},
    };
    use std::{
        sync::{Arc, PoisonError},
        time::Duration,
    };

    use super::{AnchorStanding, Anchoring, Exit, Fault, NodeParts, Result, Stop, Views};
    use crate::{config::EthereumConfig, http::log_line, system};

    pub(super) fn start(
        parts: &NodeParts<'_>,
        anchoring: &Arc<Anchoring>,
        views: &Views,
        stop: &Stop,
    ) -> Result<()> {
        let Some(config) = &parts.anchors.config.ethereum else {
            return Ok(());
        };
        let wrong = |key: &str, why: String| {
            Fault::new(Exit::Config, format!("anchor.ethereum.{key}: {why}"))
        };
        let secret = parts.anchors.ethereum.as_ref().ok_or_else(|| {
            Fault::new(
                Exit::Config,
                "anchor.ethereum is set, and this home has no key that pays: `medshare anchor key` makes one",
            )
        })?;
        let key = Key::new(&secret.0).map_err(|error| Fault::new(Exit::Home, error))?;
        let schedule = schedule(config);
        let settings = Settings {
            endpoint: config
                .endpoint
                .parse()
                .map_err(|error| wrong("endpoint", format!("{error}")))?,
            chain_id: config.chain_id,
            contract: address(&config.contract).ok_or_else(|| {
                wrong(
                    "contract",
                    "it is no address; `medshare anchor deploy` makes one".into(),
                )
            })?,
            from_block: config.from_block,
            fee_cap: u64::from(config.fee_cap_gwei) * 1_000_000_000,
            store: config.store_root,
            confirmations: schedule.confirmations,
            patience: Duration::from_secs(config.timeout_seconds.into()),
        };
        let standing = AnchorStanding {
            chain: Chain::Ethereum,
            network: settings.chain_id,
            place: format!("0x{}", hex::encode(settings.contract)),
            payer: format!("0x{}", hex::encode(key.address())),
            anchors: 0,
            newest: None,
            open: 0,
            cost: 0,
            left: 0,
            trouble: None,
        };
        let client = Ethereum::new(settings, parts.genesis.chain(), key)
            .map_err(|error| Fault::new(Exit::Internal, error))?;
        let (anchoring, views, stop) = (Arc::clone(anchoring), Arc::clone(views), stop.clone());
        std::thread::spawn(move || {
            let now = system::now();
            let service = Service::new(Box::new(client), &anchoring.journal, schedule, now);
            run(service, standing, &anchoring, &views, &stop);
        });
        Ok(())
    }

    fn schedule(config: &EthereumConfig) -> Schedule {
        Schedule {
            every: u64::from(config.every_seconds) * 1_000,
            count: config.count.into(),
            confirmations: config.confirmations.into(),
            replace: u64::from(config.replace_seconds) * 1_000,
            budget: config.budget_gwei,
            poll: Duration::from_millis(config.poll_milliseconds.into()),
        }
    }

    fn run(
        mut service: Service<'_>,
        mut standing: AnchorStanding,
        anchoring: &Anchoring,
        views: &Views,
        stop: &Stop,
    ) {
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
                        done => {
                            log_line(&format!("anchors in {}: {}", Chain::Ethereum, word(done)))
                        }
                    }
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            if trouble != said {
                if let Some(trouble) = &trouble {
                    log_line(&format!("anchors in {}: {trouble}", Chain::Ethereum));
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
        *shown = vec![standing.clone()];
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

    fn address(text: &str) -> Option<[u8; 20]> {
        let mut bytes = [0; 20];
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(bytes)
    }
}
