//! `medshare account` and `medshare institution`.

use base::{
    AccountId, Nonce, OperationId, UnknownVersion,
    key::{OperationSecret, Signature},
    operation::{Admit, Role, Vote},
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use share::{
    account::{self, Replacement},
    bag,
    card::Card,
    follow,
    identity::{HpkeSecret, RecordSecret},
    node::Node as _,
};
use std::path::{Path, PathBuf};

use super::{
    contact,
    context::{Context, Entered},
    operation::{parse_id, report, send},
    output::usage,
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    home::{
        identity::{Identity, Kind},
        role_name,
    },
    peers::key::{self, PeerSeed},
    system::{self, OsRng},
};

/// Verbs of accounts.
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    /// Open this home's account on the ledger
    #[command(after_help = "Example:\n  medshare account register --home ~/hospital")]
    Register,
    /// Print an account [default: this home's]
    Show {
        /// The account's id, or its name in this home's contacts
        account: Option<String>,
    },
    /// Replace a key of this account
    #[command(after_help = "\
Example:
  medshare account rotate-key --kind operation --compromised-after 4711")]
    RotateKey(RotateArgs),
    /// Let an account join this institution: prints the consent
    #[command(after_help = "\
Example:
  medshare account consent 4f1c… --home ~/hospital > consent.txt")]
    Consent {
        /// The account that may join
        account: String,
    },
    /// Tie this account to an institution, with its consent
    #[command(after_help = "\
Example:
  medshare account join 9b2e… --consent-file consent.txt --home ~/agent")]
    Join(JoinArgs),
    /// A hospital met a patient: read her card, keep it, attest her
    #[command(after_help = "\
Examples:
  medshare account attest --card card.txt --home ~/hospital
  medshare wallet card --home ~/wallet | medshare account attest --card - --home ~/hospital")]
    Attest {
        /// File with the card's text, or - for standard input
        #[arg(long, value_name = "FILE")]
        card: PathBuf,
        /// Keep the card, log nothing (the patient is attested already)
        #[arg(long)]
        keep_only: bool,
    },
}

/// What `rotate-key` takes.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// Which key
    #[arg(long, value_enum)]
    pub(super) kind: KindArg,
    /// The old key is not trusted for anything logged after this height
    #[arg(long, value_name = "HEIGHT")]
    pub(super) compromised_after: Option<u64>,
}

/// A kind of key, as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KindArg {
    /// Signs the account's operations, and a validator's votes
    Operation,
    /// Letters are sealed to it
    Hpke,
    /// Signs a hospital's records
    Record,
    /// A node's peer id
    Peer,
}

/// What `join` takes.
#[derive(Args, Debug)]
pub struct JoinArgs {
    /// The institution's account
    institution: String,
    /// The consent that `account consent` printed
    #[arg(long, value_name = "HEX", required_unless_present = "consent_file")]
    consent: Option<String>,
    /// File with the consent, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "consent")]
    consent_file: Option<PathBuf>,
}

/// Runs a verb of `account`.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: AccountCommand, context: &Context) -> Result<()> {
    match command {
        AccountCommand::Register => register(context),
        AccountCommand::Show { account } => show_account(context, account.as_deref()),
        AccountCommand::RotateKey(args) => rotate(&args, context),
        AccountCommand::Consent { account } => consent(&account, context),
        AccountCommand::Join(args) => join(&args, context),
        AccountCommand::Attest { card, keep_only } => attest(&card, keep_only, context),
    }
}

const PARTIES: [Role; 5] = [
    Role::Patient,
    Role::Hospital,
    Role::Agent,
    Role::Requester,
    Role::Node,
];

fn register(context: &Context) -> Result<()> {
    let entered = context.enter(&PARTIES)?;
    let identity = &entered.session.identity;
    let role = entered.home.facts.role;
    let account = identity.account().to_string();
    if let Some(known) = entered.node.account(identity.account())? {
        if let Some(peer) = &identity.peer {
            return keep_peer_id(&entered, &known, peer, context);
        }
        if let Some(secrets) = &identity.patient {
            account::keep_public_key(&entered.desk(), secrets)?;
        }
        return context.output.data(
            &json!({"account": account, "outcome": "already-registered"}),
            format!("{account} is registered already"),
        );
    }
    let peer = identity.peer.as_ref().map(PeerSeed::id_bytes);
    let sent = account::register(&entered.desk(), role, identity.patient.as_ref(), peer)?;
    report(
        &context.output,
        "registered",
        &sent,
        &[
            ("account", json!(account)),
            ("role", json!(role_name(role))),
        ],
    )
}

