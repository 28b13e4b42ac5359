//! `medshare node run`: ledger, store and interface in one process.

use base::operation::Role;
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use crate::{
    exit::Result,
    http::{Address, listen_address},
    wire::{self, NodeParts},
};

/// Verbs of the node.
#[derive(Subcommand, Debug)]
pub enum NodeCommand {
    /// Serve /v1 until SIGTERM or SIGINT
    #[command(after_help = "\
Examples:
  medshare node run --home ~/node
  medshare node run --home ~/node --listen 127.0.0.1:7400")]
    Run {
        /// unix:/path/to/socket or 127.0.0.1:port [default: a socket in the home]
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<Address>,
    },
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: NodeCommand, context: &Context) -> Result<()> {
    let NodeCommand::Run { listen } = command;
    let home = context.open_home()?;
    home.require(&[Role::Node])?;
    let address = match listen {
        Some(address) => address,
        None => listen_address(&home, &context.config)?,
    };
    // A second node on this home is refused before anybody types a passphrase.
    let running = home.lock_for_running()?;
    let keys = home.unlock(&context.passphrase.read()?)?;
    let secret = home
        .enter(&keys, context.patience)?
        .identity
        .party
        .operation
        .clone();
    drop(keys);
    if !wire::has_ledger(&home.node_folder()) {
        home.check_ledger(None)?;
    }
    let parts = NodeParts {
        genesis: &home.genesis,
        folder: &home.node_folder(),
        secret,
        server: &context.config.server,
        store: &context.config.store,
    };
    let height = wire::run_node(parts, &address, |bound, height| {
        home.check_ledger(Some(height))?;
        home.note_ledger(height)?;
        context.output.data(
            &json!({"listening": bound.to_string(), "chain": home.facts.chain.to_string(), "height": height}),
            format!("listening on {bound}, ledger {} at height {height}", home.facts.chain),
        )
    })?;
    home.note_ledger(height)?;
    drop(running);
    context.output.talk("the node has ended");
    Ok(())
}
