//! A node that is one of several validators.

use consensus::{
    SystemClock,
    bft::{Bft, JOURNAL, JOURNAL_VERSION, Limits, Network, Parts, Standing, StartError, Watching},
    follow::Conflict,
};
use ledger::{Ledger, ValidatorSet};
use std::{path::Path, sync::Arc, time::Instant};

use super::{CONFLICT, NodeParts, note, open::kept_conflict, orderer::AskValidator};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    home::database,
    http::{
        log_line,
        message::{SeenValidator, ValidatorCounters, ValidatorStanding},
    },
};

pub(super) fn start(parts: &NodeParts<'_>, ledger: &Arc<Ledger>) -> Result<Bft> {
    let Some(consensus) = &parts.consensus else {
        return Err(Fault::new(Exit::Config, "no [consensus] in config.toml"));
    };
    let folder = parts.folder.join(FOLDER);
    files::make_private_folder(&folder)?;
    let path = parts.folder.join(CONFLICT);
    let known = kept_conflict(&path)?;
    let account = parts.account;
    let bft = Bft::start(
        Parts {
            ledger: Arc::clone(ledger),
            account,
            secrets: parts.next.iter().chain([&parts.secret]).cloned().collect(),
            clock: Box::new(SystemClock),
            network: Network {
                listen: consensus.config.listen.clone(),
                peers: consensus.config.peers.clone(),
                seed: (*consensus.seed.as_secret()).into(),
            },
            folder,
            limits: Limits {
                waiting: parts.server.queue as usize,
                ..Limits::default()
            },
        },
        known,
        Box::new(move |conflict: &Conflict| note::keep(&path, conflict)),
    );
    bft.map_err(|error| match error {
        StartError::NoKey => Fault::new(Exit::Home, format!("{error}: {account}")),
        StartError::Address(..) => Fault::new(Exit::Config, format!("consensus: {error}")),
        StartError::Halted(_) => Fault::new(Exit::Forked, error),
        StartError::Journal(_) | StartError::Ledger(_) => Fault::new(Exit::Storage, error),
        other => Fault::new(Exit::Internal, other),
    })
}

pub(super) fn prepare(folder: &Path) -> Result<()> {
    files::make_private_folder(folder)?;
    let folder = folder.join(FOLDER);
    files::make_private_folder(&folder)?;
    Bft::prepare(&folder).map_err(|error| Fault::new(Exit::Storage, error))
}

/// Refuses the memory of another version.
pub(super) fn check_version(folder: &Path) -> Result<()> {
    database::check_version(&folder.join(FOLDER).join(JOURNAL), JOURNAL_VERSION)
}

pub(super) fn stop(bft: Arc<Bft>) -> Result<()> {
    let halted = bft.standing().conflict;
    match Arc::try_unwrap(bft) {
        Ok(bft) => bft.stop(),
        Err(_) => log_line(&"the validator is still in use while the node ends"),
    }
    match halted {
        None => Ok(()),
        Some(conflict) => Err(Fault::new(Exit::Forked, &conflict.fault)),
    }
}

/// How it stands. It must not keep the validator alive when the node ends.
pub(super) fn ask(bft: &Arc<Bft>) -> AskValidator {
    let (weak, ledger) = (Arc::downgrade(bft), Arc::clone(bft.ledger()));
    Arc::new(move || {
        let standing = weak.upgrade().map(|bft| bft.standing()).unwrap_or_default();
        told(&standing, ledger.validators().newest())
    })
}

fn told(standing: &Standing, validators: &ValidatorSet) -> ValidatorStanding {
    let now = Instant::now();
    let others = validators.seats().iter().map(|seat| {
        let account = seat.account;
        let seen = standing.seen.get(&account);
        SeenValidator {
            account,
            height: seen.map(|(height, _)| *height),
            age: seen.map(|(_, at)| {
                let age = now.saturating_duration_since(*at).as_millis();
                u64::try_from(age).unwrap_or(u64::MAX)
            }),
        }
    });
    let others: Vec<_> = others.collect();
    let heard = others.iter().filter(|seen| seen.is_heard());
    let quorum = validators.decides(heard.map(|seen| &seen.account));
    let counters = &standing.counters;
    ValidatorStanding {
        height: standing.height,
        round: standing.round,
        proposer: standing.proposer,
        validators: others,
        quorum,
        waiting: standing.waiting as u64,
        accusations: standing.accusations,
        watching: standing.watching.as_ref().map(in_words),
        trouble: standing.trouble.clone(),
        halted: standing
            .conflict
            .as_ref()
            .map(|conflict| conflict.fault.clone()),
        counters: ValidatorCounters {
            blocks: counters.blocks,
            own: counters.own,
            empty: counters.empty,
            operations: counters.operations,
            verified: counters.verified,
            further_rounds: counters.further_rounds,
            refused: counters.refused,
        },
    }
}

fn in_words(watching: &Watching) -> String {
    let until = match watching.until {
        Some(height) => format!("it follows the others until block {height}"),
        None => "it waits to hear how far more than two thirds of the others are".to_owned(),
    };
    format!("no: {}; {until}", watching.lost)
}

const FOLDER: &str = "consensus";