/// Puts the peer id of this home on the ledger, which has the account but perhaps another
/// id or none: that of a founding validator, for example.
fn keep_peer_id(
    entered: &Entered,
    known: &ledger::Account,
    peer: &PeerSeed,
    context: &Context,
) -> Result<()> {
    let (account, id) = (known.id.to_string(), peer.id_bytes());
    if known.peer.as_ref().is_some_and(|known| **known == id) {
        return context.output.data(
            &json!({"account": account, "outcome": "already-registered"}),
            format!("{account} is registered already"),
        );
    }
    let sent = account::rotate_key(&entered.desk(), &Replacement::Peer(&id), None)?;
    report(
        &context.output,
        "the peer id is on the ledger",
        &sent,
        &[("account", json!(account)), ("peer", json!(peer.id()))],
    )
}

fn show_account(context: &Context, typed: Option<&str>) -> Result<()> {
    let id = match typed {
        Some(typed) => match typed.parse() {
            Ok(id) => id,
            Err(_) => {
                let home = context.open_home()?;
                let keys = context.keys(&home)?;
                let session = home.enter(&keys, context.patience)?;
                contact::resolve(&session.vault, typed)?
            }
        },
        None => context.open_home()?.facts.account,
    };
    let node = context.anonymous_node()?;
    let account = node.account(id)?.ok_or_else(|| unknown(id))?;
    let value = show::json(&account);
    let peer = account.peer.as_ref();
    let peer = peer.map_or(String::new(), |id| {
        format!("\npeer id          {}", key::shown(id))
    });
    let text = format!(
        "account          {id}\nrole             {}\ninstitution      {}\nattested by      {}\nopened at        height {}{peer}",
        role_name(account.role),
        account.institution.map_or("-".into(), |id| id.to_string()),
        match account.attested_by.len() {
            0 => "nobody".to_owned(),
            count => format!("{count} institution(s)"),
        },
        account.opened,
    );
    context.output.data(&value, text)
}

/// The line for an account that the ledger does not have.
pub(super) fn unknown(id: AccountId) -> Fault {
    Fault::new(
        Exit::NotFound,
        format!("the ledger has no account {id}; check the id, or let it register first"),
    )
}

/// Replaces a key of the home's account.
pub(super) fn rotate(args: &RotateArgs, context: &Context) -> Result<()> {
    let mut entered = context.enter(&PARTIES)?;
    let vault = &entered.session.vault;
    let kind = match args.kind {
        KindArg::Operation => Kind::Operation,
        KindArg::Hpke => Kind::Hpke,
        KindArg::Record => Kind::Record,
        KindArg::Peer => Kind::Peer,
    };
    match kind {
        Kind::Record => entered.home.require(&[Role::Hospital])?,
        Kind::Peer => entered.home.require(&[Role::Node])?,
        Kind::Operation | Kind::Hpke => {}
    }
    let account = entered.session.identity.account();
    let known = entered
        .node
        .account(account)?
        .ok_or_else(|| unknown(account))?;
    let staged = match Identity::staged(vault, kind)? {
        Some(secret) => secret,
        None => {
            let secret = system::random32();
            Identity::stage(vault, kind, &secret)?;
            secret
        }
    };
    let operation = OperationSecret::new(staged);
    let hpke = HpkeSecret::new(staged);
    let record = RecordSecret::new(staged);
    let peer = PeerSeed::new(staged).id_bytes();
    let (new, in_force) = match kind {
        Kind::Operation => (
            Replacement::Operation(&operation),
            known.operation_key() == Some(operation.public()),
        ),
        Kind::Hpke => (Replacement::Hpke(&hpke), known.hpke_key == hpke.public()),
        Kind::Record => (
            Replacement::Record(&record),
            known
                .record_keys
                .last()
                .is_some_and(|last| last.key == record.public()),
        ),
        Kind::Peer => (
            Replacement::Peer(&peer),
            known.peer.as_ref().is_some_and(|known| **known == peer),
        ),
    };
    // Her phrase opens a bag; a delegate's home holds its ward's secrets instead of a bag
    // of its own.
    let identity = &entered.session.identity;
    let bagged = identity.patient.is_some() && identity.ward.is_none();
    if in_force {
        // The earlier attempt reached the ledger; only this home did not hear of it. What is
        // replaced is gone, so the log must say so, and not the node alone.
        if !follow::has_given(&entered.desk(), account, &new)? {
            return Err(Fault::new(
                Exit::Invalid,
                "the node says that the new key is in force, and its log does not",
            ));
        }
        Identity::promote(vault, kind)?;
        after_rotation(&mut entered, kind, bagged, &hpke, context)?;
        return context.output.data(
            &json!({"outcome": "ok", "resumed": true}),
            "the rotation that was begun is in force",
        );
    }
    if kind == Kind::Operation && bagged {
        bag::keep_operation_key(&entered.wallet()?, &operation, &mut OsRng)?;
    }
    let sent = account::rotate_key(&entered.desk(), &new, args.compromised_after)?;
    Identity::promote(vault, kind)?;
    after_rotation(&mut entered, kind, bagged, &hpke, context)?;
    report(&context.output, "the new key is in force", &sent, &[])
}

