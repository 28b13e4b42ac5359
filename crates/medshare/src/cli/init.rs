//! `medshare init`: makes a home, once, whole or not at all.

use base::{
    AccountId, ChainId, Millis, Version, codec,
    genesis::{Genesis, Institution, Policy, Validator},
    operation::Role,
};
use clap::{Args, ValueEnum};
use serde_json::json;
use share::{bag::Phrase, node::Node as _};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

use super::{account::read_text, context::Context, output::usage, party::parse_span};
use crate::{
    config::{Config, ConsensusConfig, KeysConfig, PeersConfig},
    exit::{Exit, Fault, Result},
    files,
    home::{Home, Plan, identity::Identity, keys::Keys, role_name, whole_second},
    peers::key::PeerSeed,
    system::{self, OsRng},
    wire,
};

/// What `init` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  medshare init --role node --network example --home ~/node
  medshare init --role node --home ~/node --peer-listen /ip4/0.0.0.0/tcp/7500 \\
      --join /ip4/192.0.2.1/tcp/7500/p2p/12D3KooW… --chain 399805ab…
  medshare init --role patient --home ~/wallet --node unix:$HOME/node/node/medshare.sock
  medshare init --role hospital --home ~/hospital --passphrase-file pass.txt \\
      --node http://127.0.0.1:7400

The backup phrase is printed once and never again: write it down. --phrase-file puts it
into a file of its own instead. --work-factor below 15 is for tests only.")]
pub struct InitArgs {
    /// The one role of this home
    #[arg(long, value_enum)]
    role: RoleArg,
    /// Name of the new ledger, shown to people (role node)
    #[arg(long, value_name = "NAME", default_value = "medshare")]
    network: String,
    /// An institution from the start: ACCOUNT or ACCOUNT:GROUP (role node; repeatable)
    #[arg(long, value_name = "ACCOUNT", value_parser = institution)]
    institution: Vec<Institution>,
    /// Shortest time in which a patient can object to a recovery (role node)
    /// [default: 3d]
    #[arg(long, value_name = "SPAN", value_parser = recovery_delay)]
    recovery_delay: Option<u64>,
    /// The ledger's id, as the consortium gave it; another one is refused
    #[arg(long, value_name = "ID")]
    chain: Option<ChainId>,
    /// Follow the ledger of the node there instead of making one (role node); its operator
    /// must allow this node's peer id, which is printed first
    #[arg(long, value_name = "MULTIADDRESS")]
    join: Option<String>,
    /// How long to wait for that, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "join")]
    wait: u32,
    /// Take the genesis object from this file instead of asking the node that is joined
    #[arg(long, value_name = "FILE", requires = "join")]
    genesis: Option<PathBuf>,
    /// Where to listen for other nodes (role node; repeatable)
    #[arg(long, value_name = "MULTIADDRESS")]
    peer_listen: Vec<String>,
    /// The key of the nodes' private network, as Kubo has it (role node)
    #[arg(long, value_name = "FILE")]
    swarm_key: Option<PathBuf>,
    /// scrypt work factor of keys.age: 2 to this power
    #[arg(long, value_name = "1..22", value_parser = clap::value_parser!(u8).range(1..=22))]
    work_factor: Option<u8>,
    /// Write the backup phrase into this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    phrase_file: Option<PathBuf>,
    /// Take the operation key, and so the account, from the backup phrase in this file
    /// (- for standard input); then replace the other keys with `account rotate-key`
    #[arg(long, value_name = "FILE", conflicts_with = "phrase_file")]
    recover: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    Patient,
    Hospital,
    Agent,
    Requester,
    Node,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Patient => Self::Patient,
            RoleArg::Hospital => Self::Hospital,
            RoleArg::Agent => Self::Agent,
            RoleArg::Requester => Self::Requester,
            RoleArg::Node => Self::Node,
        }
    }
}

/// Makes the home.
///
/// # Errors
/// [`Exit::Home`] when there is one, [`Exit::Unreachable`], [`Exit::Invalid`] for another
/// ledger than the one that was named, [`Exit::Storage`].
pub fn run(args: InitArgs, context: &Context) -> Result<()> {
    let role = Role::from(args.role);
    check(&args, role)?;
    if let Some(path) = &args.phrase_file {
        files::check_free(path, files::Existing::Refuse)?;
    }
    let peers = peers_config(&args)?;
    let node_text = match role {
        Role::Node => None,
        _ => Some(context.address()?.to_string()),
    };
    let given = match role {
        Role::Node => None,
        _ => Some(take_genesis(&args, context)?),
    };
    let passphrase = context.passphrase.choose()?;
    let phrase = match &args.recover {
        Some(path) => Phrase::parse(&Zeroizing::new(read_text(path, 4096)?))?,
        None => Phrase::generate(&mut OsRng),
    };
    if args.recover.is_some() {
        check_current(&phrase, context)?;
    }
    let work_factor = args.work_factor.unwrap_or(context.config.keys.work_factor);
    let keys = Keys::new(role);
    let (genesis, identity) = match (given, &args.join) {
        (Some(genesis), _) => {
            let identity = Identity::generate(role, genesis.chain(), &phrase);
            (genesis, identity)
        }
        (None, Some(_)) => joined_ledger(&args, peers.as_ref(), &phrase, context)?,
        (None, None) => new_ledger(&args, &phrase),
    };
    let config = config_text(node_text.as_deref(), work_factor, peers, None);
    let home = Home::create(
        &context.home,
        &Plan {
            genesis: &genesis,
            keys: &keys,
            identity: &identity,
            config: &config,
            passphrase: &passphrase,
            work_factor,
        },
    )?;
    report(&args, context, &home, &phrase, identity.peer.as_ref())
}

