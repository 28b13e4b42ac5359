//! `medshare ledger conflict`: what stopped this home, as a proof, and the person's decision.
//!
//! The proof file is `conflict.cbor` of a node that halted: two certified heads
//! ([`ledger::Conflict`]). `ledger verify` checks it for anybody.

use base::{genesis::Genesis, operation::Role};
use clap::Args;
use ledger::{Conflict, HeadError, Validators};
use serde_json::json;
use share::follow;
use std::path::PathBuf;

use super::context::Context;
use crate::{
    exit::{Exit, Fault, Result},
    files::{Existing, write_whole},
};

/// What `conflict` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  medshare ledger conflict --home ~/wallet
  medshare ledger conflict --output conflict.cbor --home ~/wallet
  medshare ledger conflict --resume --home ~/wallet

A ledger that does not extend what this home saw stops every release. Ask the consortium which
ledger is right; the file shows anybody what was signed. --resume takes the node's ledger as it
is from now on: grants that were seen revoked stay revoked.")]
pub struct ConflictArgs {
    /// Write both signed heads to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    force: bool,
    /// Believe the node's ledger from now on
    #[arg(long)]
    resume: bool,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::NotFound`] when nothing contradicts what this home saw; by the exit-code table.
pub fn run(args: &ConflictArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&ROLES)?;
    let stopped = follow::stopped(&entered.session.vault)?;
    let stopped = stopped.ok_or_else(|| {
        Fault::new(
            Exit::NotFound,
            "nothing contradicts what this home has seen of the ledger",
        )
    })?;
    if let Some(path) = &args.output {
        let proof = stopped.proof.as_ref().ok_or_else(|| {
            Fault::new(
                Exit::NotFound,
                "this home stopped before it kept such proofs",
            )
        })?;
        write_whole(path, &proof.to_bytes(), Existing::of(args.force))?;
    }
    let (seen, found) = (stopped.seen, stopped.found);
    let value = json!({
        "seen": { "height": seen.0, "leaves": seen.1 },
        "found": { "height": found.0, "leaves": found.1 },
        "fault": stopped.proof.as_ref().map(|proof| proof.fault.clone()),
        "file": args.output.as_ref().map(|path| path.display().to_string()),
        "resumed": args.resume,
    });
    if args.resume {
        follow::resume(&entered.desk())?;
    }
    let text = format!(
        "seen             height {} with {} leaves\nfound            height {} with {} leaves{}",
        seen.0,
        seen.1,
        found.0,
        found.1,
        match args.resume {
            true => "\nthe node's ledger is believed from now on",
            false => "\nnothing is released until you decide (--resume)",
        }
    );
    context.output.data(&value, text)
}

/// Checks such a file against the genesis object.
///
/// # Errors
/// [`Exit::Invalid`] when one of the heads was made up, or is of validators that came later.
pub(super) fn verify(conflict: &Conflict, genesis: &Genesis, context: &Context) -> Result<()> {
    let convicts = conflict
        .is_fork(&Validators::of(genesis))
        .map_err(|error| {
            let says = match error {
                HeadError::OtherValidators => "it cannot be checked: validators changed since the genesis object, and the file does not say how (its maker could not)".to_owned(),
                other => format!("the proof does not hold: {other}"),
            };
            Fault::new(Exit::Invalid, says)
        })?;
    let (ours, theirs) = (&conflict.ours.header, &conflict.theirs.head.header);
    let signers: Vec<String> = conflict.signers().iter().map(ToString::to_string).collect();
    let value = json!({
        "verified": true,
        "fork": convicts,
        "heights": [ours.height, theirs.height],
        "heads": [ours.cid().to_string(), theirs.cid().to_string()],
        "signed_both": signers,
    });
    let verdict = match convicts {
        true => "no ledger has both: who signed both heads made two ledgers",
        false => "both heads are certified; by themselves they do not contradict each other",
    };
    context.output.data(
        &value,
        format!(
            "{verdict}\nheights          {} and {}\nheads            {}\n                 {}\nsigned both      {}",
            ours.height,
            theirs.height,
            ours.cid(),
            theirs.cid(),
            signers.join("\n                 "),
        ),
    )
}

const ROLES: [Role; 5] = [
    Role::Patient,
    Role::Hospital,
    Role::Agent,
    Role::Requester,
    Role::Node,
];
