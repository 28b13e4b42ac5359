//! `medshare anchor deploy`.

use anchor::{
    Chain, Endpoint, Trouble,
    ethereum::{self, Key},
};
use serde_json::json;
use std::time::Duration;

use super::{
    DeployArgs,
    key::own,
    table::{self, deploy_exit},
};
use crate::{
    cli::context::Context,
    config::EthereumConfig,
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
    table::free(
        Chain::Ethereum,
        context.config.anchor.ethereum.is_some(),
        context,
    )?;
    let deployed = ethereum::deploy(
        &endpoint,
        network,
        home.facts.chain,
        (&key, &owners),
        u64::from(args.fee_cap) * 1_000_000_000,
        Duration::from_secs(args.wait.into()),
        |contract, _| {
            context
                .output
                .talk(format!("creating the contract at {}", shown(&contract)));
        },
    )
    .map_err(|trouble| deploy_fault(&trouble, &key))?;
    let config = EthereumConfig {
        endpoint: args.endpoint.clone(),
        chain_id: deployed.chain_id,
        contract: shown(&deployed.contract),
        from_block: deployed.block,
        ..EthereumConfig::default()
    };
    table::add(Chain::Ethereum, &config, context)?;
    let value = json!({
        "chain": "ethereum",
        "network": deployed.chain_id,
        "contract": config.contract,
        "block": deployed.block,
        "transaction": deployed.transaction.to_string(),
        "gas": deployed.gas,
        "cost_gwei": deployed.cost,
        "owners": std::iter::once(key.address()).chain(owners).map(|owner| shown(&owner)).collect::<Vec<_>>(),
    });
    context.output.data(
        &value,
        format!(
            "contract         {} on network {}, block {}\ncost             {} gas, {} gwei\nsettings         in {}; `medshare node run` anchors from its next start on",
            config.contract, deployed.chain_id, deployed.block, deployed.gas, deployed.cost,
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

fn address(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes).ok()?;
    Some(bytes)
}

/// An address as it is written.
pub(super) fn shown(address: &[u8; 20]) -> String {
    format!("0x{}", hex::encode(address))
}
