//! `medshare config`: is the configuration right, and what is in force.

use clap::Subcommand;
use serde_json::json;

use super::{Global, context::Context, output::Output};
use crate::{
    config::{Config, OutputConfig},
    exit::Result,
};

/// Verbs of the configuration.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Check it; name the line and key that is wrong
    #[command(after_help = "Example:\n  medshare config check --home ~/wallet")]
    Check,
    /// Print what is in force, defaults included
    #[command(after_help = "Example:\n  medshare config show > config.toml")]
    Show,
}

/// Runs the verb.
///
/// # Errors
/// [`crate::exit::Exit::Config`] naming line and key.
pub fn run(command: &ConfigCommand, global: &Global, output: &mut Output) -> Result<()> {
    let context = Context::new(global)?;
    *output = context.output.clone();
    match command {
        ConfigCommand::Check => {
            if global.node.is_some() || context.config.node.address.is_some() {
                context.address()?;
            }
            output.data(&json!({"config": "ok"}), "the configuration is right")
        }
        ConfigCommand::Show => {
            // As flags and environment have it.
            let mut config = context.config.clone();
            config.node.address = context.node.clone();
            config.anchor = config.anchor.shown();
            config.output = OutputConfig {
                json: output.json,
                quiet: output.quiet,
            };
            show(&config, output)
        }
    }
}

fn show(config: &Config, output: &Output) -> Result<()> {
    let text = toml::to_string(config).unwrap_or_default();
    output.data(
        &serde_json::to_value(config).unwrap_or_default(),
        text.trim_end(),
    )
}
