//! `medshare anchor deploy`.

use anchor::{
    Chain, Endpoint, Trouble,
    ethereum::{self, Deployment, Key, Kind},
};
use serde_json::json;
use std::time::Duration;

use super::{
    DeployArgs, Kind as Asked,
    key::own,
    table::{self, deploy_exit},
};
use crate::{
    cli::context::Context,
    config::{EthereumConfig, PermissionsConfig, RecordsConfig},
    exit::{Exit, Fault, Result},
};

pub(super) fn deploy(args: &DeployArgs, context: &Context) -> Result<()> {
    let usage = |what: String| Fault::new(Exit::Usage, what);
    let endpoint: Endpoint = args
        .endpoint
        .parse()
        .map_err(|error| usage(format!("--endpoint: {error}")))?;
    let owners = args
        .owner
        .iter()
        .map(|text| address(text).ok_or_else(|| usage(format!("--owner {text}: no address"))))
        .collect::<Result<Vec<_>>>()?;
    let network = args.network.as_deref().map(|text| {
        let wrong = || usage(format!("--network {text}: no number of a network"));
        text.parse::<u64>().map_err(|_| wrong())
    });
    let network = network.transpose()?;
    let (home, secret) = own(Chain::Ethereum, None, context)?;
    let key = Key::new(&secret).map_err(|error| Fault::new(Exit::Home, error))?;
    let present = context.config.anchor.ethereum.as_ref();
    let there = match args.contract {
        Asked::Anchors => present.is_some(),
        Asked::Records => present.is_some_and(|table| table.records.is_some()),
        Asked::Permissions => present.is_some_and(|table| table.permissions.is_some()),
    };
    let header = match args.contract {
        Asked::Anchors => Chain::Ethereum.name().to_owned(),
        of => format!("{}.{of}", Chain::Ethereum),
    };
    table::free(&header, there, context)?;
    // A second contract is of the network of the first.
    if let (Some(table), Some(network)) = (present, network)
        && table.chain_id != network
    {
        let chain_id = table.chain_id;
        return Err(usage(format!(
            "--network {network}: [anchor.ethereum] is of network {chain_id}"
        )));
    }
    let deployment = Deployment {
        kind: match args.contract {
            Asked::Anchors => Kind::Anchors,
            Asked::Records => Kind::Records(args.from),
            Asked::Permissions => Kind::Permissions(args.from),
        },
        network: network.or(present.map(|table| table.chain_id)),
        ledger: home.facts.chain,
        key: &key,
        others: &owners,
        fee_cap: u64::from(args.fee_cap) * 1_000_000_000,
    };
    let wait = Duration::from_secs(args.wait.into());
    let deployed = ethereum::deploy(&endpoint, &deployment, wait, |contract, _| {
        let contract = shown(&contract);
        context
            .output
            .talk(format!("creating the contract at {contract}"));
    })
    .map_err(|trouble| deploy_fault(&trouble, &key))?;
    let (contract, from_block) = (shown(&deployed.contract), deployed.block);
    if present.is_none() {
        let mut config = EthereumConfig {
            endpoint: args.endpoint.clone(),
            chain_id: deployed.chain_id,
            ..EthereumConfig::default()
        };
        if args.contract == Asked::Anchors {
            config.contract.clone_from(&contract);
            config.from_block = from_block;
        }
        table::add(Chain::Ethereum.name(), &config, context)?;
    }
    match args.contract {
        Asked::Anchors => {}
        Asked::Records => {
            let config = RecordsConfig {
                contract: contract.clone(),
                from_block,
                ..RecordsConfig::default()
            };
            table::add(&header, &config, context)?;
        }
        Asked::Permissions => {
            let config = PermissionsConfig {
                contract: contract.clone(),
                from_block,
                ..PermissionsConfig::default()
            };
            table::add(&header, &config, context)?;
        }
    }
    let value = json!({
        "chain": "ethereum",
        "kind": args.contract.to_string(),
        "network": deployed.chain_id,
        "contract": contract,
        "block": deployed.block,
        "transaction": deployed.transaction.to_string(),
        "gas": deployed.gas,
        "cost_gwei": deployed.cost,
        "owners": std::iter::once(key.address()).chain(owners).map(|owner| shown(&owner)).collect::<Vec<_>>(),
    });
    context.output.data(
        &value,
        format!(
            "contract         {} on network {}, block {}\ncost             {} gas, {} gwei\nsettings         in {}; `medshare node run` uses it from its next start on",
            contract, deployed.chain_id, deployed.block, deployed.gas, deployed.cost,
            context.config_file().display(),
        ),
    )
}

fn deploy_fault(trouble: &Trouble, key: &Key) -> Fault {
    let exit = deploy_exit(trouble);
    let payer = match exit {
        Exit::Refused => format!("; {} pays", shown(&key.address())),
        _ => String::new(),
    };
    Fault::new(exit, format!("{trouble}{payer}"))
}

pub(super) fn address(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes).ok()?;
    Some(bytes)
}

/// An address as it is written.
pub(super) fn shown(address: &[u8; 20]) -> String {
    format!("0x{}", hex::encode(address))
}
