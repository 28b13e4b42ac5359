//! The command line: what was typed (this file and the `Args` of each noun), what is
//! meant ([`context::Context`]), and running it; one file per noun.

pub mod context;
pub mod output;
pub mod own;

pub mod account;
pub mod agent;
pub mod anchor;
pub mod anchored;
pub mod care;
pub mod config;
pub mod conflict;
pub mod contact;
pub mod credit;
pub mod cut;
pub mod doctor;
pub mod grant;
pub mod guardian;
pub mod init;
pub mod kept;
pub mod ledger;
pub mod manual;
pub mod network;
pub mod node;
pub mod open;
pub mod operation;
pub mod page;
pub mod party;
pub mod proof;
pub mod record;
pub mod request;
pub mod serve;
pub mod show;
pub mod store;
pub mod validator;
pub mod wallet;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

use crate::exit::{Exit, Fault, Result};
use context::Context;
use output::Output;

/// Patients own their medical records and share them.
#[derive(Parser, Debug)]
#[command(
    name = "medshare",
    version,
    propagate_version = true,
    after_long_help = after_help(),
    after_help = "Exit codes and more: medshare --help"
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// The noun.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Home folder of one party in one role
    #[arg(long, global = true, env = "MEDSHARE_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Configuration file [default: config.toml in the home]
    #[arg(long, global = true, env = "MEDSHARE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The node: unix:/path/to/socket or http://127.0.0.1:port
    #[arg(long, global = true, env = "MEDSHARE_NODE", value_name = "ADDRESS")]
    pub node: Option<String>,
    /// One JSON object a line; errors as JSON on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// No talk and no progress bars on stderr
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// First line of FILE is the passphrase [env: MEDSHARE_PASSPHRASE_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// First line read from descriptor N is the passphrase
    #[arg(
        long,
        global = true,
        value_name = "N",
        conflicts_with = "passphrase_file"
    )]
    pub passphrase_fd: Option<u32>,
    /// Seconds to wait for another command on the same home
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5)]
    pub lock_wait: u32,
}

/// Every noun.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Tell the whole story: every party a process with its own home
    Demo(crate::demo::DemoArgs),
    /// Make a home: one role, one folder, keys under a passphrase
    Init(init::InitArgs),
    /// Make a network of validators, and look at one
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// Run a node: ledger, store and interface
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Who orders the ledger
    #[command(subcommand)]
    Validator(validator::ValidatorCommand),
    /// What a node's store holds
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// The patient's wallet
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// Serve the page of this home's role to a browser on this machine
    Page(page::PageArgs),
    /// Serve this home's verbs to programs on this machine, as HTTP with JSON
    Serve(serve::ServeArgs),
    /// This party's account, and attesting a patient's
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Institutions of the consortium
    #[command(subcommand)]
    Institution(account::InstitutionCommand),
    /// Let another account act for a patient
    #[command(subcommand)]
    Delegate(care::DelegateCommand),
    /// Guard others' accounts: keep a share, approve, deny
    #[command(subcommand)]
    Guardian(guardian::GuardianCommand),
    /// Medical records
    #[command(subcommand)]
    Record(record::RecordCommand),
    /// Requests to patients
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// The patient's word on requests
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// Re-encrypt under live grants
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Say what a query brought
    Review(care::ReviewArgs),
    /// Break the glass for a patient in need
    Emergency(care::EmergencyArgs),
    /// Complaints and their decision
    #[command(subcommand)]
    Dispute(care::DisputeCommand),
    /// The patient's scopes
    #[command(subcommand)]
    Scope(care::ScopeCommand),
    /// Credit and ranking
    #[command(subcommand)]
    Credit(credit::CreditCommand),
    /// Read and check the ledger; needs no home
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Anchor the ledger in public chains
    #[command(subcommand)]
    Anchor(anchor::AnchorCommand),
    /// The configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at a home that nobody uses, and explain it
    Doctor(doctor::DoctorArgs),
    /// Names for accounts, in this home alone
    #[command(subcommand)]
    Contact(contact::ContactCommand),
    /// Print what lets a shell complete commands
    Completions(manual::CompletionsArgs),
    /// Write the manual's pages
    Man(manual::ManArgs),
}

