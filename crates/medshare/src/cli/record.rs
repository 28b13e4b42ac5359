//! `medshare record`: publish, accept, look, erase. Opening is in [`super::open`].

use base::{
    Cid, Class, RecordId,
    operation::{RejectCode, Role},
};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use ledger::{Record, StateInfo, StateStatus};
use serde_json::{Value, json};
use share::{
    Node as _, accept, erase, publish,
    record::{Original, ReadSeek, RecordSource},
};
use std::{
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    contact,
    context::{Context, Entered},
    cut::cut,
    open,
    operation::report,
    own::{self, no_record},
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    files,
    system::{self, OsRng},
};

/// Verbs of records.
#[derive(Subcommand, Debug)]
pub enum RecordCommand {
    /// A hospital signs, seals, stores and logs a patient's record
    #[command(after_help = "\
Examples:
  medshare record publish bundle.json --patient e7fa… --home ~/hospital
  medshare record publish scan.dcm --patient anna --class imaging")]
    Publish(PublishArgs),
    /// A hospital brings the next state of a record
    #[command(after_help = "Example:\n  medshare record update 5c1b… bundle-2.json")]
    Update(UpdateArgs),
    /// A patient opens, checks and accepts what a hospital published
    #[command(after_help = "\
Examples:
  medshare record accept --all
  medshare record accept 5c1b…")]
    Accept {
        /// The record
        #[arg(required_unless_present = "all")]
        record: Option<RecordId>,
        /// Every pending record of a hospital on the list
        #[arg(long, conflicts_with = "record")]
        all: bool,
    },
    /// A patient refuses what a hospital published
    Reject {
        /// The record
        record: RecordId,
        /// Why
        #[arg(long, value_enum)]
        code: RejectArg,
    },
    /// Print the records of this home's account, or of another
    List {
        /// A patient or hospital [default: this home's]
        #[arg(long, value_name = "ACCOUNT")]
        of: Option<String>,
    },
    /// Print a record as the ledger has it, and what this home knows of it
    Show {
        /// The record
        record: RecordId,
    },
    /// Print every state of a record and every query on it
    History {
        /// The record
        record: RecordId,
    },
    /// Open a record: its patient by herself, a requester through an agent
    #[command(after_help = "\
Examples:
  medshare record open 5c1b… --output record.json --home ~/wallet
  medshare record open 5c1b… --output extract.json --wait 60s --home ~/institute

The file is written beside its place, readable by you alone, and takes its place after
every check. When every part is there it is the original, byte for byte; parts of a FHIR
bundle become an extract, marked as one.")]
    Open(open::OpenArgs),
    /// Destroy this party's keys and pins of a record and log the receipt
    Erase {
        /// The record
        record: RecordId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What `publish` takes.
#[derive(Args, Debug)]
pub struct PublishArgs {
    /// The document
    file: PathBuf,
    /// Whose it is: an account's id, or its name in this home's contacts
    #[arg(long, value_name = "ACCOUNT")]
    patient: String,
    /// Keep it whole, as this class
    #[arg(long)]
    class: Option<Class>,
}

/// What `update` takes.
#[derive(Args, Debug)]
pub struct UpdateArgs {
    /// The record
    record: RecordId,
    /// The new document
    file: PathBuf,
    /// Keep it whole, as this class
    #[arg(long)]
    class: Option<Class>,
}

/// Why a state is refused.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RejectArg {
    /// A check failed
    Invalid,
    /// A block could not be fetched
    Unavailable,
    /// Sensitive data under too wide a scope
    WrongScope,
    /// Not a hospital on the list
    UnknownHospital,
    /// It is not about me
    NotMine,
}

impl From<RejectArg> for RejectCode {
    fn from(code: RejectArg) -> Self {
        match code {
            RejectArg::Invalid => Self::Invalid,
            RejectArg::Unavailable => Self::Unavailable,
            RejectArg::WrongScope => Self::WrongScope,
            RejectArg::UnknownHospital => Self::UnknownHospital,
            RejectArg::NotMine => Self::NotMine,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: RecordCommand, context: &Context) -> Result<()> {
    match command {
        RecordCommand::Publish(args) => publish_record(&args, context),
        RecordCommand::Update(args) => update(&args, context),
        RecordCommand::Accept { record, .. } => accept_records(record, context),
        RecordCommand::Reject { record, code } => {
            let entered = context.enter(&[Role::Patient])?;
            own::record(&entered, record)?;
            let sent = accept::reject(&entered.wallet()?, record, code.into())?;
            report(
                &context.output,
                "rejected",
                &sent,
                &[("record", json!(record.to_string()))],
            )
        }
        RecordCommand::List { of } => list(of.as_deref(), context),
        RecordCommand::Show { record } => show_record(record, context),
        RecordCommand::History { record } => history(record, context),
        RecordCommand::Open(args) => open::run(&args, context),
        RecordCommand::Erase { record, yes } => erase_record(record, yes, context),
    }
}

// -- hospital

fn publish_record(args: &PublishArgs, context: &Context) -> Result<()> {
    let bar = context.output.bytes_bar("sealing", length_of(&args.file)?);
    let (source, parts) = source(&args.file, args.class, &bar, context)?;
    let entered = context.enter(&[Role::Hospital])?;
    let patient = contact::resolve(&entered.session.vault, &args.patient)?;
    let done = publish::publish(&entered.desk(), patient, &source, system::now(), &mut OsRng)?;
    bar.finish_and_clear();
    report(
        &context.output,
        "published; it waits for the patient",
        &done.sent,
        &[
            ("record", json!(done.record.to_string())),
            ("state", json!(done.state.to_string())),
            ("parts", parts),
        ],
    )
}

fn update(args: &UpdateArgs, context: &Context) -> Result<()> {
    let bar = context.output.bytes_bar("sealing", length_of(&args.file)?);
    let (source, parts) = source(&args.file, args.class, &bar, context)?;
    let entered = context.enter(&[Role::Hospital])?;
    let done = publish::update(
        &entered.desk(),
        args.record,
        &source,
        system::now(),
        &mut OsRng,
    )?;
    bar.finish_and_clear();
    report(
        &context.output,
        "updated; the new state waits for the patient",
        &done.sent,
        &[
            ("record", json!(done.record.to_string())),
            ("state", json!(done.state.to_string())),
            ("parts", parts),
        ],
    )
}

fn length_of(path: &Path) -> Result<u64> {
    let file = files::open_regular(path)?;
    file.metadata()
        .map(|meta| meta.len())
        .map_err(|error| Fault::io(path.display(), &error))
}

/// The document cut into parts, and the parts as JSON.
fn source(
    path: &Path,
    class: Option<Class>,
    bar: &ProgressBar,
    context: &Context,
) -> Result<(RecordSource, Value)> {
    files::open_regular(path)?;
    let name = path.display().to_string();
    let cut = cut(&path.to_owned(), &name, class, &mut |notice| {
        context.output.talk(notice);
    })?;
    let original = Counted {
        path: path.to_owned(),
        bar: bar.clone(),
    };
    let source = RecordSource::new(Box::new(original), cut.parts)?;
    Ok((source, cut.shown))
}

/// The document, with a bar that moves as it is read.
struct Counted {
    path: PathBuf,
    bar: ProgressBar,
}

impl Original for Counted {
    fn open(&self) -> io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(CountedFile {
            file: self.path.open()?,
            bar: self.bar.clone(),
        }))
    }

