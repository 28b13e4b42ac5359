//! `[anchor.eos]`, made into a client.

use anchor::{
    Chain, Schedule,
    eos::{Eos, Key, Name, Settings},
};
use base::ChainId;
use std::time::Duration;

use super::{AnchorStanding, apart, fresh, running::Made, wrong};
use crate::{
    config::EosConfig,
    exit::{Exit, Fault, Result},
    wire::ChainKey,
};

pub(super) fn client(config: &EosConfig, secret: &ChainKey, ledger: ChainId) -> Result<Made> {
    let wrong = |key, why: &dyn std::fmt::Display| wrong(Chain::Eos, key, why);
    let name = |key, text: &str| -> Result<Name> {
        let name = text.parse();
        name.map_err(|error| wrong(key, &format!("{text:?}: {error}")))
    };
    let key = Key::new(&secret.0).map_err(|error| Fault::new(Exit::Home, error))?;
    let payers = config.payers.iter().map(|payer| name("payers", payer));
    let settings = Settings {
        endpoint: config
            .endpoint
            .parse()
            .map_err(|error| wrong("endpoint", &error))?,
        network: config
            .network
            .parse()
            .map_err(|error| wrong("network", &error))?,
        account: name("account", &config.account)?,
        actor: name("actor", &config.actor)?,
        permission: name("permission", &config.permission)?,
        payers: payers.collect::<Result<_>>()?,
        most_cpu: u8::try_from(config.cpu_cap_milliseconds).unwrap_or(u8::MAX),
        most_net: config.net_cap_words,
        expires: u16::try_from(config.expire_seconds).unwrap_or(u16::MAX),
        patience: Duration::from_secs(config.timeout_seconds.into()),
    };
    let standing = AnchorStanding {
        contract: Some(settings.account.to_string()),
        ..fresh(
            Chain::Eos,
            config.network.clone(),
            settings.actor.to_string(),
        )
    };
    let client =
        Eos::new(settings, ledger, key).map_err(|error| Fault::new(Exit::Internal, error))?;
    Ok(Made {
        client: Box::new(client),
        schedule: match config.payers.is_empty() {
            true => schedule(config),
            false => apart(schedule(config), &standing.payer),
        },
        standing,
    })
}

fn schedule(config: &EosConfig) -> Schedule {
    Schedule {
        every: u64::from(config.every_seconds) * 1_000,
        count: config.count.into(),
        confirmations: config.confirmations.into(),
        // Nothing pays more: another is made as soon as those before it are over.
        replace: 0,
        budget: config.budget_microseconds,
        poll: Duration::from_millis(config.poll_milliseconds.into()),
    }
}
