//! `medshare completions`, `medshare man`: what a shell and `man` read of the command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;
use std::{io::Write as _, path::PathBuf};

use super::{Cli, output::Output};
use crate::exit::{Fault, Result};

/// What `completions` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  medshare completions bash > /etc/bash_completion.d/medshare
  medshare completions zsh > ~/.zfunc/_medshare
  medshare completions fish > ~/.config/fish/completions/medshare.fish")]
pub struct CompletionsArgs {
    /// Whose
    shell: Shell,
}

/// What `man` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  medshare man ~/.local/share/man/man1 && man medshare-record-publish")]
pub struct ManArgs {
    /// An existing folder: medshare.1 and a page for each verb are put there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the shell's file.
///
/// # Errors
/// [`crate::exit::Exit::Storage`] when it cannot be printed.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut text);
    std::io::stdout()
        .write_all(&text)
        .map_err(|error| Fault::io("stdout", &error))
}

/// Writes the manual's pages.
///
/// # Errors
/// [`crate::exit::Exit::Storage`].
pub fn man(args: &ManArgs, output: &Output) -> Result<()> {
    let folder = &args.folder;
    clap_mangen::generate_to(Cli::command(), folder)
        .map_err(|error| Fault::io(folder.display(), &error))?;
    let shown = folder.display().to_string();
    output.data(
        &json!({ "folder": shown }),
        format!("the manual is in {shown}"),
    )
}

const NAME: &str = "medshare";