/// What the backup phrase is worth now: a patient's bag gets her new HPKE key; who has no
/// bag is told that the phrase alone brings the account back no more.
fn after_rotation(
    entered: &mut Entered,
    kind: Kind,
    bagged: bool,
    hpke: &HpkeSecret,
    context: &Context,
) -> Result<()> {
    if kind == Kind::Hpke && bagged {
        entered.session.identity.party.hpke = hpke.clone();
        bag::backup(&entered.wallet()?, &mut OsRng)?;
    }
    if kind == Kind::Operation && !bagged {
        context.output.talk(
            "The backup phrase no longer recovers this account: back up the home folder now.",
        );
    }
    Ok(())
}

fn consent(account: &str, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Hospital, Role::Requester])?;
    let account = contact::resolve(&entered.session.vault, account)?;
    entered
        .node
        .account(account)?
        .ok_or_else(|| unknown(account))?;
    let signature = account::consent_to_join(&entered.desk(), account);
    let text = format!("{CONSENT}{CONSENT_VERSION}:{}", hex::encode(signature.0));
    context.output.data(&json!({"consent": text}), &text)
}

/// Reads what [`consent`] prints.
fn read_consent(text: &str) -> Result<Signature> {
    let foreign = || {
        Fault::new(
            Exit::Invalid,
            format!("this is no consent; `account consent` prints one, from {CONSENT:?} on"),
        )
    };
    let rest = text.trim().strip_prefix(CONSENT).ok_or_else(foreign)?;
    let (version, digits) = rest.split_once(':').ok_or_else(foreign)?;
    let found: u64 = version.parse().map_err(|_| foreign())?;
    if found != u64::from(CONSENT_VERSION) {
        let known = CONSENT_VERSION;
        let version = UnknownVersion { found, known };
        return Err(Fault::newer(Exit::Invalid, "the consent", version));
    }
    let mut signature = [0; 64];
    hex::decode_to_slice(digits, &mut signature).map_err(|_| foreign())?;
    Ok(Signature(signature))
}

fn join(args: &JoinArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&PARTIES)?;
    let institution = contact::resolve(&entered.session.vault, &args.institution)?;
    let text = match (&args.consent, &args.consent_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => read_text(path, 4096)?,
        (None, None) => return Err(usage("give --consent or --consent-file")),
    };
    let receipt = account::join(&entered.desk(), institution, read_consent(&text)?)?;
    report(
        &context.output,
        "joined",
        &receipt,
        &[("institution", json!(institution.to_string()))],
    )
}