fn check(args: &InitArgs, role: Role) -> Result<()> {
    if role == Role::Node {
        if args.chain.is_some() && args.join.is_none() {
            return Err(usage(
                "--chain is for homes that join a ledger; a node's home makes one, unless it has --join",
            ));
        }
        if args.join.is_some() && !args.institution.is_empty() {
            return Err(usage(
                "--institution is for a ledger that is made, not joined",
            ));
        }
        if args.network.is_empty() || args.network.len() > 64 {
            return Err(usage("--network takes 1 to 64 characters"));
        }
        if args.recover.is_some() {
            return Err(usage("--recover is for homes that join a ledger"));
        }
    } else if args.join.is_some() || !args.peer_listen.is_empty() || args.swarm_key.is_some() {
        return Err(usage(
            "--join, --peer-listen and --swarm-key are for --role node",
        ));
    } else if role == Role::Patient && args.recover.is_some() {
        return Err(usage(
            "a patient's home is recovered by `medshare wallet restore`",
        ));
    } else if args.recovery_delay.is_some() {
        return Err(usage("--recovery-delay is for --role node"));
    } else if !args.institution.is_empty() {
        return Err(usage("--institution is for --role node"));
    }
    Ok(())
}

/// A span that a recovery may be delayed by, milliseconds.
pub(super) fn recovery_delay(text: &str) -> std::result::Result<u64, String> {
    let delay = parse_span(text)?;
    match (1..=365 * Millis::DAY).contains(&delay) {
        true => Ok(delay),
        false => Err("--recovery-delay takes 1s to 365d".into()),
    }
}

/// The phrase gives the account's first operation key: of no use once that was replaced.
fn check_current(phrase: &Phrase, context: &Context) -> Result<()> {
    let key = phrase.operation().public();
    let account = AccountId::of(&key);
    let known = context.anonymous_node()?.account(account)?;
    match known.and_then(|known| known.operation_key()) {
        Some(current) if current != key => Err(Fault::new(
            Exit::Refused,
            format!(
                "the operation key of {account} was replaced: this phrase no longer recovers the account; use a copy of the home that has the new key"
            ),
        )),
        _ => Ok(()),
    }
}

/// Takes the node's genesis object; from here on it is this home's pin.
fn take_genesis(args: &InitArgs, context: &Context) -> Result<Genesis> {
    expected(args, context.anonymous_node()?.genesis()?)
}

fn expected(args: &InitArgs, genesis: Genesis) -> Result<Genesis> {
    let chain = genesis.chain();
    match args.chain {
        Some(expected) if expected != chain => Err(Fault::new(
            Exit::Invalid,
            format!("the node keeps the ledger {chain}, not {expected}; nothing was made"),
        )),
        _ => Ok(genesis),
    }
}

fn new_ledger(args: &InitArgs, phrase: &Phrase) -> (Genesis, Identity) {
    // The node's keys do not depend on the ledger, but its genesis names them.
    let draft = Identity::generate(Role::Node, ChainId([0; 32]), phrase);
    let genesis = Genesis {
        version: Version,
        network: args.network.clone(),
        created: whole_second(system::now()),
        drift: DRIFT,
        validators: vec![Validator {
            key: draft.party.operation.public(),
            hpke_key: draft.party.hpke.public(),
        }],
        institutions: args.institution.clone(),
        policy: Policy {
            recovery_delay: args.recovery_delay,
            ..Policy::default()
        },
    };
    let mut identity = draft;
    identity.party.chain = genesis.chain();
    (genesis, identity)
}

/// `[peers]` of a new node's home; none when nothing was said of other nodes.
fn peers_config(args: &InitArgs) -> Result<Option<PeersConfig>> {
    if args.join.is_none() && args.peer_listen.is_empty() && args.swarm_key.is_none() {
        return Ok(None);
    }
    wire::require_peers()?;
    let swarm_key = match &args.swarm_key {
        None => None,
        // The home does not stand where this command runs.
        Some(path) => Some(
            std::fs::canonicalize(path)
                .map_err(|error| Fault::io(path.display(), &error))?
                .display()
                .to_string(),
        ),
    };
    Ok(Some(PeersConfig {
        listen: args.peer_listen.clone(),
        upstream: args.join.clone(),
        swarm_key,
        ..PeersConfig::default()
    }))
}