    fn length(&self) -> io::Result<u64> {
        self.path.length()
    }
}

struct CountedFile {
    file: Box<dyn ReadSeek>,
    bar: ProgressBar,
}

impl Read for CountedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.bar.inc(length as u64);
        Ok(length)
    }
}

impl Seek for CountedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

// -- patient

fn accept_records(record: Option<RecordId>, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let wallet = entered.wallet()?;
    if let Some(record) = record {
        own::record(&entered, record)?;
        let sent = accept::accept(&wallet, record, &mut OsRng)?;
        return report(
            &context.output,
            "accepted",
            &sent,
            &[("record", json!(record.to_string()))],
        );
    }
    let listed = wallet.hospitals()?;
    let (pending, others): (Vec<Record>, Vec<Record>) = entered
        .node
        .records_of(wallet.patient)?
        .into_iter()
        .filter(|record| record.pending.is_some())
        .partition(|record| listed.contains(&record.hospital));
    if pending.is_empty() && others.is_empty() {
        context.output.talk("nothing waits for you");
    }
    for record in others {
        context.output.talk(format!(
            "record {} waits, but hospital {} is not on your list; to trust it: medshare wallet hospital add {}",
            record.id,
            show::short(record.hospital),
            record.hospital
        ));
    }
    let bar = context.output.steps_bar("accepting", pending.len() as u64);
    let mut failed = None;
    for record in pending {
        match accept::accept(&wallet, record.id, &mut OsRng).map_err(Fault::from) {
            Ok(sent) => report(
                &context.output,
                "accepted",
                &sent,
                &[("record", json!(record.id.to_string()))],
            )?,
            Err(fault) => {
                context
                    .output
                    .talk(format!("record {}: {fault}", record.id));
                failed = Some(Fault::new(
                    fault.exit,
                    format!("record {}: {fault}", record.id),
                ));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    failed.map_or(Ok(()), Err)
}

fn erase_record(record: RecordId, yes: bool, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient, Role::Hospital])?;
    let found = entered
        .node
        .record(record)?
        .ok_or_else(|| no_record(record))?;
    let account = entered.session.identity.acts_for();
    if found.patient != account && found.hospital != account {
        return Err(no_record(record));
    }
    if !yes && !confirm("Keys and pins of this record are destroyed for good. Type yes: ")? {
        return Err(Fault::new(
            Exit::Usage,
            "nothing was erased; give --yes to erase without being asked",
        ));
    }
    let sent = if found.patient == account {
        erase::erase_own(&entered.wallet()?, record, &mut OsRng)?
    } else {
        erase::erase(&entered.desk(), record)?
    };
    report(
        &context.output,
        "erased",
        &sent,
        &[("record", json!(record.to_string()))],
    )
}

/// Asks at the terminal; without one, no.
fn confirm(question: &str) -> Result<bool> {
    use std::io::{BufRead as _, IsTerminal as _, Write as _};
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let _ = write!(io::stderr(), "{question}");
    let _ = io::stderr().flush();
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Fault::io("the terminal", &error))?;
    Ok(line.trim() == "yes")
}

