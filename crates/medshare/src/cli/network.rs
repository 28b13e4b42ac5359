//! `medshare network`: a ledger that several nodes order together.

use base::{
    ChainId, codec,
    genesis::{Genesis, Institution, Policy, Validator},
    operation::Role,
};
use clap::{Args, Subcommand};
use serde_json::json;
use share::bag::Phrase;
use std::path::{Path, PathBuf};

use super::{
    context::Context,
    doctor,
    init::{DRIFT, config_text, institution, recovery_delay, write_phrase},
    output::usage,
    validator,
};
use crate::{
    config::ConsensusConfig,
    doctor::Network,
    exit::Result,
    files,
    home::{Home, Plan, identity::Identity, keys::Keys, whole_second},
    http::message::NodeStanding,
    peers::key::PeerSeed,
    system::{self, OsRng},
    wire,
};

/// Verbs of the network.
#[derive(Subcommand, Debug)]
pub enum NetworkCommand {
    /// Make the genesis object and one node's home for each validator
    Init(NetworkArgs),
    /// Look at the validators of a ledger, as a node sees them
    #[command(after_help = "\
Example:
  medshare network doctor --home validator-1

How many may fail, who has not signed lately, whether this node votes, whether everybody is
named in config.toml. Ends with 0 when all is well, with 4 when there is a problem.")]
    Doctor,
}

/// What `network init` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  medshare network init --validators 4 --folder ~/net --passphrase-file pass.txt
  medshare network init --validators 4 --folder ~/net \\
      --at /ip4/192.0.2.1/tcp/7600 --at /ip4/192.0.2.2/tcp/7600 \\
      --at /ip4/192.0.2.3/tcp/7600 --at /ip4/192.0.2.4/tcp/7600

Makes DIR/validator-1 to DIR/validator-N, each a home of role node, with its backup phrase
in DIR/validator-1.phrase and so on: give each to its hospital, keep none. Then, at each:
  medshare node run --home validator-1

Up to three validators tolerate no fault; four tolerate one, seven two.")]
pub struct NetworkArgs {
    /// How many
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(u8).range(1..=100))]
    validators: u8,
    /// The new folder that holds all
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Name of the ledger, shown to people
    #[arg(long, value_name = "NAME", default_value = "medshare")]
    network: String,
    /// Where a validator listens for the others, in their order (repeatable)
    /// [default: this machine, from port 7600 on]
    #[arg(long, value_name = "MULTIADDRESS")]
    at: Vec<String>,
    /// An institution from the start: ACCOUNT or ACCOUNT:GROUP (repeatable)
    #[arg(long, value_name = "ACCOUNT", value_parser = institution)]
    institution: Vec<Institution>,
    /// Shortest time in which a patient can object to a recovery
    /// [default: 3d]
    #[arg(long, value_name = "SPAN", value_parser = recovery_delay)]
    recovery_delay: Option<u64>,
    /// scrypt work factor of each keys.age: 2 to this power
    #[arg(long, value_name = "1..22", value_parser = clap::value_parser!(u8).range(1..=22))]
    work_factor: Option<u8>,
}

/// Runs the verb.
///
/// # Errors
/// [`crate::exit::Exit::Home`] when there is something at the folder;
/// [`crate::exit::Exit::Storage`].
pub fn run(command: NetworkCommand, context: &Context) -> Result<()> {
    let args = match command {
        NetworkCommand::Init(args) => args,
        NetworkCommand::Doctor => return examine(context),
    };
    wire::require_bft()?;
    if args.network.is_empty() || args.network.len() > 64 {
        return Err(usage("--network takes 1 to 64 characters"));
    }
    let addresses = addresses(&args)?;
    let folder = &args.folder;
    Home::check_free(folder)?;
    let passphrase = context.passphrase.choose()?;
    let work_factor = args.work_factor.unwrap_or(context.config.keys.work_factor);
    let mut members: Vec<_> = addresses.into_iter().map(Member::new).collect();
    let genesis = genesis(&args, &members);
    let chain = genesis.chain();
    // Whole or not at all: a network of which some homes are missing is of no use.
    let parent = files::folder(folder);
    files::make_private_folder(parent)?;
    let draft = files::private_draft(parent, ".medshare-network-")?;
    files::write_private(&draft.path().join(GENESIS), &codec::encode(&genesis))?;
    for at in 0..members.len() {
        let config = config_text(None, work_factor, None, Some(consensus(&members, at)));
        let member = &mut members[at];
        member.identity.party.chain = chain;
        let plan = Plan {
            genesis: &genesis,
            keys: &Keys::new(Role::Node),
            identity: &member.identity,
            config: &config,
            passphrase: &passphrase,
            work_factor,
        };
        let home = Home::create(&draft.path().join(name(at)), &plan)?;
        wire::prepare_validator(&home.node_folder())?;
        let phrase = draft.path().join(format!("{}.phrase", name(at)));
        write_phrase(&phrase, &member.phrase.words())?;
    }
    files::sync_folder(draft.path())?;
    Home::place(draft.path(), folder)?;
    report(&args, context, &members, chain, folder)
}