/// The ledger of the node that is joined, and this node's keys for it.
fn joined_ledger(
    args: &InitArgs,
    peers: Option<&PeersConfig>,
    phrase: &Phrase,
    context: &Context,
) -> Result<(Genesis, Identity)> {
    let seed = PeerSeed::generate();
    let genesis = match &args.genesis {
        Some(path) => {
            let bytes = files::read_small(path, codec::MAX_OBJECT)?;
            codec::decode(&bytes).map_err(|error| {
                Fault::new(Exit::Invalid, format!("{}: {error}", path.display()))
            })?
        }
        None => {
            // Data, not talk: it must be passed on before this command can end.
            let id = seed.id();
            context.output.data(
                &json!({"peer": id, "joining": args.join}),
                format!("peer id        {id}\nasking the node that is joined; its operator must put the id into peers.allow"),
            )?;
            let wait = Duration::from_secs(args.wait.into());
            wire::ask_genesis(peers, &context.home, &seed, wait)?
        }
    };
    let genesis = expected(args, genesis)?;
    let mut identity = Identity::generate(Role::Node, genesis.chain(), phrase);
    if genesis
        .validators
        .iter()
        .any(|known| known.key == identity.party.operation.public())
    {
        return Err(usage(
            "a validator's node orders the ledger; it cannot join it",
        ));
    }
    identity.peer = Some(seed);
    Ok((genesis, identity))
}

/// The text of a new home's `config.toml`.
pub(super) fn config_text(
    node: Option<&str>,
    work_factor: u8,
    peers: Option<PeersConfig>,
    consensus: Option<ConsensusConfig>,
) -> String {
    let mut config = Config::default();
    config.node.address = node.map(str::to_owned);
    config.peers = peers;
    config.consensus = consensus;
    config.keys = KeysConfig { work_factor };
    format!(
        "# Settings of this home; `medshare config check` names what is wrong.\n{}",
        toml::to_string(&config).unwrap_or_default()
    )
}

fn report(
    args: &InitArgs,
    context: &Context,
    home: &Home,
    phrase: &Phrase,
    peer: Option<&PeerSeed>,
) -> Result<()> {
    let words = phrase.words();
    let facts = &home.facts;
    let mut value = json!({
        "home": home.folder().display().to_string(),
        "role": role_name(facts.role),
        "account": facts.account.to_string(),
        "chain": facts.chain.to_string(),
        "network": home.genesis.network,
        "work_factor": facts.work_factor,
    });
    let shown = match (&args.recover, &args.phrase_file) {
        (Some(_), _) => "backup phrase  the one you gave".to_owned(),
        (None, Some(path)) => {
            write_phrase(path, &words)?;
            format!("backup phrase  in {}", path.display())
        }
        (None, None) => {
            value["phrase"] = json!(words.as_str());
            format!("backup phrase  {}", words.as_str())
        }
    };
    let mut node = String::new();
    if let Some(peer) = peer {
        value["peer"] = json!(peer.id());
        node = format!("peer id        {}\n", peer.id());
    }
    context.output.data(
        &value,
        format!(
            "home           {}\nrole           {}\naccount        {}\nledger         {} ({})\n{node}{shown}",
            home.folder().display(),
            role_name(facts.role),
            facts.account,
            facts.chain,
            home.genesis.network,
        ),
    )?;
    if args.phrase_file.is_none() && args.recover.is_none() {
        context
            .output
            .talk("Write the 24 words down; they are not shown again.");
    }
    if facts.work_factor < 15 {
        context
            .output
            .talk("The work factor is below 15: keys.age is weakly protected. For tests only.");
    }
    Ok(())
}

pub(super) fn write_phrase(path: &Path, words: &str) -> Result<()> {
    use std::io::Write as _;
    let mut pending = files::Pending::new(path)?;
    writeln!(pending.file(), "{words}").map_err(|error| Fault::io(path.display(), &error))?;
    pending.keep(files::Existing::Refuse)
}

pub(super) fn institution(text: &str) -> std::result::Result<Institution, String> {
    let (account, group) = match text.split_once(':') {
        Some((account, group)) => {
            let group = group
                .parse()
                .map_err(|_| format!("{group:?} is no group number"))?;
            (account, Some(group))
        }
        None => (text, None),
    };
    let account: AccountId = account.parse().map_err(|error| format!("{error}"))?;
    Ok(Institution { account, group })
}

/// Largest distance of a block's time from a validator's clock, milliseconds.
pub(super) const DRIFT: u64 = 5_000;
