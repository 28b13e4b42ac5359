//! `medshare node`: ledger, store and interface in one process, and the node's own id.

use anchor::Chain;
use base::{key::OperationSecret, operation::Role};
use clap::Subcommand;
use serde_json::json;
use std::collections::BTreeMap;

use super::context::Context;
use crate::{
    exit::Result,
    home::{
        Home,
        identity::{Identity, Kind},
    },
    http::{
        Address, listen_address,
        message::{Following, NodeStanding, Status, ValidatorStanding},
    },
    log,
    peers::{key, message::plain},
    wire::{self, AnchorParts, Bound, ChainKey, ConsensusParts, NodeParts, PeerParts},
};

/// Verbs of the node.
#[derive(Subcommand, Debug)]
pub enum NodeCommand {
    /// Serve /v1 until SIGTERM or SIGINT
    #[command(after_help = "\
Examples:
  medshare node run --home ~/node
  medshare node run --home ~/node --listen 127.0.0.1:7400

SIGTERM ends it cleanly; with --json its log on stderr is one JSON object a line. /healthz,
/readyz and /metrics are for whoever watches it.

With [peers] in config.toml it is linked to other nodes; with peers.upstream it follows the
ledger of one.")]
    Run {
        /// unix:/path/to/socket or 127.0.0.1:port [default: a socket in the home]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<Address>,
    },
    /// Print how the running node stands: its ledger, whom it follows, other nodes
    #[command(after_help = "\
Examples:
  medshare node status --home ~/node
  medshare node status --home ~/node --json")]
    Status,
    /// Print the peer id that other nodes know this one by
    #[command(after_help = "\
Example:
  medshare node id --home ~/node       # for peers.allow of the node that is joined")]
    Id,
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: NodeCommand, context: &Context) -> Result<()> {
    if matches!(command, NodeCommand::Status) {
        return status(context);
    }
    let home = context.open_home()?;
    home.require(&[Role::Node])?;
    match command {
        NodeCommand::Status => Ok(()),
        NodeCommand::Run { listen } => serve(&home, listen, context),
        NodeCommand::Id => {
            let keys = context.keys(&home)?;
            let session = home.enter(&keys, context.patience)?;
            let id = Identity::peer_seed(&session.vault)?.id();
            let account = home.facts.account.to_string();
            context
                .output
                .data(&json!({"peer": id, "account": account}), &id)
        }
    }
}

fn status(context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let ledger: Status = node.read("/v1/status")?;
    let standing: NodeStanding = node.read("/v1/node")?;
    let peers: Vec<_> = standing
        .peers
        .iter()
        .map(|other| {
            json!({
                "peer": key::shown(&other.peer),
                "account": other.account.map(|account| account.to_string()),
                "institution": other.institution.map(|account| account.to_string()),
                "connected": other.connected,
                "away": other.away,
                "addresses": other.addresses,
            })
        })
        .collect();
    let follows = standing.follows.as_ref().map(|follows| {
        json!({
            "current_ms": follows.current,
            "trouble": follows.trouble,
            "halted": follows.halted,
        })
    });
    let value = json!({
        "chain": ledger.chain.to_string(),
        "height": ledger.height,
        "tree_size": ledger.tree_size,
        "time": ledger.time.to_string(),
        "peer": standing.peer.as_ref().map(|peer| key::shown(peer)),
        "follows": follows,
        "peers": peers,
        "validator": standing.validator.as_ref().map(validator_json),
    });
    let mut text = format!(
        "ledger           {} at height {}, {} leaves",
        ledger.chain, ledger.height, ledger.tree_size
    );
    if let Some(peer) = &standing.peer {
        text.push_str(&format!("\npeer id          {}", key::shown(peer)));
    }
    if let Some(follows) = &standing.follows {
        text.push_str(&format!("\nfollows          {}", in_words(follows)));
    }
    if let Some(validator) = &standing.validator {
        text.push_str(&validator_text(validator));
    }
    for other in &standing.peers {
        let state = match (&other.away, other.connected) {
            (_, true) => "connected".to_owned(),
            (Some(reason), _) => format!("away: {}", plain(reason)),
            (None, false) => "being dialled".to_owned(),
        };
        let whose = other
            .institution
            .map_or_else(|| "of no institution".to_owned(), |id| format!("of {id}"));
        text.push_str(&format!("\n{}  {state}, {whose}", key::shown(&other.peer)));
    }
    context.output.data(&value, text)
}

fn validator_json(validator: &ValidatorStanding) -> serde_json::Value {
    let others: Vec<_> = validator
        .validators
        .iter()
        .map(|other| {
            json!({
                "account": other.account.to_string(), "height": other.height, "seen_ms": other.age,
            })
        })
        .collect();
    let counters = &validator.counters;
    json!({
        "height": validator.height,
        "round": validator.round,
        "proposer": validator.proposer.map(|account| account.to_string()),
        "validators": others,
        "quorum": validator.quorum,
        "waiting": validator.waiting,
        "accusations": validator.accusations,
        "watching": validator.watching,
        "trouble": validator.trouble,
        "halted": validator.halted,
        "blocks": counters.blocks,
        "own_blocks": counters.own,
        "empty_blocks": counters.empty,
        "operations": counters.operations,
        "verified": counters.verified,
        "further_rounds": counters.further_rounds,
        "refused_blocks": counters.refused,
    })
}