fn examine(context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let validators = validator::current(&node)?;
    let standing: NodeStanding = node.read("/v1/node")?;
    let configured = context.config.consensus.as_ref();
    let network = Network {
        validators: &validators,
        standing: &standing,
        configured: configured.map(|consensus| consensus.peers.len()),
    };
    let findings = network.examine();
    for finding in &findings {
        doctor::show(finding, &context.output)?;
    }
    doctor::conclude(&findings, "the network", &context.output)
}

/// A validator in the making.
struct Member {
    phrase: Phrase,
    identity: Identity,
    peer: String,
    address: String,
}

impl Member {
    fn new(address: String) -> Self {
        let phrase = Phrase::generate(&mut OsRng);
        // The keys do not depend on the ledger, but its genesis names them.
        let mut identity = Identity::generate(Role::Node, ChainId([0; 32]), &phrase);
        let seed = PeerSeed::generate();
        let peer = seed.id();
        identity.peer = Some(seed);
        Self {
            phrase,
            identity,
            peer,
            address,
        }
    }
}

fn addresses(args: &NetworkArgs) -> Result<Vec<String>> {
    let count = usize::from(args.validators);
    if args.at.is_empty() {
        let local = |at: u16| format!("/ip4/127.0.0.1/tcp/{}", PORT + at);
        return Ok((0..u16::from(args.validators)).map(local).collect());
    }
    if args.at.len() != count {
        return Err(usage(format!(
            "--at names {} addresses for {count} validators",
            args.at.len()
        )));
    }
    match args
        .at
        .iter()
        .find(|address| !address.starts_with('/') || address.contains("/p2p/"))
    {
        None => Ok(args.at.clone()),
        Some(odd) => Err(usage(format!(
            "{odd:?} is no place to listen at, as /ip4/192.0.2.1/tcp/7600 is"
        ))),
    }
}

fn genesis(args: &NetworkArgs, members: &[Member]) -> Genesis {
    let validators = members.iter().map(|member| Validator {
        key: member.identity.party.operation.public(),
        hpke_key: member.identity.party.hpke.public(),
    });
    Genesis {
        version: base::Version,
        network: args.network.clone(),
        created: whole_second(system::now()),
        drift: DRIFT,
        validators: validators.collect(),
        institutions: args.institution.clone(),
        policy: Policy {
            recovery_delay: args.recovery_delay,
            ..Policy::default()
        },
    }
}

fn consensus(members: &[Member], at: usize) -> ConsensusConfig {
    let others = members.iter().enumerate().filter(|(other, _)| *other != at);
    ConsensusConfig {
        listen: members[at].address.clone(),
        peers: others
            .map(|(_, other)| format!("{}/p2p/{}", other.address, other.peer))
            .collect(),
    }
}

fn report(
    args: &NetworkArgs,
    context: &Context,
    members: &[Member],
    chain: ChainId,
    folder: &Path,
) -> Result<()> {
    let homes: Vec<_> = (members.iter().enumerate())
        .map(|(at, member)| {
            json!({
                "home": folder.join(name(at)).display().to_string(),
                "account": member.identity.account().to_string(),
                "peer": member.peer,
                "listen": member.address,
            })
        })
        .collect();
    let mut text = format!("ledger           {chain} ({})", args.network);
    for (at, member) in members.iter().enumerate() {
        text.push_str(&format!(
            "\n{}  {}  listens at {}",
            folder.join(name(at)).display(),
            member.identity.account(),
            member.address
        ));
    }
    let value = json!({
        "chain": chain.to_string(), "network": args.network, "validators": homes,
    });
    context.output.data(&value, text)?;
    context
        .output
        .talk("The backup phrases are beside the homes: give each to its hospital, keep none.");
    if members.len() < 4 {
        context
            .output
            .talk("Fewer than four validators tolerate no fault.");
    }
    Ok(())
}

fn name(at: usize) -> String {
    format!("validator-{}", at + 1)
}

const GENESIS: &str = "genesis.cbor";
/// First port of validators on this machine.
const PORT: u16 = 7_600;
