//! `medshare anchor`: the key that pays, the contract, and how a node's anchors stand.

use anchor::Chain;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

use super::context::Context;
use crate::{exit::Result, http::anchors::AnchorStanding};

/// Verbs of anchoring.
#[derive(Subcommand, Debug)]
pub enum AnchorCommand {
    /// Print the address that pays for anchors; make its key if there is none
    #[command(after_help = "\
Examples:
  medshare anchor key --home ~/node                # then give that address some coins
  medshare anchor key --import key.hex --home ~/node")]
    Key {
        /// Take the key, 64 hexadecimal digits, from this file (- for standard input)
        #[arg(long, value_name = "FILE")]
        import: Option<PathBuf>,
    },
    /// Put the ledger's contract on Ethereum, and [anchor.ethereum] into config.toml
    #[command(after_help = "\
Example:
  medshare anchor deploy --endpoint http://127.0.0.1:8545 --home ~/node
  medshare node run --home ~/node                  # anchors from now on")]
    Deploy(DeployArgs),
    /// Print how the running node's anchors stand, and what they cost
    #[command(after_help = "Example:\n  medshare anchor status --home ~/node")]
    Status,
}

/// What `deploy` takes.
#[derive(clap::Args, Debug)]
pub struct DeployArgs {
    /// JSON-RPC of a node: https://…, or http://127.0.0.1:port; where a key is part of it,
    /// rather in the environment than here, where other users see it
    #[arg(
        long,
        value_name = "URL",
        env = "MEDSHARE_ETHEREUM",
        hide_env_values = true
    )]
    pub endpoint: String,
    /// Deploy only if the node is of this network
    #[arg(long, value_name = "NUMBER")]
    pub network: Option<u64>,
    /// Another address that may anchor: that of another node's key (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Vec<String>,
    /// Most that is paid for a unit of gas, gwei
    #[arg(long, value_name = "GWEI", default_value_t = 50)]
    pub fee_cap: u32,
    /// How long to wait for the block, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub wait: u32,
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: AnchorCommand, context: &Context) -> Result<()> {
    match command {
        AnchorCommand::Status => status(context),
        AnchorCommand::Key { import } => built::key(import, context),
        AnchorCommand::Deploy(args) => built::deploy(&args, context),
    }
}

fn status(context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let standings: Vec<AnchorStanding> = node.read("/v1/anchors")?;
    if standings.is_empty() {
        return context
            .output
            .data(&json!({"chains": []}), "this node anchors nowhere");
    }
    let value = standings.iter().map(|standing| {
        json!({
            "chain": standing.chain.name(),
            "network": standing.network,
            "contract": standing.place,
            "payer": standing.payer,
            "anchors": standing.anchors,
            "newest": standing.newest.map(|(size, root, block)| json!({
                "tree_size": size, "root": root.to_string(), "block": block,
            })),
            "open": standing.open,
            "cost_gwei": standing.cost,
            "left_gwei": standing.left,
            "trouble": standing.trouble,
        })
    });
    let value = json!({"chains": value.collect::<Vec<_>>()});
    let text = standings.iter().map(|standing| {
        let newest = standing.newest.map_or_else(
            || "none yet".to_owned(),
            |(size, _, block)| format!("{size} leaves, in public block {block}"),
        );
        let mut text = format!(
            "chain            {} {}\ncontract         {}\npaid by          {}\nanchors          {} final, {} on their way\nnewest           {newest}\ncost             {} gwei so far, {} left in 30 days",
            standing.chain, standing.network, standing.place, standing.payer, standing.anchors,
            standing.open, standing.cost, standing.left,
        );
        if let Some(trouble) = &standing.trouble {
            text.push_str(&format!("\nin trouble       {trouble}"));
        }
        text
    });
    let text: Vec<String> = text.collect();
    context.output.data(&value, text.join("\n\n"))
}

/// Refuses a chain that this build was made without.
///
/// # Errors
/// [`crate::exit::Exit::Config`].
pub fn require(chain: Chain) -> Result<()> {
    match chain.is_built() {
        true => Ok(()),
        false => Err(crate::exit::Fault::new(
            crate::exit::Exit::Config,
            format!("this program was built without {chain}; build it with --features full"),
        )),
    }
}

#[cfg(not(feature = "ethereum"))]
mod built {
    use super::{Chain, Context, DeployArgs, PathBuf, Result, require};

    pub(super) fn key(_: Option<PathBuf>, _: &Context) -> Result<()> {
        require(Chain::Ethereum)
    }

    pub(super) fn deploy(_: &DeployArgs, _: &Context) -> Result<()> {
        require(Chain::Ethereum)
    }
}

#[cfg(feature = "ethereum")]
mod built {
    use anchor::{
        Chain, Trouble,
        ethereum::{self, Endpoint, Key},
    };
    use base::operation::Role;
    use serde_json::json;
    use std::{path::PathBuf, time::Duration};
    use zeroize::Zeroizing;

    use super::{Context, DeployArgs};
    use crate::{
        cli::account::read_text,
        config::{Config, EthereumConfig},
        exit::{Exit, Fault, Result},
        files,
        home::{Home, identity::Identity},
        system,
    };

    pub(super) fn key(import: Option<PathBuf>, context: &Context) -> Result<()> {
        let given = match import {
            None => None,
            Some(path) => {
                let text = Zeroizing::new(read_text(&path, 256)?);
                Some(read_key(&text)?)
            }
        };
        let (_, key) = own_key(given, context)?;
        let address = shown(&key.address());
        context
            .output
            .data(&json!({"chain": "ethereum", "address": address}), &address)
    }

    fn read_key(text: &str) -> Result<Zeroizing<[u8; 32]>> {
        let wrong = || Fault::new(Exit::Invalid, "a key is 64 hexadecimal digits");
        let digits = text.trim();
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits.strip_prefix("0x").unwrap_or(digits), &mut *bytes)
            .map_err(|_| wrong())?;
        Key::new(&bytes).map_err(|error| Fault::new(Exit::Invalid, error))?;
        Ok(bytes)
    }

    /// The home's key: the one that is given if there is none yet, else a fresh one.
    fn own_key(given: Option<Zeroizing<[u8; 32]>>, context: &Context) -> Result<(Home, Key)> {
        let home = context.open_home()?;
        home.require(&[Role::Node])?;
        let keys = home.unlock(&context.passphrase.read()?)?;
        let session = home.enter(&keys, context.patience)?;
        let usable =
            |secret: &[u8; 32]| Key::new(secret).map_err(|error| Fault::new(Exit::Home, error));
        if let Some(secret) = Identity::anchor_key(&session.vault, Chain::Ethereum)? {
            if given.is_some_and(|given| given != secret) {
                return Err(Fault::new(
                    Exit::Home,
                    "this home has a key already, and anchors may hang on it",
                ));
            }
            return Ok((home.clone(), usable(&secret)?));
        }
        let secret = given.unwrap_or_else(|| {
            let mut fresh = Zeroizing::new([0; 32]);
            // All but one in 2^128 are keys.
            while Key::new(&fresh).is_err() {
                system::fill_random(&mut *fresh);
            }
            fresh
        });
        Identity::set_anchor_key(&session.vault, Chain::Ethereum, &secret)?;
        Ok((home.clone(), usable(&secret)?))
    }

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
        let (home, key) = own_key(None, context)?;
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

    fn shown(address: &[u8; 20]) -> String {
        format!("0x{}", hex::encode(address))
    }
}
