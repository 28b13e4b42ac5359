//! `medshare wallet recover`: an owner who lost everything starts again in an empty home.

use base::{AccountId, Millis, key::OperationSecret, operation::Role};
use clap::{Args, Subcommand};
use ledger::RecoveryStatus;
use serde_json::{Value, json};
use share::{
    Node as _, account,
    bag::{self, Phrase},
    recovery::{
        claim::{self, ClaimError, Progress},
        code,
    },
};
use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{
        context::{Context, Entered, Unlocked},
        init,
        party::{parse_span, round},
        show,
    },
    restore::{Found, Report},
};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    home::{Home, Plan, identity::Identity, keys::Keys},
    system::{self, OsRng},
};

/// Verbs of a recovery.
#[derive(Subcommand, Debug)]
pub enum RecoverCommand {
    /// Make an empty home that recovers an account, and ask its guardians
    #[command(after_help = "\
Example:
  medshare wallet recover start --account e7fa… --guardian 9b2e… --guardian 77aa… \\
      --home ~/wallet --node unix:/run/m.sock

Read the code to each guardian, face to face or by telephone. Run it again in the same home
to ask again, or to ask others too.")]
    Start(StartArgs),
    /// Print how far it has come
    Status,
    /// Go on as far as it can: log the recovery, put the new key into force, restore
    #[command(after_help = "\
Example:
  medshare wallet recover finish --wait 10d --home ~/wallet

It ends with 14 and says what it waits for; run it again then.")]
    Finish {
        /// How long to wait
        #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = parse_span)]
        wait: u64,
        /// Write the backup phrase into this new file instead of printing it
        #[arg(long, value_name = "FILE")]
        phrase_file: Option<PathBuf>,
    },
}

/// What `start` takes.
#[derive(Args, Debug)]
pub struct StartArgs {
    /// The account that was lost; its guardians know it
    #[arg(long, value_name = "ACCOUNT")]
    account: AccountId,
    /// A guardian to ask (repeatable)
    #[arg(long = "guardian", value_name = "ACCOUNT", required = true)]
    guardians: Vec<AccountId>,
    /// scrypt work factor of the new keys.age
    #[arg(long, value_name = "1..22", value_parser = clap::value_parser!(u8).range(1..=22))]
    work_factor: Option<u8>,
}

pub(super) fn run(command: RecoverCommand, context: &Context) -> Result<()> {
    match command {
        RecoverCommand::Start(args) => start(&args, context),
        RecoverCommand::Status => {
            let entered = unlock(context)?.enter_recovering(context.patience)?;
            talk_round(&entered, context)?;
            print(&progress(&entered)?, context)
        }
        RecoverCommand::Finish { wait, phrase_file } => finish(wait, phrase_file, context),
    }
}

fn unlock(context: &Context) -> Result<Unlocked> {
    context.unlock(&[Role::Patient])
}

fn talk_round(entered: &Entered, context: &Context) -> Result<()> {
    for event in round(entered)? {
        context.output.talk(event.text);
    }
    Ok(())
}

fn start(args: &StartArgs, context: &Context) -> Result<()> {
    let unlocked = match Home::open(&context.home) {
        Ok(_) => unlock(context)?,
        Err(_) => make(args, context)?,
    };
    let entered = unlocked.enter_recovering(context.patience)?;
    let desk = entered.desk();
    if entered.node.account(desk.party.account)?.is_none() {
        account::register(&desk, Role::Requester, None, None)?;
    }
    claim::begin(&desk, args.account, &args.guardians, &mut OsRng)?;
    context.output.talk(
        "Read the code to each guardian yourself, face to face or by telephone. Never send it, and never tell anybody words of a backup phrase.",
    );
    print(&progress(&entered)?, context)
}

/// An empty home for the account; the device has keys and an account of its own until it
/// is recovered.
fn make(args: &StartArgs, context: &Context) -> Result<Unlocked> {
    Home::check_free(&context.home)?;
    let node = context.anonymous_node()?;
    let guarded = node.guardianship(args.account)?;
    if guarded.and_then(|stands| stands.guard).is_none() {
        return Err(ClaimError::NoGuardians(args.account).into());
    }
    let address = context.address()?.to_string();
    let genesis = node.genesis()?;
    let passphrase = context.passphrase.choose()?;
    let work_factor = args.work_factor.unwrap_or(context.config.keys.work_factor);
    let keys = Keys::new(Role::Patient);
    let home = Home::create(
        &context.home,
        &Plan {
            genesis: &genesis,
            keys: &keys,
            identity: &Identity::device(genesis.chain(), args.account),
            config: &init::config_text(Some(&address), work_factor, None, None),
            passphrase: &passphrase,
            work_factor,
        },
    )?;
    context.unlock_with(&home, keys)
}