// -- anybody

fn list(of: Option<&str>, context: &Context) -> Result<()> {
    let account = match of {
        Some(text) => match text.parse() {
            Ok(account) => account,
            Err(_) => {
                let entered = context.enter(&ANYBODY)?;
                contact::resolve(&entered.session.vault, text)?
            }
        },
        None => context.open_home()?.facts.account,
    };
    let records = context.anonymous_node()?.records_of(account)?;
    context.output.rows("no records", records, |record| {
        let status = status(record);
        let mut value = show::json(record);
        value["status"] = json!(status);
        (
            value,
            format!(
                "{}  {status:<9}  hospital {}  {} part(s)",
                record.id,
                show::short(record.hospital),
                record.parts.len()
            ),
        )
    })
}

fn status(record: &Record) -> &'static str {
    if record.is_erased() {
        "erased"
    } else if record.pending.is_some() {
        "pending"
    } else if record.accepted.is_some() {
        "accepted"
    } else {
        "rejected"
    }
}

fn show_record(record: RecordId, context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let found = node.record(record)?.ok_or_else(|| no_record(record))?;
    let mut value = show::json(&found);
    value["status"] = json!(status(&found));
    // What the parts are is known to the patient alone; her own home says so.
    let own = context
        .open_home()
        .is_ok_and(|home| home.facts.role == Role::Patient && home.facts.account == found.patient);
    if own {
        let entered = context.enter(&[Role::Patient])?;
        if let Some((_, known)) = entered
            .wallet()?
            .records()?
            .into_iter()
            .find(|(id, _)| *id == record)
        {
            value["contents"] = show::json(&known.parts);
        }
    }
    context.output.data(&value, show::text(&value))
}

fn history(record: RecordId, context: &Context) -> Result<()> {
    let node = context.anonymous_node()?;
    let found = node.record(record)?.ok_or_else(|| no_record(record))?;
    let states: Vec<StateInfo> = node.states_of(record)?;
    context.output.rows("", states, |state| {
        let (what, when) = match state.status {
            StateStatus::Pending => ("pending".to_owned(), None),
            StateStatus::Accepted(time) => ("accepted".to_owned(), Some(time)),
            StateStatus::Rejected { time, code } => {
                (format!("rejected ({})", show::word(&code)), Some(time))
            }
        };
        let answered = when.map_or(String::new(), |time| format!(" {time}"));
        (
            with_kind("state", show::json(state)),
            format!("{}  state  {}  {what}{answered}", state.time, state.state),
        )
    })?;
    let notices: Vec<ledger::Notice> =
        node.list(&format!("/v1/accounts/{}/notices", found.patient))?;
    for notice in notices {
        if let ledger::Notice::Query(query) = notice
            && query.record == record
        {
            context.output.data(
                &with_kind("query", show::json(&query)),
                format!(
                    "{}  query  {}  part {} by agent {} for {}",
                    query.time,
                    query.id,
                    query.part,
                    show::short(query.agent),
                    show::short(query.querier)
                ),
            )?;
        }
    }
    Ok(())
}

fn with_kind(kind: &str, mut value: Value) -> Value {
    value["kind"] = json!(kind);
    value
}

/// Every role of a party.
pub(super) const ANYBODY: [Role; 5] = [
    Role::Patient,
    Role::Hospital,
    Role::Agent,
    Role::Requester,
    Role::Node,
];

/// The accepted state of a record.
pub(super) fn accepted(entered: &Entered, record: RecordId) -> Result<(Record, Cid)> {
    let found = entered
        .node
        .record(record)?
        .ok_or_else(|| no_record(record))?;
    if found.is_erased() {
        return Err(Fault::new(
            Exit::Refused,
            format!("record {record} was erased; nobody can open it any more"),
        ));
    }
    let state = found.accepted.ok_or_else(|| {
        Fault::new(
            Exit::Refused,
            format!("record {record} has no accepted state; its patient must accept it first"),
        )
    })?;
    Ok((found, state))
}
