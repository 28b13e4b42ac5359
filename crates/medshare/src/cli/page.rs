//! `medshare page`: the page of this home's role, in a browser on this machine.

use base::operation::Role;
use clap::Args;
use std::{sync::Arc, time::Duration};

use super::{
    agent::watch,
    context::Context,
    kept::Kept,
    party::round,
    wallet::{Waiting, wallet_round},
};
use crate::{exit::Result, http::Address, page, stop::Stop};

/// What `page` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  medshare page --home ~/hospital --passphrase-file pass.txt
  medshare page --at 127.0.0.1:7480 --home ~/institute

It does what `wallet run` or `agent run` does as well: it takes letters in, and a patient's home
accepts what listed hospitals publish, an agent's home serves. The link that it prints is good
once. An auditor needs no home: `medshare ledger page`.")]
pub struct PageArgs {
    /// Where: 127.0.0.1:port, 0 for any
    #[arg(long, value_name = "ADDRESS", default_value = ANYWHERE, value_parser = parse_page)]
    at: Address,
}

/// Any port of this machine.
pub(super) const ANYWHERE: &str = "127.0.0.1:0";

/// Serves the page until SIGTERM or SIGINT.
///
/// # Errors
/// By the exit-code table.
pub fn run(args: &PageArgs, context: &Context) -> Result<()> {
    run_at(&args.at, context)
}

/// The same, as `wallet run --page` does it.
pub(super) fn run_at(at: &Address, context: &Context) -> Result<()> {
    let roles = [Role::Patient, Role::Hospital, Role::Agent, Role::Requester];
    let kept = Kept::new(context.unlock(&roles)?, context.patience)?;
    // Before the link is shown: whoever has it may end the page at once.
    let stop = Stop::on_signals()?;
    let serving = page::serve(
        Arc::clone(&kept),
        context.anonymous_node()?,
        at,
        &context.output,
    )?;
    let done = rounds_of(&kept, context, &stop);
    serving.end();
    done
}

/// What the role's loop does, until `stop`.
pub(super) fn rounds_of(kept: &Kept, context: &Context, stop: &Stop) -> Result<()> {
    let role = kept.home().facts.role;
    let pause = match role {
        Role::Agent => context.config.agent.poll_milliseconds,
        _ => context.config.wallet.poll_milliseconds,
    };
    let pause = Duration::from_millis(pause.into());
    match role {
        Role::Patient => {
            let mut waiting = Waiting::default();
            watch(kept, context, stop, pause, |entered| {
                wallet_round(entered, &mut waiting)
            })
        }
        _ => watch(kept, context, stop, pause, round),
    }
}

/// Where a page may be served: this machine, by TCP, for a browser.
pub(super) fn parse_page(text: &str) -> std::result::Result<Address, String> {
    match text.parse::<Address>() {
        Ok(address @ Address::Loopback(_)) => Ok(address),
        Ok(Address::Unix(_)) => {
            Err("a browser does not reach a Unix socket; write 127.0.0.1:port".into())
        }
        Err(error) => Err(error.to_string()),
    }
}