fn progress(entered: &Entered) -> Result<Progress> {
    Ok(claim::progress(&entered.desk())?.ok_or(ClaimError::NotBegun)?)
}

fn print(progress: &Progress, context: &Context) -> Result<()> {
    let code = code(&progress.claim);
    let recovery = progress.recovery.as_ref();
    let ids = |ids: &[AccountId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let need = progress
        .threshold
        .map_or("?".to_owned(), |need| need.to_string());
    let mut text = format!(
        "account          {}\ncode             {code}\nasked            {}\napproved         {} of {need}",
        progress.claim.account,
        progress.asked.len(),
        progress.approved.len(),
    );
    if let Some(recovery) = recovery {
        text.push_str(&format!(
            "\nlogged           {}\n{}\nshares           {} of {need}",
            recovery.id,
            standing(&recovery.status, recovery.due),
            progress.returned.len()
        ));
    }
    context.output.data(
        &json!({
            "account": progress.claim.account.to_string(),
            "code": code,
            "asked": ids(&progress.asked),
            "approved": ids(&progress.approved),
            "threshold": progress.threshold,
            "recovery": recovery.map_or(Value::Null, show::json),
            "returned": ids(&progress.returned),
        }),
        text,
    )
}

fn standing(status: &RecoveryStatus, due: Millis) -> String {
    match status {
        RecoveryStatus::Pending => format!("takes effect     {due}, unless its owner objects"),
        RecoveryStatus::Objected(time) => format!("ENDED            objected {time}"),
        RecoveryStatus::Replaced(time) => format!("ENDED            replaced {time}"),
        RecoveryStatus::Complete(time) => format!("in force         since {time}"),
    }
}

fn finish(wait: u64, phrase_file: Option<PathBuf>, context: &Context) -> Result<()> {
    if let Some(path) = &phrase_file {
        files::check_free(path, files::Existing::Refuse)?;
    }
    let unlocked = unlock(context)?;
    let until = Instant::now() + Duration::from_millis(wait);
    loop {
        let entered = unlocked.enter_recovering(context.patience)?;
        match step(&entered, context) {
            Ok((key, phrase)) => {
                let kept = phrase_file.as_deref();
                return take_over(&unlocked, entered, key, (&phrase, kept), context);
            }
            Err(fault) if fault.exit == Exit::Pending && Instant::now() < until => {}
            Err(fault) => return Err(fault),
        }
        drop(entered);
        thread::sleep(PAUSE);
    }
}

/// As far as it can: the key in force and the phrase, or what is waited for.
fn step(entered: &Entered, context: &Context) -> Result<(OperationSecret, Phrase)> {
    talk_round(entered, context)?;
    let desk = entered.desk();
    claim::log(&desk).map_err(|error| waits("approved", error))?;
    let key = claim::complete(&desk, system::now())?;
    let phrase = claim::phrase(&desk).map_err(|error| waits("given their share", error))?;
    Ok((key, phrase))
}

fn waits(what: &str, error: ClaimError) -> Fault {
    match error {
        ClaimError::TooFew { have, need } => Fault::new(
            Exit::Pending,
            format!("{have} of {need} guardians have {what} so far; run this again later"),
        ),
        other => other.into(),
    }
}

/// Restores the wallet and makes this home the owner's, in one last step.
fn take_over(
    unlocked: &Unlocked,
    device: Entered,
    key: OperationSecret,
    (phrase, phrase_file): (&Phrase, Option<&Path>),
    context: &Context,
) -> Result<()> {
    let (owner, chain) = (unlocked.home.facts.account, unlocked.home.facts.chain);
    let traces = claim::traces(&device.desk())?;
    let bare = Identity::recovered(chain, owner, key.clone());
    let entered = unlocked.enter_again(device, bare)?;
    let restored = bag::restore(&entered.desk(), phrase.bag())?;
    let found = Found::of(&restored);
    let identity = Identity::restored(
        chain,
        phrase,
        restored.operation,
        restored.hpke,
        restored.secrets,
    );
    let entered = unlocked.enter_again(entered, identity)?;
    // Before the home is hers: from now on phrase and bag give the new key back.
    bag::keep_operation_key(&entered.wallet()?, &key, &mut OsRng)?;
    let words = phrase.words();
    if let Some(path) = phrase_file {
        init::write_phrase(path, &words)?;
    }
    let session = &entered.session;
    session.identity.save_in_place_of(&session.vault, &traces)?;
    drop(entered);
    let report = Report::of(&unlocked.enter(context.patience)?, found)?;
    context.output.talk(
        "Write the 24 words down; they are not shown again, and are those you had. If the lost device may be in other hands: `account rotate-key --kind hpke`, `scope rotate` for every scope, and name your guardians anew.",
    );
    let shown = phrase_file.is_none().then_some(words.as_str());
    report.print(context, owner, shown)
}

const PAUSE: Duration = Duration::from_millis(500);
