//! `medshare serve`: this home's verbs for programs on this machine, beside what the role's loop
//! does.

use base::operation::Role;
use clap::Args;
use std::time::Duration;

use super::{
    context::Context,
    kept::Kept,
    page::{ANYWHERE, rounds_of},
};
use crate::{exit::Result, http::Address, stop::Stop, verbs};

/// What `serve` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  medshare serve --home ~/hospital --passphrase-file pass.txt --json
  medshare serve --at unix:/run/user/1000/wallet.sock --home ~/wallet

It prints its address and a token, which is good until it ends:
  curl -H \"Authorization: Bearer $TOKEN\" -X POST \"$ADDRESS/v1/do/record/list\"
  curl -H \"Authorization: Bearer $TOKEN\" --data-binary @bundle.json \\
      \"$ADDRESS/v1/do/record/publish?patient=anna\"
$ADDRESS/openapi.json describes every verb. It does what `wallet run` or `agent run` does as
well; with a node's home it serves the operator's verbs beside `node run`.")]
pub struct ServeArgs {
    /// Where: 127.0.0.1:port, 0 for any, or unix:/path/to/socket
    #[arg(long, value_name = "ADDRESS", default_value = ANYWHERE)]
    at: Address,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// By the exit-code table.
pub fn run(args: &ServeArgs, context: &Context) -> Result<()> {
    let home = context.open_home()?;
    let role = home.facts.role;
    let keys = context.keys(&home)?;
    let context = context.holding(keys, context.output.clone());
    let stop = Stop::on_signals()?;
    let serving = verbs::serve(&context, &home, &args.at)?;
    let done = beside(role, &context, &stop);
    serving.end();
    done
}

/// What the role's loop does, until `stop`.
fn beside(role: Role, context: &Context, stop: &Stop) -> Result<()> {
    if role == Role::Node {
        // `node run` does what a node does.
        while !stop.wait(Duration::from_secs(3600)) {}
        return Ok(());
    }
    let kept = Kept::new(context.unlock(&[role])?, context.patience)?;
    rounds_of(&kept, context, stop)
}
