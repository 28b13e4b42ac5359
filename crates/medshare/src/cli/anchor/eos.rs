//! `medshare anchor deploy --chain eos`.

use anchor::{
    Chain, Endpoint,
    eos::{self, Key, Name},
};
use base::Digest;
use serde_json::json;
use std::time::Duration;

use super::{
    DeployArgs,
    key::own,
    table::{self, deploy_exit},
};
use crate::{
    cli::context::Context,
    config::EosConfig,
    exit::{Exit, Fault, Result},
};

pub(super) fn deploy(args: &DeployArgs, context: &Context) -> Result<()> {
    let usage = |what: String| Fault::new(Exit::Usage, what);
    let name = |flag: &str, text: &str| -> Result<Name> {
        let name = text.parse();
        name.map_err(|error| usage(format!("--{flag} {text}: {error}")))
    };
    let endpoint: Endpoint = args
        .endpoint
        .parse()
        .map_err(|error| usage(format!("--endpoint: {error}")))?;
    let network = args.network.as_deref().map(|text| {
        let id = text.parse::<Digest>();
        id.map_err(|error| usage(format!("--network: {error}")))
    });
    let network = network.transpose()?;
    let account = name("account", args.account.as_deref().unwrap_or_default())?;
    let actor = match &args.actor {
        Some(actor) => name("actor", actor)?,
        None => account,
    };
    let permission = name("permission", &args.permission)?;
    table::free(
        Chain::Eos.name(),
        context.config.anchor.eos.is_some(),
        context,
    )?;
    let (_, secret) = own(Chain::Eos, None, context)?;
    let key = Key::new(&secret).map_err(|error| Fault::new(Exit::Home, error))?;
    let wait = Duration::from_secs(args.wait.into());
    let prepared = eos::prepare(&endpoint, network, account, &key, wait).map_err(|trouble| {
        let exit = deploy_exit(&trouble);
        let signer = match exit {
            Exit::Refused => format!("; signed with {}", key.public()),
            _ => String::new(),
        };
        Fault::new(exit, format!("{trouble}{signer}"))
    })?;
    let config = EosConfig {
        endpoint: args.endpoint.clone(),
        network: prepared.network.to_string(),
        account: account.to_string(),
        actor: actor.to_string(),
        permission: permission.to_string(),
        ..EosConfig::default()
    };
    table::add(Chain::Eos.name(), &config, context)?;
    let value = json!({
        "chain": "eos",
        "network": config.network,
        "account": config.account,
        "actor": config.actor,
        "permission": config.permission,
        "transaction": prepared.transaction.map(|id| id.to_string()),
    });
    let done = match prepared.transaction {
        Some(id) => format!("set by transaction {id}"),
        None => "was there".into(),
    };
    context.output.data(
        &value,
        format!(
            "account          {account} on network {}\nits ABI          {done}\npaid by          {actor}@{permission}\nsettings         in {}; `medshare node run` anchors from its next start on",
            config.network,
            context.config_file().display(),
        ),
    )
}
