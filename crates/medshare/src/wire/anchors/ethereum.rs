//! `[anchor.ethereum]` and the tables under it, made into clients: one for each contract.

use anchor::{
    Chain, Checkpoint, Record, Schedule,
    ethereum::{Ethereum, Key, Settings, Told, permission::Permission},
};
use base::ChainId;
use std::time::Duration;

use super::{AnchorStanding, Begin, fresh, running::Made, wrong};
use crate::{
    config::EthereumConfig,
    exit::{Exit, Fault, Result},
    http::anchors::Feed,
    wire::ChainKey,
};

/// What differs between the contracts.
struct Of<'a> {
    feed: Feed,
    contract: &'a str,
    from_block: u64,
    budget: u64,
    store: bool,
}

pub(super) fn clients(
    config: &EthereumConfig,
    secret: &ChainKey,
    ledger: ChainId,
) -> Result<Vec<Box<dyn Begin>>> {
    let mut clients: Vec<Box<dyn Begin>> = Vec::new();
    // A table without any contract is an oversight, and said.
    let alone = config.records.is_none() && config.permissions.is_none();
    if alone || !config.contract.is_empty() {
        let of = Of {
            feed: Feed::Anchors,
            contract: &config.contract,
            from_block: config.from_block,
            budget: config.budget_gwei,
            store: config.store_root,
        };
        clients.push(Box::new(client::<Checkpoint>(config, &of, secret, ledger)?));
    }
    if let Some(records) = &config.records {
        let of = Of {
            feed: Feed::Records,
            contract: &records.contract,
            from_block: records.from_block,
            budget: records.budget_gwei,
            store: records.store_leaf,
        };
        clients.push(Box::new(client::<Record>(config, &of, secret, ledger)?));
    }
    if let Some(permissions) = &config.permissions {
        let of = Of {
            feed: Feed::Permissions,
            contract: &permissions.contract,
            from_block: permissions.from_block,
            budget: permissions.budget_gwei,
            store: false,
        };
        clients.push(Box::new(client::<Permission>(config, &of, secret, ledger)?));
    }
    Ok(clients)
}

fn client<S: Told + 'static>(
    config: &EthereumConfig,
    of: &Of<'_>,
    secret: &ChainKey,
    ledger: ChainId,
) -> Result<Made<S>> {
    let table = |key: &str| match of.feed {
        Feed::Anchors => key.to_owned(),
        feed => format!("{}.{key}", feed.name()),
    };
    let key = Key::new(&secret.0).map_err(|error| Fault::new(Exit::Home, error))?;
    let schedule = schedule(config, of.budget);
    let settings = Settings {
        endpoint: config
            .endpoint
            .parse()
            .map_err(|error| wrong(Chain::Ethereum, "endpoint", &error))?,
        chain_id: config.chain_id,
        contract: address(of.contract).ok_or_else(|| {
            let why = "it is no address; `medshare anchor deploy` makes one";
            wrong(Chain::Ethereum, &table("contract"), &why)
        })?,
        from_block: of.from_block,
        fee_cap: u64::from(config.fee_cap_gwei) * 1_000_000_000,
        store: of.store,
        confirmations: schedule.confirmations,
        patience: Duration::from_secs(config.timeout_seconds.into()),
    };
    let standing = AnchorStanding {
        feed: of.feed,
        contract: Some(format!("0x{}", hex::encode(settings.contract))),
        ..fresh(
            Chain::Ethereum,
            settings.chain_id.to_string(),
            format!("0x{}", hex::encode(key.address())),
        )
    };
    let client =
        Ethereum::new(settings, ledger, key).map_err(|error| Fault::new(Exit::Internal, error))?;
    Ok(Made {
        client: Box::new(client),
        schedule,
        standing,
    })
}

fn schedule(config: &EthereumConfig, budget: u64) -> Schedule {
    Schedule {
        every: u64::from(config.every_seconds) * 1_000,
        count: config.count.into(),
        confirmations: config.confirmations.into(),
        replace: u64::from(config.replace_seconds) * 1_000,
        budget,
        poll: Duration::from_millis(config.poll_milliseconds.into()),
    }
}

fn address(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}