/// Parses the command line, runs it, prints a fault, and gives the exit code.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return parse_error(&error),
    };
    let mut output = Output::new(cli.global.json, cli.global.quiet);
    match run(cli, &mut output) {
        Ok(()) => 0,
        Err(fault) => {
            output.fault(&fault);
            fault.exit as u8
        }
    }
}

fn run(cli: Cli, output: &mut Output) -> Result<()> {
    if let Command::Config(command) = &cli.command {
        return config::run(command, &cli.global, output);
    }
    if let Command::Doctor(args) = &cli.command {
        return doctor::run(args, &cli.global, output);
    }
    if let Command::Completions(args) = &cli.command {
        return manual::completions(args);
    }
    if let Command::Man(args) = &cli.command {
        return manual::man(args, output);
    }
    let context = Context::new(&cli.global)?;
    *output = context.output.clone();
    perform(cli.command, &context)
}

/// Runs a command on a home.
///
/// # Errors
/// By the exit-code table.
pub(crate) fn perform(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Demo(args) => crate::demo::run(&args, context),
        Command::Init(args) => init::run(args, context),
        Command::Network(command) => network::run(command, context),
        Command::Node(command) => node::run(command, context),
        Command::Validator(command) => validator::run(command, context),
        Command::Store(command) => store::run(command, context),
        Command::Wallet(command) => wallet::run(command, context),
        Command::Page(args) => page::run(&args, context),
        Command::Serve(args) => serve::run(&args, context),
        Command::Account(command) => account::run(command, context),
        Command::Institution(command) => account::run_institution(command, context),
        Command::Delegate(command) => care::run_delegate(command, context),
        Command::Guardian(command) => guardian::run(command, context),
        Command::Record(command) => record::run(command, context),
        Command::Request(command) => request::run(command, context),
        Command::Grant(command) => grant::run(command, context),
        Command::Agent(command) => agent::run(command, context),
        Command::Review(args) => care::run_review(&args, context),
        Command::Emergency(args) => care::run_emergency(&args, context),
        Command::Dispute(command) => care::run_dispute(command, context),
        Command::Scope(command) => care::run_scope(command, context),
        Command::Credit(command) => credit::run(command, context),
        Command::Ledger(command) => ledger::run(command, context),
        Command::Anchor(command) => anchor::run(command, context),
        Command::Contact(command) => contact::run(command, context),
        Command::Config(_) | Command::Doctor(_) | Command::Completions(_) | Command::Man(_) => {
            Ok(())
        }
    }
}

/// Help and version go to stdout with success; a wrong line is one line on stderr.
fn parse_error(error: &clap::Error) -> u8 {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage as u8
        }
        _ => {
            let line = in_a_line(error);
            let json = std::env::args_os().any(|argument| argument == "--json");
            let output = Output::new(json, false);
            output.fault(&Fault::new(Exit::Usage, format!("{line} (see --help)")));
            Exit::Usage as u8
        }
    }
}

/// What is wrong with a command line, in a line.
pub(crate) fn in_a_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    line.trim_start_matches("error: ").to_owned()
}

fn after_help() -> String {
    format!("Exit codes:\n{}\n{EXAMPLES}", Exit::table_text())
}

const EXAMPLES: &str = "\
Examples:
  medshare init --role node --home ~/node && medshare node run --home ~/node
  medshare init --role patient --home ~/wallet --node unix:$HOME/node/node/medshare.sock
  medshare ledger tail --node unix:$HOME/node/node/medshare.sock --json

Settings: a flag beats MEDSHARE_HOME, MEDSHARE_CONFIG, MEDSHARE_NODE and
MEDSHARE_PASSPHRASE_FILE in the environment, which beat config.toml in the home.
";