fn attest(path: &Path, keep_only: bool, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Hospital])?;
    let card = Card::read(&read_text(path, 16 << 10)?)?;
    let patient = card.account();
    let account = entered
        .node
        .account(patient)?
        .ok_or_else(|| unknown(patient))?;
    let (Some(key), Some(keys)) = (account.operation_key(), account.patient) else {
        return Err(Fault::new(
            Exit::Invalid,
            "the card's account is not a patient's",
        ));
    };
    let party = &entered.session.identity.party;
    let vault = &entered.session.vault;
    card.keep(party.chain, &key, keys.pkh, system::now(), vault)?;
    if keep_only || account.attested_by.contains(&party.account) {
        return context.output.data(
            &json!({"patient": patient.to_string(), "attested": false, "kept": true}),
            format!("the card of {patient} is kept; nothing was logged"),
        );
    }
    let receipt = account::attest(&entered.desk(), patient)?;
    report(
        &context.output,
        "attested; the card is kept",
        &receipt,
        &[("patient", json!(patient.to_string()))],
    )
}

/// A small text file, or standard input for `-`.
pub(super) fn read_text(path: &Path, limit: usize) -> Result<String> {
    use std::io::Read as _;
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(limit as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| Fault::io("standard input", &error))?;
        bytes
    } else {
        files::read_small(path, limit)?
    };
    String::from_utf8(bytes)
        .map_err(|_| Fault::new(Exit::Invalid, format!("{} is not text", path.display())))
}

/// Verbs of institutions.
#[derive(Subcommand, Debug)]
pub enum InstitutionCommand {
    /// Propose to admit an account as an institution; a single validator admits at once
    #[command(after_help = "\
Example:
  medshare institution admit 9b2e… --group 7 --home ~/node")]
    Admit {
        /// A hospital's or requester's account
        account: String,
        /// Institutions of one declared group count as one where separation is required
        #[arg(long, value_name = "NUMBER")]
        group: Option<u32>,
    },
    /// Vote for a proposal
    Vote {
        /// The proposing operation
        #[arg(value_parser = parse_id)]
        proposal: OperationId,
    },
    /// Print every institution
    List,
    /// Print every proposal
    Proposals,
}

/// Runs a verb of `institution`.
///
/// # Errors
/// By the exit-code table.
pub fn run_institution(command: InstitutionCommand, context: &Context) -> Result<()> {
    match command {
        InstitutionCommand::Admit { account, group } => {
            let entered = context.enter(&[Role::Node])?;
            let institution = contact::resolve(&entered.session.vault, &account)?;
            let receipt = send(
                &entered,
                Admit {
                    institution,
                    group,
                    nonce: Nonce(system::random32()),
                },
            )?;
            let proposal: Option<ledger::Proposal> = entered
                .node
                .find(&format!("/v1/proposals/{}", receipt.id))?;
            let admitted =
                proposal.is_some_and(|p| matches!(p.status, ledger::ProposalStatus::Enacted(_)));
            let done = if admitted {
                "admitted"
            } else {
                "proposed; more than two thirds must vote"
            };
            report(
                &context.output,
                done,
                &receipt,
                &[
                    ("institution", json!(institution.to_string())),
                    ("admitted", json!(admitted)),
                ],
            )
        }
        InstitutionCommand::Vote { proposal } => {
            let entered = context.enter(&[Role::Node])?;
            let receipt = send(&entered, Vote { proposal })?;
            report(&context.output, "voted", &receipt, &[])
        }
        InstitutionCommand::List => {
            let all: Vec<ledger::Institution> =
                context.anonymous_node()?.read("/v1/institutions")?;
            context
                .output
                .rows("no institutions yet", all, |institution| {
                    let group = institution
                        .group
                        .map_or(String::new(), |group| format!("  group {group}"));
                    (
                        show::json(institution),
                        format!(
                            "{}  admitted {}{group}",
                            institution.account, institution.admitted
                        ),
                    )
                })
        }
        InstitutionCommand::Proposals => {
            let all: Vec<ledger::Proposal> = context.anonymous_node()?.list("/v1/proposals")?;
            context.output.rows("no proposals yet", all, |proposal| {
                let status = match proposal.status {
                    ledger::ProposalStatus::Open => "open".to_owned(),
                    ledger::ProposalStatus::Enacted(time) => format!("enacted {time}"),
                    ledger::ProposalStatus::Void(time) => format!("void {time}"),
                };
                (
                    show::json(proposal),
                    format!(
                        "{}  {status}  {} vote(s)",
                        proposal.id,
                        proposal.votes.len()
                    ),
                )
            })
        }
    }
}

/// What a consent begins with, before its version.
const CONSENT: &str = "medshare-consent";
/// Version of the text that `account consent` prints.
pub const CONSENT_VERSION: u32 = 1;
