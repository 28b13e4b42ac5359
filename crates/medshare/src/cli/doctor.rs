//! `medshare doctor`: looks at a home that nobody uses, and explains it.

use clap::Args;
use indicatif::ProgressBar;
use ledger::Depth;
use serde_json::json;
use std::{cell::OnceCell, os::unix::fs::MetadataExt as _, path::Path};

use super::{Global, context::Context, output::Output};
use crate::{
    doctor::{Exam, Finding, Repair, State},
    exit::{Exit, Fault, Result},
    home::Home,
};

/// What `doctor` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  medshare doctor --home ~/node
  medshare doctor --home ~/wallet --passphrase-file pass.txt --online
  medshare doctor --home ~/node --deep --repair

One line a check: ok, problem, cannot tell, healed; what was found, what to do. End the
programs that use the home first. Without --repair nothing in it is written; with it each
repair is announced before it is begun. Ends with 0 when no problem is left, with 4 when
one is, with 5 when the home is in use.")]
pub struct DoctorArgs {
    /// Replay the whole ledger of a node
    #[arg(long)]
    deep: bool,
    /// Repair what is provably safe to repair, then look again
    #[arg(long)]
    repair: bool,
    /// Ask the node what only it knows; takes the passphrase
    #[arg(long)]
    online: bool,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Home`] when a problem is left, [`Exit::Busy`] when the home is in use.
pub fn run(args: &DoctorArgs, global: &Global, output: &mut Output) -> Result<()> {
    // A wrong configuration is a finding, not the end.
    let context = Context::new(global).or_else(|_| Context::without_config(global))?;
    *output = context.output.clone();
    if !Home::is_at(&context.home) {
        return Home::open(&context.home).map(drop);
    }
    check_owner(&context.home)?;
    let _whole = Home::lock_whole(&context.home, context.patience)?;
    let passphrase = context.passphrase.read_if_given()?;
    let node = match args.online {
        true => Some(context.anonymous_node()?),
        false => None,
    };
    let bar: OnceCell<ProgressBar> = OnceCell::new();
    let hashed = |done: u64, all: u64| {
        let bar = bar.get_or_init(|| output.steps_bar("hashing", all));
        bar.set_position(done);
    };
    let exam = Exam {
        folder: &context.home,
        passphrase: passphrase.as_ref(),
        depth: match args.deep {
            true => Depth::Replay,
            false => Depth::Tables,
        },
        node: node.as_ref(),
        hashed: &hashed,
    };
    let mut findings = exam.examine()?;
    if args.repair && findings.iter().any(Finding::is_repairable) {
        findings = exam.heal(&findings, &|finding, repair| {
            announce(finding, repair, &context.home, output)
        })?;
    }
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }
    for finding in &findings {
        show(finding, output)?;
    }
    conclude(&findings, context.home.display(), output)
}

/// Locks and repaired files are the owner's, who must be able to open them afterwards.
fn check_owner(home: &Path) -> Result<()> {
    let owner = home
        .metadata()
        .map_err(|error| Fault::io(home.display(), &error))?
        .uid();
    let user = rustix::process::geteuid().as_raw();
    if owner == user {
        return Ok(());
    }
    Err(Fault::new(
        Exit::Usage,
        format!(
            "{} belongs to user {owner}, and this is user {user}; run the doctor as that user",
            home.display()
        ),
    ))
}

/// The last line, and the exit code: 4 when a problem is left.
pub(super) fn conclude(
    findings: &[Finding],
    what: impl std::fmt::Display,
    output: &Output,
) -> Result<()> {
    let count = |state| findings.iter().filter(|found| found.state == state).count();
    match count(State::Problem) {
        0 => {
            let unknown = count(State::Unknown);
            output.talk(format!("no problem found; {unknown} could not be told"));
            Ok(())
        }
        problems => Err(Fault::new(
            Exit::Home,
            format!("{what} has {problems} problem(s)"),
        )),
    }
}

fn announce(finding: &Finding, repair: &Repair, home: &Path, output: &Output) -> Result<()> {
    let plan = repair.plan(home);
    let value = json!({ "check": finding.check, "state": "repairing", "says": plan });
    output.data(&value, line("repairing", finding.check, &plan))
}

/// One line.
pub(super) fn show(finding: &Finding, output: &Output) -> Result<()> {
    let advice = finding.advice.as_deref();
    let value = json!({
        "check": finding.check,
        "state": finding.state.name(),
        "says": finding.says,
        "do": advice,
        "repairable": finding.is_repairable(),
    });
    let mut text = line(finding.state.name(), finding.check, &finding.says);
    if let Some(advice) = advice {
        text.push_str("; ");
        text.push_str(advice);
    }
    output.data(&value, text)
}

fn line(state: &str, check: &str, says: &str) -> String {
    format!("{state:<12} {check:<12} {says}")
}
