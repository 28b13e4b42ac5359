//! The table of a chain in `config.toml`, as `anchor deploy` adds it.

use anchor::Trouble;
use serde::Serialize;

use crate::{
    cli::context::Context,
    config::Config,
    exit::{Exit, Fault, Result},
    files,
};

/// Refuses where the table is there already.
pub(super) fn free(table: &str, there: bool, context: &Context) -> Result<()> {
    match there {
        false => Ok(()),
        true => Err(Fault::new(
            Exit::Config,
            format!(
                "{} has [anchor.{table}] already: this ledger has a place there; remove that table to leave it",
                context.config_file().display()
            ),
        )),
    }
}

/// Adds the table behind what the operator wrote; nothing of that is touched.
pub(super) fn add(table: &str, config: &impl Serialize, context: &Context) -> Result<()> {
    let path = context.config_file();
    let before = match files::read_small(&path, 1 << 20) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(fault) if fault.exit == Exit::NotFound => String::new(),
        Err(fault) => return Err(fault),
    };
    let keys = toml::to_string(config).unwrap_or_default();
    let text = format!("{}\n\n[anchor.{table}]\n{keys}", before.trim_end());
    Config::parse(&text, &path.display().to_string())?;
    let mut pending = files::Pending::new(&path)?;
    std::io::Write::write_all(pending.file(), text.as_bytes())
        .map_err(|error| Fault::io(path.display(), &error))?;
    pending.keep(files::Existing::Replace)
}

/// How the program ends when a deployment meets trouble.
pub(super) fn deploy_exit(trouble: &Trouble) -> Exit {
    match trouble {
        Trouble::Unreachable(_) | Trouble::Contradiction(_) => Exit::Unreachable,
        Trouble::WrongChain { .. } | Trouble::Contract(_) => Exit::Config,
        Trouble::FeeOverCap { .. } | Trouble::OverBudget { .. } => Exit::Pending,
        _ => Exit::Refused,
    }
}
