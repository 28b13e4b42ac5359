//! `medshare anchor permission`.

use anchor::{
    Endpoint, Trouble,
    ethereum::{
        allows,
        permission::{key, word},
    },
};
use base::{AccountId, OperationId};
use serde_json::json;
use share::node::Node as _;
use std::time::Duration;

use super::{ethereum::address, table::deploy_exit};
use crate::{
    cli::context::Context,
    config::{EthereumConfig, PermissionsConfig},
    exit::{Exit, Fault, Result},
};

pub(super) fn run(
    grant: OperationId,
    requester: Option<AccountId>,
    context: &Context,
) -> Result<()> {
    let node = context.anonymous_node()?;
    let found = node
        .grant(grant)?
        .ok_or_else(|| Fault::new(Exit::NotFound, format!("the ledger has no grant {grant}")))?;
    let ledger = context.open_home()?.facts.chain;
    let requester = requester.unwrap_or(found.requester);
    let configured = context.config.anchor.ethereum.as_ref();
    let allowed = configured
        .and_then(|config| Some((config, config.permissions.as_ref()?)))
        .map(|(config, permissions)| ask(config, permissions, grant, requester))
        .transpose()?;
    let hex0x = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    let value = json!({
        "grant": hex0x(&word(grant)),
        "requester": hex0x(&requester.0),
        "key": hex0x(&key(ledger, grant, requester).0),
        "allowed": allowed,
    });
    let allowed = match allowed {
        Some(true) => "yes",
        Some(false) => "no",
        None => "nobody was asked: [anchor.ethereum.permissions] is not set",
    };
    context.output.data(
        &value,
        format!(
            "grant            {}\nrequester        {}\nkey              {}\nallowed          {allowed}",
            hex0x(&word(grant)),
            hex0x(&requester.0),
            hex0x(&key(ledger, grant, requester).0),
        ),
    )
}

fn ask(
    config: &EthereumConfig,
    permissions: &PermissionsConfig,
    grant: OperationId,
    requester: AccountId,
) -> Result<bool> {
    let wrong =
        |key: &str, why: &str| Fault::new(Exit::Config, format!("anchor.ethereum.{key}: {why}"));
    let endpoint: Endpoint = config
        .endpoint
        .parse()
        .map_err(|error: anchor::BadEndpoint| wrong("endpoint", &error.to_string()))?;
    let contract = address(&permissions.contract)
        .ok_or_else(|| wrong("permissions.contract", "it is no address"))?;
    let patience = Duration::from_secs(config.timeout_seconds.into());
    allows(&endpoint, contract, word(grant), requester.0, patience)
        .map_err(|trouble: Trouble| Fault::new(deploy_exit(&trouble), trouble))
}
