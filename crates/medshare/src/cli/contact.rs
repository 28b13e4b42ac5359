//! `medshare contact`: names for accounts, in this home alone. Never on the ledger.

use base::AccountId;
use clap::Subcommand;
use serde_json::json;

use super::{context::Context, output::usage};
use crate::{
    exit::{Exit, Fault, Result},
    home::vault::LocalVault,
};

/// Verbs of the name book.
#[derive(Subcommand, Debug)]
pub enum ContactCommand {
    /// Give an account a name
    #[command(after_help = "Example:\n  medshare contact add dr-weiss 4f1c…  --home ~/wallet")]
    Add {
        /// Letters, digits, - and _, at most 40
        name: String,
        /// The account's id
        account: AccountId,
    },
    /// Print every name
    List,
    /// Forget a name
    Remove {
        /// The name
        name: String,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Usage`], and what opening a home gives.
pub fn run(command: ContactCommand, context: &Context) -> Result<()> {
    let home = context.open_home()?;
    let keys = context.keys(&home)?;
    let session = home.enter(&keys, context.patience)?;
    let vault = &session.vault;
    match command {
        ContactCommand::Add { name, account } => {
            let fits = (1..=40).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !fits {
                return Err(usage("a name has 1 to 40 letters, digits, - and _"));
            }
            vault.write(TABLE, name.as_bytes(), &account.0)?;
            context.output.data(
                &json!({"name": name, "account": account.to_string()}),
                format!("{name} is {account}"),
            )
        }
        ContactCommand::List => {
            let book = book(vault)?;
            context
                .output
                .rows("no names yet", book, |(name, account)| {
                    let value = json!({"name": name, "account": account.to_string()});
                    (value, format!("{name:<20} {account}"))
                })
        }
        ContactCommand::Remove { name } => {
            if vault.read(TABLE, name.as_bytes())?.is_none() {
                return Err(Fault::new(
                    Exit::NotFound,
                    format!("there is no contact {name:?}"),
                ));
            }
            vault.remove(TABLE, name.as_bytes())
        }
    }
}

/// Every name with its account.
///
/// # Errors
/// As [`LocalVault::entries`].
pub fn book(vault: &LocalVault) -> Result<Vec<(String, AccountId)>> {
    let entries = vault.entries(TABLE)?;
    Ok(entries
        .into_iter()
        .filter_map(|(name, account)| {
            let name = String::from_utf8(name).ok()?;
            Some((name, AccountId(account.as_slice().try_into().ok()?)))
        })
        .collect())
}

/// An account that was typed as an id or as a name of the book.
///
/// # Errors
/// [`Exit::NotFound`] when it is neither.
pub fn resolve(vault: &LocalVault, typed: &str) -> Result<AccountId> {
    if let Ok(account) = typed.parse() {
        return Ok(account);
    }
    book(vault)?
        .into_iter()
        .find(|(name, _)| name == typed)
        .map(|(_, account)| account)
        .ok_or_else(|| {
            let shown: String = typed.chars().take(80).collect();
            Fault::new(
                Exit::NotFound,
                format!("{shown:?} is neither an account id (64 hexadecimal digits) nor a name in this home's contacts"),
            )
        })
}

const TABLE: &str = "contacts";
