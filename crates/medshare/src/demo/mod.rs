//! `medshare demo`: the whole story, each party a process of its own with its own home.
//!
//! The demo runs this very program with its ordinary verbs. Parties share nothing but the
//! interface `/v1` and one QR text, the patient's card, on a pipe. [`story`] reads like the
//! script that it is; [`party`] starts processes, [`step`] reports, [`stage`] tidies up.
//! [`relay`], [`defy`] and [`liar`] are the dishonest: they corrupt real bytes.

mod anvil;
mod bitcoind;
mod defy;
mod foreign;
mod layout;
mod liar;
mod nodeos;
mod party;
mod relay;
mod samples;
mod stage;
mod step;
mod story;

use ::anchor::Chain;
use clap::{Args, Subcommand};
use std::path::PathBuf;

use crate::{
    cli::{anchor::require, context::Context},
    exit::Result,
};
use stage::Stage;
use step::Report;

/// What `demo` takes.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  medshare demo
  medshare demo --records ~/my-files
  medshare demo --keep ./stage
  medshare demo --anchor ethereum,bitcoin,eos
  medshare demo --serve
  medshare demo --validators 4
  medshare demo --json | jq -r '.step + \" \" + .outcome'

Everything happens in a folder that only you can enter; it is removed at the end, or kept
with --keep. The keys of these homes are weakly protected: they are for the story only."
)]
pub struct DemoArgs {
    /// Let every file of this folder make the journey instead of the built-in samples
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
    /// Keep every party's folder in this new folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Anchor the ledger in these public chains, too: ethereum, bitcoin, eos; in nodes for tests
    /// that the demo starts ($MEDSHARE_ANVIL, $MEDSHARE_BITCOIND, $MEDSHARE_NODEOS, or anvil,
    /// bitcoind and nodeos on the PATH)
    #[arg(long, value_name = "CHAIN", value_delimiter = ',')]
    anchor: Vec<Chain>,
    /// Stay when the story is told: the pages of every role, in a browser, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// How many nodes order the ledger: 1, or 4 to 7, of which one is killed meanwhile
    #[arg(long, value_name = "N", default_value_t = 1)]
    validators: u8,
    #[command(subcommand)]
    dishonest: Option<Dishonest>,
}

/// What the dishonest parties of the story run.
#[derive(Subcommand, Debug)]
enum Dishonest {
    /// Log a query whether it is allowed or not
    #[command(hide = true)]
    DefiantQuery(defy::DefiantQuery),
    /// Ask whom and for what the program would not ask
    #[command(hide = true)]
    DefiantAsk(defy::DefiantAsk),
    /// Sign a grant that a wallet would not make
    #[command(hide = true)]
    DefiantGrant(defy::DefiantGrant),
    /// Answer with corrupted bytes
    #[command(hide = true)]
    Lie(liar::Lie),
}

/// Tells the story, or plays one dishonest part of it.
///
/// # Errors
/// [`crate::exit::Exit::Internal`] naming the step that did not come out as it must.
pub fn run(args: &DemoArgs, context: &Context) -> Result<()> {
    match &args.dishonest {
        Some(Dishonest::DefiantQuery(args)) => defy::query(args, context),
        Some(Dishonest::DefiantAsk(args)) => defy::ask(args, context),
        Some(Dishonest::DefiantGrant(args)) => defy::grant(args, context),
        Some(Dishonest::Lie(args)) => liar::lie(args, context),
        None => {
            for chain in &args.anchor {
                require(*chain)?;
            }
            story::check_validators(args.validators.into())?;
            if args.validators > 1 {
                crate::wire::require_bft()?;
            }
            let sources = args
                .records
                .as_deref()
                .map(samples::every_file)
                .transpose()?;
            let stage = Stage::new(args.keep.as_deref())?;
            let mut report = Report::new(context.output.json);
            let told = story::tell(
                &stage,
                &mut report,
                sources,
                &args.anchor,
                args.validators.into(),
                args.serve,
            );
            match told {
                // Its reader has what it wanted; the stage is tidied up all the same.
                Err(_) if report.is_unread() => Ok(()),
                told => told,
            }
        }
    }
}