fn validator_text(validator: &ValidatorStanding) -> String {
    let round = match validator.round {
        None => "not begun".to_owned(),
        Some(round) => format!("round {round}"),
    };
    let mut text = format!(
        "\nvalidator        deciding height {}, {round}, {} operations wait",
        validator.height, validator.waiting
    );
    if !validator.quorum {
        text.push_str(
            "\ntoo few          a third of the validators or more is not heard: nothing is ordered without them",
        );
    }
    for (name, what) in [
        ("votes", &validator.watching),
        ("HALTED", &validator.halted),
        ("in trouble", &validator.trouble),
    ] {
        if let Some(what) = what {
            text.push_str(&format!("\n{name:<17}{}", plain(what)));
        }
    }
    if validator.accusations > 0 {
        let count = validator.accusations;
        text.push_str(&format!(
            "\nproofs           {count} against validators that signed two things"
        ));
    }
    for other in &validator.validators {
        let seen = match (other.height, other.age) {
            (Some(height), Some(age)) => format!("at height {height}, {age} ms ago"),
            _ => "not seen".to_owned(),
        };
        text.push_str(&format!("\n{}  {seen}", other.account));
    }
    text
}

fn in_words(follows: &Following) -> String {
    match (&follows.halted, &follows.trouble, follows.current) {
        (Some(reason), ..) => format!("HALTED: {}", plain(reason)),
        (None, Some(reason), _) => format!("in trouble: {}", plain(reason)),
        (None, None, Some(age)) => format!("up to date {age} ms ago"),
        (None, None, None) => "catching up".to_owned(),
    }
}

fn serve(home: &Home, listen: Option<Address>, context: &Context) -> Result<()> {
    let address = match listen {
        Some(address) => address,
        None => listen_address(home, &context.config)?,
    };
    if context.output.json {
        log::as_json();
    }
    if context.config.peers.is_some() {
        wire::require_peers()?;
    }
    if context.config.consensus.is_some() {
        wire::require_bft()?;
    }
    // What is of another version is refused before anything is touched.
    home.ledger_seen()?;
    wire::check_versions(&home.node_folder())?;
    // A second node on this home is refused before anybody types a passphrase.
    let running = home.lock_for_running()?;
    let keys = context.keys(home)?;
    let (secret, next, seed, paying) = {
        let session = home.enter(&keys, context.patience)?;
        let seed = Identity::peer_seed(&session.vault)?;
        let mut paying = BTreeMap::new();
        for chain in Chain::ALL {
            let key = Identity::anchor_key(&session.vault, chain)?;
            paying.extend(key.map(|key| (chain, ChainKey(key))));
        }
        let next = Identity::staged(&session.vault, Kind::Operation)?.map(OperationSecret::new);
        let current = session.identity.party.operation.clone();
        (current, next, seed, paying)
    };
    drop(keys);
    if !wire::has_ledger(&home.node_folder()) {
        home.check_ledger(None)?;
    }
    let peer = context.config.peers.as_ref().map(|_| seed.id());
    let consensus = context
        .config
        .consensus
        .as_ref()
        .map(|config| ConsensusParts {
            config,
            seed: seed.clone(),
        });
    let file = context.config_file();
    let peers = context.config.peers.as_ref().map(|config| PeerParts {
        config,
        file: &file,
        home: home.folder(),
        account: home.facts.account,
        seed,
    });
    let parts = NodeParts {
        genesis: &home.genesis,
        folder: &home.node_folder(),
        secret,
        next,
        account: home.facts.account,
        server: &context.config.server,
        store: &context.config.store,
        anchors: AnchorParts {
            config: &context.config.anchor,
            keys: paying,
        },
        peers,
        consensus,
    };
    let height = wire::run_node(parts, &address, |bound| {
        home.check_ledger(Some(bound.height))?;
        home.note_ledger(bound.height)?;
        announce(home, peer.as_deref(), bound, context)
    })?;
    home.note_ledger(height)?;
    drop(running);
    context.output.talk("the node has ended");
    Ok(())
}

fn announce(home: &Home, peer: Option<&str>, bound: &Bound, context: &Context) -> Result<()> {
    let chain = home.facts.chain;
    let Bound {
        address, height, ..
    } = bound;
    let mut value = json!({
        "listening": address.to_string(), "chain": chain.to_string(), "height": height,
    });
    let mut text = format!("listening on {address}, ledger {chain} at height {height}");
    if let Some(peer) = peer {
        let addresses: Vec<String> = bound
            .peer_addresses
            .iter()
            .map(|address| format!("{address}/p2p/{peer}"))
            .collect();
        for address in &addresses {
            text.push_str(&format!("\nother nodes      {address}"));
        }
        value["peer"] = json!(peer);
        value["peer_addresses"] = json!(addresses);
    }
    context.output.data(&value, text)
}
