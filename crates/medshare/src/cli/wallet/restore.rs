//! `medshare wallet restore`: phrase and key bag give the wallet back.

use base::{AccountId, operation::Role};
use clap::Args;
use serde_json::json;
use share::bag::{self, Phrase, Restored};
use std::path::PathBuf;
use zeroize::Zeroizing;

use super::{
    super::{account::read_text, context::Context, context::Entered, init},
    learn_again,
};
use crate::{
    exit::Result,
    files,
    home::{Home, Plan, identity::Identity, keys::Keys},
};

/// What `restore` takes.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// File with the 24 words, or - for standard input
    #[arg(long, value_name = "FILE")]
    phrase_file: PathBuf,
    /// scrypt work factor of the new keys.age
    #[arg(long, value_name = "1..22", value_parser = clap::value_parser!(u8).range(1..=22))]
    work_factor: Option<u8>,
}

/// Makes the home beside its place, fills it, and moves it there: whole or not at all.
pub(super) fn run(args: &RestoreArgs, context: &Context) -> Result<()> {
    let phrase = Phrase::parse(&Zeroizing::new(read_text(&args.phrase_file, 4096)?))?;
    let address = context.address()?;
    let genesis = context.anonymous_node()?.genesis()?;
    let passphrase = context.passphrase.choose()?;
    let work_factor = args.work_factor.unwrap_or(context.config.keys.work_factor);
    Home::check_free(&context.home)?;
    let parent = files::folder(&context.home);
    files::make_private_folder(parent)?;
    let beside = files::private_draft(parent, ".medshare-restore-")?;
    let draft = beside.path().join("home");
    let keys = Keys::new(Role::Patient);
    let empty = Identity::bare(genesis.chain(), &phrase);
    let home = Home::create(
        &draft,
        &Plan {
            genesis: &genesis,
            keys: &keys,
            identity: &empty,
            config: &init::config_text(Some(&address.to_string()), work_factor, None, None),
            passphrase: &passphrase,
            work_factor,
        },
    )?;
    let mut drafted = context.clone();
    drafted.home = draft.clone();
    let unlocked = drafted.unlock_with(&home, keys)?;
    let found = {
        let entered = unlocked.enter_as_is(context.patience)?;
        let restored = bag::restore(&entered.desk(), phrase.bag())?;
        let found = Found::of(&restored);
        let identity = Identity::restored(
            genesis.chain(),
            &phrase,
            restored.operation,
            restored.hpke,
            restored.secrets,
        );
        identity.save(&entered.session.vault)?;
        found
    };
    let report = Report::of(&unlocked.enter(context.patience)?, found)?;
    drop(unlocked);
    Home::place(&draft, &context.home)?;
    report.print(context, home.facts.account, None)
}

/// What was in the bag, beside secrets.
pub(super) struct Found {
    number: u64,
    newest: Option<u64>,
    tainted: Vec<String>,
}

impl Found {
    pub(super) fn of(restored: &Restored) -> Self {
        Self {
            number: restored.number,
            newest: restored.newest,
            tainted: restored.tainted.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What there is to say about a wallet that came back.
pub(super) struct Report {
    found: Found,
    known: usize,
    unreadable: Vec<String>,
    hospitals: usize,
}

impl Report {
    /// Learns again what her accepted records hold, and counts.
    pub(super) fn of(entered: &Entered, found: Found) -> Result<Self> {
        let learnt = learn_again(entered)?;
        let (known, unreadable): (Vec<_>, Vec<_>) = learnt
            .into_iter()
            .partition(|event| event.json["event"] == "learnt");
        Ok(Self {
            found,
            known: known.len(),
            unreadable: unreadable.into_iter().map(|event| event.text).collect(),
            hospitals: entered.wallet()?.hospitals()?.len(),
        })
    }

    /// Prints it; with the words of the phrase where their owner has lost them.
    pub(super) fn print(
        &self,
        context: &Context,
        account: AccountId,
        words: Option<&str>,
    ) -> Result<()> {
        let Self {
            found,
            known,
            unreadable,
            hospitals,
        } = self;
        let mut text = format!(
            "restored         {account}\nkey bag          version {}",
            found.number
        );
        if let Some(newest) = found.newest {
            text.push_str(&format!(
                "\nWARNING          the ledger names another bag, of version {newest}"
            ));
        }
        text.push_str(&format!(
            "\nrecords          {known} accepted\nhospitals        {hospitals} on the list"
        ));
        for warning in unreadable {
            text.push_str(&format!("\nWARNING          {warning}"));
        }
        for sid in &found.tainted {
            text.push_str(&format!("\nrotate first     {sid}"));
        }
        let mut value = json!({
            "account": account.to_string(),
            "bag": found.number,
            "newest": found.newest,
            "records": known,
            "hospitals": hospitals,
            "unreadable": unreadable.len(),
            "tainted": found.tainted,
        });
        if let Some(words) = words {
            value["phrase"] = json!(words);
            text.push_str(&format!("\nbackup phrase    {words}"));
        }
        context.output.data(&value, text)
    }
}
