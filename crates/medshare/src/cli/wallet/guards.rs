//! `medshare wallet guard`, `guardians`, `unguard`, `object`: the owner's side.

use base::{Millis, OperationId, genesis::Policy, operation::Role};
use clap::Args;
use ledger::{Guardianship, Recovery, RecoveryStatus};
use serde_json::{Value, json};
use share::{
    Node as _,
    bag::Phrase,
    recovery::guard::{self, Guards},
};
use std::path::PathBuf;
use zeroize::Zeroizing;

use super::super::{
    account::read_text,
    contact,
    context::{Context, Entered},
    operation::report,
    party::parse_span,
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    system::OsRng,
};

/// What `guard` takes.
#[derive(Args, Debug)]
pub struct GuardArgs {
    /// Who shall guard: any registered account but this one (repeatable, at most 16)
    #[arg(long = "guardian", value_name = "ACCOUNT", required = true)]
    guardians: Vec<String>,
    /// How many of them must help, at least 2
    #[arg(long, value_name = "K")]
    threshold: usize,
    /// How long you can object to a recovery; the ledger has a minimum
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = parse_span)]
    delay: u64,
    /// File with the 24 words of this wallet, or - for standard input
    #[arg(long, value_name = "FILE")]
    phrase_file: PathBuf,
}

pub(super) fn guard(args: &GuardArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    if entered.session.identity.ward.is_some() {
        return Err(Fault::new(
            Exit::Role,
            "only a patient's own home names her guardians",
        ));
    }
    let phrase = Phrase::parse(&Zeroizing::new(read_text(&args.phrase_file, 4096)?))?;
    let mut guardians = Vec::new();
    for typed in &args.guardians {
        guardians.push(contact::resolve(&entered.session.vault, typed)?);
    }
    let policy: Policy = entered.node.read("/v1/policy")?;
    let shortest = policy.shortest_recovery();
    if args.delay < shortest {
        return Err(Fault::new(
            Exit::Refused,
            format!(
                "this ledger takes delays of {} s or more; yours is {} s",
                shortest.div_ceil(Millis::SECOND),
                args.delay / Millis::SECOND
            ),
        ));
    }
    let guards = Guards {
        guardians,
        threshold: args.threshold,
        delay: args.delay,
    };
    let sent = guard::guard(&entered.wallet()?, &phrase, &guards, &mut OsRng)?;
    context.output.talk(
        "Each guardian has a share as soon as its wallet runs. Tell them your account; you will need it, and theirs, when this device is gone.",
    );
    report(
        &context.output,
        "guarded",
        &sent,
        &[
            (
                "account",
                json!(entered.session.identity.account().to_string()),
            ),
            ("guardians", json!(guards.guardians.len())),
            ("threshold", json!(guards.threshold)),
            ("delay_milliseconds", json!(guards.delay)),
        ],
    )
}

pub(super) fn list(context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let owner = entered.session.identity.acts_for();
    let stands = entered.node.guardianship(owner)?;
    let Some((stands, _)) = stands.and_then(|stands| Some((stands, stands.guard?))) else {
        context.output.talk("nobody guards this account");
        return Ok(());
    };
    let named = guard::named(&entered.desk(), stands.set)?;
    let days = stands.delay as f64 / Millis::DAY as f64;
    let mut text = format!("delay            {days:.2} days");
    if let Some(named) = &named {
        text.push_str(&format!(
            "\nthreshold        {} of {}",
            named.threshold,
            named.guardians.len()
        ));
        for guardian in &named.guardians {
            text.push_str(&format!("\nguardian         {guardian}"));
        }
    } else {
        text.push_str("\nguardians        named by another home; this one does not know them");
    }
    if let Some(pending) = stands.pending {
        text.push_str(&format!("\nWARNING          recovery {pending} waits"));
    }
    let mut value = show::json(&stands);
    value["named"] = named.as_ref().map_or(Value::Null, show::json);
    context.output.data(&value, text)
}

pub(super) fn unguard(context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let stands = guardianship(&entered)?;
    let in_force = stands.guard.ok_or_else(nobody)?;
    let sent = guard::unguard(&entered.desk(), in_force)?;
    report(&context.output, "nobody guards this account", &sent, &[])
}

fn guardianship(entered: &Entered) -> Result<Guardianship> {
    let owner = entered.session.identity.acts_for();
    entered.node.guardianship(owner)?.ok_or_else(nobody)
}

fn nobody() -> Fault {
    Fault::new(Exit::NotFound, "nobody guards this account")
}

pub(super) fn object(typed: Option<OperationId>, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let pending = match typed {
        Some(recovery) => recovery,
        None => guardianship(&entered)?
            .pending
            .ok_or_else(|| Fault::new(Exit::NotFound, "no recovery of this account waits"))?,
    };
    let sent = guard::object(&entered.desk(), pending)?;
    context.output.talk(
        "Ask your guardians why they approved it, and name others if you must: `medshare wallet guard`.",
    );
    report(
        &context.output,
        "the recovery is ended",
        &sent,
        &[("recovery", json!(pending.to_string()))],
    )
}

/// A line of the patient's log.
pub(super) fn notice(recovery: &Recovery) -> (Value, String) {
    let end = match recovery.status {
        RecoveryStatus::Pending => format!("PENDING until {}", recovery.due),
        RecoveryStatus::Objected(time) => format!("objected {time}"),
        RecoveryStatus::Replaced(time) => format!("replaced {time}"),
        RecoveryStatus::Complete(time) => format!("complete {time}"),
    };
    let guardians: Vec<String> = recovery.guardians.iter().map(show::short).collect();
    let mut value = show::json(recovery);
    value["kind"] = json!("recovery");
    (
        value,
        format!(
            "{}  RECOVERY   a new key by guardians {} ({end})",
            recovery.time,
            guardians.join(", ")
        ),
    )
}
