//! `[anchor.ethereum]`, made into a client.

use anchor::{
    Chain, PublicChain, Schedule,
    ethereum::{Ethereum, Key, Settings},
};
use base::ChainId;
use std::time::Duration;

use super::{AnchorStanding, fresh, wrong};
use crate::{
    config::EthereumConfig,
    exit::{Exit, Fault, Result},
    wire::ChainKey,
};

pub(super) fn client(
    config: &EthereumConfig,
    secret: &ChainKey,
    ledger: ChainId,
) -> Result<(Box<dyn PublicChain>, Schedule, AnchorStanding)> {
    let wrong = |key, why: &dyn std::fmt::Display| wrong(Chain::Ethereum, key, why);
    let key = Key::new(&secret.0).map_err(|error| Fault::new(Exit::Home, error))?;
    let schedule = schedule(config);
    let settings = Settings {
        endpoint: config
            .endpoint
            .parse()
            .map_err(|error| wrong("endpoint", &error))?,
        chain_id: config.chain_id,
        contract: address(&config.contract).ok_or_else(|| {
            wrong(
                "contract",
                &"it is no address; `medshare anchor deploy` makes one",
            )
        })?,
        from_block: config.from_block,
        fee_cap: u64::from(config.fee_cap_gwei) * 1_000_000_000,
        store: config.store_root,
        confirmations: schedule.confirmations,
        patience: Duration::from_secs(config.timeout_seconds.into()),
    };
    let standing = AnchorStanding {
        contract: Some(format!("0x{}", hex::encode(settings.contract))),
        ..fresh(
            Chain::Ethereum,
            settings.chain_id.to_string(),
            format!("0x{}", hex::encode(key.address())),
        )
    };
    let client =
        Ethereum::new(settings, ledger, key).map_err(|error| Fault::new(Exit::Internal, error))?;
    Ok((Box::new(client), schedule, standing))
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

fn address(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}
