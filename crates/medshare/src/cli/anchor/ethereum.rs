//! `medshare anchor deploy`.

use anchor::{
    Chain, Endpoint, Trouble,
    ethereum::{self, Key},
};
use serde_json::json;
use std::time::Duration;

use super::{DeployArgs, key::own};
use crate::{
    cli::context::Context,
    config::{Config, EthereumConfig},
    exit::{Exit, Fault, Result},
    files,
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
    let (home, secret) = own(Chain::Ethereum, None, context)?;
    let key = Key::new(&secret).map_err(|error| Fault::new(Exit::Home, error))?;
    if context.config.anchor.ethereum.is_some() {
        return Err(Fault::new(
            Exit::Config,
            format!(
                "{} has [anchor.ethereum] already: this ledger has a contract; remove that table to leave it",
                context.config_file().display()
            ),
        ));
    }
    let deployed = ethereum::deploy(
        &endpoint,
        args.network,
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
    write_config(&config, context)?;
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
    let exit = match trouble {
        Trouble::Unreachable(_) | Trouble::Contradiction(_) => Exit::Unreachable,
        Trouble::WrongChain { .. } | Trouble::Contract(_) => Exit::Config,
        Trouble::FeeOverCap { .. } | Trouble::OverBudget { .. } => Exit::Pending,
        _ => Exit::Refused,
    };
    let payer = match exit {
        Exit::Refused => format!("; {} pays", shown(&key.address())),
        _ => String::new(),
    };
    Fault::new(exit, format!("{trouble}{payer}"))
}

/// Adds the table behind what the operator wrote; nothing of that is touched.
fn write_config(config: &EthereumConfig, context: &Context) -> Result<()> {
    let path = context.config_file();
    let before = match files::read_small(&path, 1 << 20) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(fault) if fault.exit == Exit::NotFound => String::new(),
        Err(fault) => return Err(fault),
    };
    let table = toml::to_string(config).unwrap_or_default();
    let text = format!("{}\n\n[anchor.ethereum]\n{table}", before.trim_end());
    Config::parse(&text, &path.display().to_string())?;
    let mut pending = files::Pending::new(&path)?;
    std::io::Write::write_all(pending.file(), text.as_bytes())
        .map_err(|error| Fault::io(path.display(), &error))?;
    pending.keep(files::Existing::Replace)
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
