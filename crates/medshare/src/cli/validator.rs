//! `medshare validator`: who orders the ledger. Institutions apply with their nodes,
//! validators vote; weights follow what institutions earned.

use base::{
    OperationId,
    operation::{Apply, Expel, Leave, Role, Vote},
};
use clap::Subcommand;
use ledger::{Account, Change, Proposal, ProposalStatus, Seat, ValidatorSet};
use serde_json::json;
use share::node::Node as _;

use super::{
    account::{self, KindArg, RotateArgs},
    contact,
    context::{Context, Entered},
    operation::{parse_id, report, send},
};
use crate::{doctor::faults_tolerated, exit::Result, http::HttpNode, wire};

/// Verbs of validators.
#[derive(Subcommand, Debug)]
pub enum ValidatorCommand {
    /// Print who orders the ledger, with weights
    #[command(after_help = "Example:\n  medshare validator list --node unix:/run/medshare.sock")]
    List,
    /// Ask that this node become a validator; its account has joined an institution
    #[command(after_help = "\
Example:
  medshare account register --home node && medshare account join HOSPITAL --consent-file c.txt --home node
  medshare validator apply --home node         # prints the proposal: each validator votes for it

What the node needs in config.toml first: [consensus] with where it listens and the others; and
the others need its address. docs/network.md")]
    Apply,
    /// Vote for an application or another proposal; takes effect with more than two thirds
    Vote {
        /// The proposing operation (`institution proposals` lists them)
        #[arg(value_parser = parse_id)]
        proposal: OperationId,
    },
    /// Propose that another validator be none
    Expel {
        /// Its account
        validator: String,
    },
    /// Be no validator from the next block on
    Leave,
    /// Replace the key that this validator signs with; start the node again afterwards
    Rotate {
        /// The old key is not trusted for anything logged after this height
        #[arg(long, value_name = "HEIGHT")]
        compromised_after: Option<u64>,
    },
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: ValidatorCommand, context: &Context) -> Result<()> {
    match command {
        ValidatorCommand::List => list(context),
        ValidatorCommand::Apply => {
            let entered = context.enter(&[Role::Node])?;
            let sent = send(&entered, Apply {})?;
            // It is no validator, so it votes for no height that it may have voted for before.
            wire::prepare_validator(&entered.home.node_folder())?;
            let done = "applied; more than two thirds of the validators' weight must vote for it";
            report(&context.output, done, &sent, &[])
        }
        ValidatorCommand::Vote { proposal } => vote(proposal, context),
        ValidatorCommand::Expel { validator } => {
            let entered = context.enter(&[Role::Node])?;
            let validator = contact::resolve(&entered.session.vault, &validator)?;
            let sent = send(&entered, Expel { validator })?;
            let done = standing_of(&entered, sent.id)?;
            report(&context.output, &done, &sent, &[])
        }
        ValidatorCommand::Leave => {
            let entered = context.enter(&[Role::Node])?;
            let sent = send(&entered, Leave {})?;
            let done = "it is no validator from the next block on; its node follows";
            report(&context.output, done, &sent, &[])
        }
        ValidatorCommand::Rotate { compromised_after } => {
            context.open_home()?.require(&[Role::Node])?;
            let args = RotateArgs {
                kind: KindArg::Operation,
                compromised_after,
            };
            account::rotate(&args, context)?;
            context
                .output
                .talk("Start the node again: until then it does not sign.");
            Ok(())
        }
    }
}

fn vote(proposal: OperationId, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Node])?;
    let found: Option<Proposal> = entered.node.find(&format!("/v1/proposals/{proposal}"))?;
    let is_seat = found.is_some_and(|found| matches!(found.change, Change::Seat { .. }));
    if is_seat && current(&entered.node)?.len() == 1 && context.config.consensus.is_none() {
        // It ordered alone: in rounds it has never voted.
        wire::prepare_validator(&entered.home.node_folder())?;
    }
    let sent = send(&entered, Vote { proposal })?;
    let done = standing_of(&entered, proposal)?;
    report(&context.output, &done, &sent, &[])
}

/// What became of a proposal, in words.
fn standing_of(entered: &Entered, proposal: OperationId) -> Result<String> {
    let found: Option<Proposal> = entered.node.find(&format!("/v1/proposals/{proposal}"))?;
    Ok(match found {
        Some(found) => match found.status {
            ProposalStatus::Enacted(_) => "voted; it is enacted".to_owned(),
            ProposalStatus::Void(_) => "voted; there was nothing left to change".to_owned(),
            ProposalStatus::Open => format!(
                "voted; {} vote(s), more than two thirds of the weight are needed",
                found.votes.len()
            ),
        },
        None => "voted".to_owned(),
    })
}

/// Who decides the next block, as the node says.
///
/// # Errors
/// What reaching the node gives.
pub(super) fn current(node: &HttpNode) -> Result<ValidatorSet> {
    Ok(node.read("/v1/validators")?)
}

fn list(context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let set = current(&node)?;
    let mut rows = Vec::new();
    for seat in set.seats() {
        rows.push((*seat, node.account(seat.account)?));
    }
    context
        .output
        .rows("no validators", rows, |(seat, account)| {
            row(seat, account.as_ref(), set.total())
        })?;
    context.output.talk(match faults_tolerated(&set) {
        0 => "no fault is tolerated".to_owned(),
        some => format!("any {some} may fail"),
    });
    Ok(())
}

fn row(seat: &Seat, account: Option<&Account>, total: u64) -> (serde_json::Value, String) {
    let institution = account.and_then(|account| account.institution);
    let share = f64::from(seat.weight) * 100.0 / total as f64;
    let value = json!({
        "account": seat.account.to_string(),
        "weight": seat.weight,
        "share": share,
        "institution": institution.map(|id| id.to_string()),
    });
    let whose = institution.map_or("of no institution".to_owned(), |id| format!("of {id}"));
    let text = format!(
        "{}  weight {} ({share:.1} %)  {whose}",
        seat.account, seat.weight
    );
    (value, text)
}
