//! `medshare anchor`: the keys that pay, the contract, and how a node's anchors stand.

#[cfg(feature = "eos")]
mod eos;
#[cfg(feature = "ethereum")]
mod ethereum;
mod key;
#[cfg(feature = "ethereum")]
mod permission;
#[cfg(any(feature = "eos", feature = "ethereum"))]
mod table;

use anchor::Chain;
use base::{AccountId, OperationId};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

use super::{context::Context, operation::parse_id};
use crate::{
    exit::Result,
    http::anchors::{AnchorStanding, Feed},
};

/// Verbs of anchoring.
#[derive(Subcommand, Debug)]
pub enum AnchorCommand {
    /// Print the address that pays for anchors; make its key if there is none
    #[command(after_help = "\
Examples:
  medshare anchor key --home ~/node                # then give that address some coins
  medshare anchor key --chain bitcoin --home ~/node
  medshare anchor key --chain eos --home ~/node    # then put that key into an account's permission
  medshare anchor key --import key.hex --home ~/node")]
    Key {
        /// The chain: ethereum, bitcoin or eos
        #[arg(long, value_name = "CHAIN", default_value_t = Chain::Ethereum)]
        chain: Chain,
        /// Take the key, 64 hexadecimal digits, from this file (- for standard input)
        #[arg(long, value_name = "FILE")]
        import: Option<PathBuf>,
        /// Of Bitcoin, whose addresses differ: main, testnet4, signet or regtest [default: the
        /// configuration's, else main]
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
    },
    /// Put a contract of the ledger's on Ethereum, or our ABI on an account of EOS, and
    /// [anchor.ethereum] or [anchor.eos] into config.toml
    #[command(after_help = "\
Examples:
  medshare anchor deploy --endpoint http://127.0.0.1:8545 --home ~/node
  medshare anchor deploy --contract records --endpoint http://127.0.0.1:8545 --home ~/node
  medshare anchor deploy --contract permissions --endpoint http://127.0.0.1:8545 --home ~/node
  medshare anchor deploy --chain eos --account medshareacct --endpoint http://127.0.0.1:8888 --home ~/node
  medshare node run --home ~/node                  # anchors from now on")]
    Deploy(DeployArgs),
    /// Print what other contracts ask of a grant, and what the contract on Ethereum answers now
    #[command(after_help = "Example:\n  medshare anchor permission bafyrei… --home ~/node")]
    Permission {
        /// The grant
        #[arg(value_parser = parse_id)]
        grant: OperationId,
        /// Ask for this account [default: the one that it was granted to]
        #[arg(long, value_name = "ACCOUNT")]
        requester: Option<AccountId>,
    },
    /// Print how the running node's anchors stand, and what they cost
    #[command(after_help = "Example:\n  medshare anchor status --home ~/node")]
    Status,
}

/// What a contract is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// Roots of the log
    Anchors,
    /// Single operation records
    Records,
    /// Grants, for other contracts to ask
    Permissions,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anchors => "anchors",
            Self::Records => "records",
            Self::Permissions => "permissions",
        })
    }
}

/// What `deploy` takes.
#[derive(clap::Args, Debug)]
pub struct DeployArgs {
    /// The chain: ethereum or eos
    #[arg(long, value_name = "CHAIN", default_value_t = Chain::Ethereum)]
    pub chain: Chain,
    /// The node's interface: https://…, or http://127.0.0.1:port; where a key is part of it,
    /// rather in the environment than here, where other users see it
    #[arg(
        long,
        value_name = "URL",
        env = "MEDSHARE_ETHEREUM",
        hide_env_values = true
    )]
    pub endpoint: String,
    /// Deploy only if the node is of this network
    #[arg(long, value_name = "NUMBER|ID")]
    pub network: Option<String>,
    /// Of EOS: the account that gets the ABI, and pays unless --actor does
    #[arg(long, value_name = "NAME", required_if_eq("chain", "eos"))]
    pub account: Option<String>,
    /// Of EOS: another account that pays for anchors
    #[arg(long, value_name = "NAME", requires = "account")]
    pub actor: Option<String>,
    /// Of EOS: the permission of the account that pays, which the home's key is in
    #[arg(long, value_name = "NAME", default_value = "active")]
    pub permission: String,
    /// Of Ethereum: which contract; that for anchors, that for single operation records, or that
    /// for grants
    #[arg(long, value_name = "KIND", default_value_t = Kind::Anchors)]
    pub contract: Kind,
    /// Of records and permissions: the first leaf of the log that counts
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub from: u64,
    /// Of Ethereum: another address that may anchor: that of another node's key (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Vec<String>,
    /// Of Ethereum: most that is paid for a unit of gas, gwei
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
        AnchorCommand::Key {
            chain,
            import,
            network,
        } => key::run(chain, import, network.as_deref(), context),
        AnchorCommand::Deploy(args) => deploy(&args, context),
        AnchorCommand::Permission { grant, requester } => permission(grant, requester, context),
    }
}

fn deploy(args: &DeployArgs, context: &Context) -> Result<()> {
    require(args.chain)?;
    match args.chain {
        #[cfg(feature = "ethereum")]
        Chain::Ethereum => ethereum::deploy(args, context),
        #[cfg(feature = "eos")]
        Chain::Eos => eos::deploy(args, context),
        other => {
            let _ = context;
            Err(crate::exit::Fault::new(
                crate::exit::Exit::Usage,
                format!("nothing is deployed in {other}: a key with coins is enough"),
            ))
        }
    }
}

fn permission(grant: OperationId, requester: Option<AccountId>, context: &Context) -> Result<()> {
    require(Chain::Ethereum)?;
    #[cfg(feature = "ethereum")]
    return permission::run(grant, requester, context);
    #[cfg(not(feature = "ethereum"))]
    {
        let _ = (grant, requester, context);
        Ok(())
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
            "feed": standing.feed.name(),
            "network": standing.network,
            "contract": standing.contract,
            "payer": standing.payer,
            "anchors": standing.anchors,
            "newest": standing.newest.map(|(size, root, block)| json!({
                "tree_size": size, match standing.feed { Feed::Anchors => "root", Feed::Records => "leaf", Feed::Permissions => "key" }: root.to_string(), "block": block,
            })),
            "open": standing.open,
            "unit": standing.chain.unit(),
            "cost": standing.cost,
            "left": standing.left,
            "trouble": standing.trouble,
        })
    });
    let value = json!({"chains": value.collect::<Vec<_>>()});
    let text = standings.iter().map(|standing| {
        let newest = standing.newest.map_or_else(
            || "none yet".to_owned(),
            |(size, _, block)| format!("{size} leaves, in public block {block}"),
        );
        let mut text = format!("chain            {} {}\n", standing.chain, standing.network);
        let what = format!("{:<17}", standing.feed.name());
        if let Some(contract) = &standing.contract {
            text.push_str(&format!("contract         {contract}\n"));
        }
        text.push_str(&format!(
            "paid by          {}\n{what}{} final, {} on their way\nnewest           {newest}\ncost             {} {unit} so far, {} left in 30 days",
            standing.payer, standing.anchors, standing.open, standing.cost, standing.left,
            unit = standing.chain.unit(),
        ));
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
