//! `[anchor.bitcoin]`, made into a client.

use anchor::{
    Chain, Schedule,
    bitcoin::{Access, Bitcoin, Key, Network, Settings},
};
use base::ChainId;
use std::time::Duration;

use super::{apart, fresh, running::Made, wrong};
use crate::{
    config::BitcoinConfig,
    exit::{Exit, Fault, Result},
    wire::ChainKey,
};

pub(super) fn client(config: &BitcoinConfig, secret: &ChainKey, ledger: ChainId) -> Result<Made> {
    let wrong = |key, why: &dyn std::fmt::Display| wrong(Chain::Bitcoin, key, why);
    let key = Key::new(&secret.0).map_err(|error| Fault::new(Exit::Home, error))?;
    let network = Network::from_core_arg(&config.network)
        .map_err(|_| wrong("network", &"known: main, testnet4, signet, regtest"))?;
    let payers = config.payers.iter().map(|address| {
        let payer = address.parse();
        payer.map_err(|error| wrong("payers", &format!("{address:?}: {error}")))
    });
    let settings = Settings {
        endpoint: config
            .endpoint
            .parse()
            .map_err(|error| wrong("endpoint", &error))?,
        access: match &config.cookie {
            Some(path) => Access::Cookie(path.clone()),
            None => Access::Endpoint,
        },
        network,
        payers: payers.collect::<Result<_>>()?,
        fee_cap: u64::from(config.fee_cap_sat) * 1_000,
        patience: Duration::from_secs(config.timeout_seconds.into()),
    };
    let standing = fresh(
        Chain::Bitcoin,
        config.network.clone(),
        key.payer().address(network),
    );
    let client =
        Bitcoin::new(settings, ledger, key).map_err(|error| Fault::new(Exit::Internal, error))?;
    Ok(Made {
        client: Box::new(client),
        schedule: match config.payers.is_empty() {
            true => schedule(config),
            false => apart(schedule(config), &standing.payer),
        },
        standing,
    })
}

fn schedule(config: &BitcoinConfig) -> Schedule {
    Schedule {
        every: u64::from(config.every_seconds) * 1_000,
        count: config.count.into(),
        confirmations: config.confirmations.into(),
        replace: u64::from(config.replace_seconds) * 1_000,
        budget: config.budget_sat,
        poll: Duration::from_millis(config.poll_milliseconds.into()),
    }
}
