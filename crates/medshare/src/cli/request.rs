//! `medshare request`: asking a patient, and seeing what was asked.

use base::{Class, Epoch, Millis, Nonce, OperationId, RecordId, operation::Role};
use clap::{Args, Subcommand, ValueEnum};
use ledger::{RequestState, RequestStatus};
use serde_json::json;
use share::{
    Node as _,
    letter::{Purpose, Wish},
    request,
};

use super::{
    contact,
    context::Context,
    operation::report,
    party::{parse_month, parse_span, round},
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    fhir::Scope,
    system::{self, OsRng},
};

/// Verbs of requests.
#[derive(Subcommand, Debug)]
pub enum RequestCommand {
    /// Ask a patient for classes of data; what is asked is sealed to her
    #[command(after_help = "\
Examples:
  medshare request create --patient e7fa… --class laboratory --class medication \\
      --purpose research --words 'Study of kidney function' --home ~/institute
  medshare request create --patient anna --patient ben --class laboratory --purpose research")]
    Create(CreateArgs),
    /// Print the requests to or from this home's account
    List {
        /// Only those without an answer
        #[arg(long)]
        open: bool,
    },
}

/// What `create` takes.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Who is asked: an account's id, or its name in this home's contacts; several make a cohort
    #[arg(long = "patient", value_name = "ACCOUNT", required = true)]
    patients: Vec<String>,
    /// A class of data (repeatable)
    #[arg(
        long = "class",
        value_name = "CLASS",
        required_unless_present = "scopes"
    )]
    classes: Vec<Class>,
    /// The same in SMART's scope language: patient/Observation.rs?category=laboratory (repeatable)
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// First month of the records
    #[arg(long, value_name = "YYYY-MM", default_value = "1970-01", value_parser = parse_month)]
    from: Epoch,
    /// Last month of the records [default: this month]
    #[arg(long, value_name = "YYYY-MM", value_parser = parse_month)]
    to: Option<Epoch>,
    /// Only this record (repeatable)
    #[arg(long = "record", value_name = "RECORD")]
    records: Vec<RecordId>,
    /// What for
    #[arg(long, value_enum)]
    purpose: PurposeArg,
    /// Words for the patient
    #[arg(long, default_value = "")]
    words: String,
    /// How long the data shall be open, as you ask
    #[arg(long = "for", value_name = "SPAN", default_value = "30d", value_parser = parse_span)]
    duration: u64,
    /// How long the patient may take to answer
    #[arg(long, value_name = "SPAN", default_value = "14d", value_parser = parse_span)]
    expires: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PurposeArg {
    Treatment,
    EmergencyTreatment,
    Research,
    PublicHealth,
    Coverage,
    PatientRequest,
}

impl From<PurposeArg> for Purpose {
    fn from(purpose: PurposeArg) -> Self {
        match purpose {
            PurposeArg::Treatment => Self::Treatment,
            PurposeArg::EmergencyTreatment => Self::EmergencyTreatment,
            PurposeArg::Research => Self::Research,
            PurposeArg::PublicHealth => Self::PublicHealth,
            PurposeArg::Coverage => Self::Coverage,
            PurposeArg::PatientRequest => Self::PatientRequest,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: RequestCommand, context: &Context) -> Result<()> {
    match command {
        RequestCommand::Create(args) => create(args, context),
        RequestCommand::List { open } => list(open, context),
    }
}

fn create(args: CreateArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Requester, Role::Hospital])?;
    let desk = entered.desk();
    let now = system::now();
    let mut classes = args.classes;
    classes.extend(args.scopes.iter().map(|scope| scope.class()));
    classes.sort_unstable();
    classes.dedup();
    let wish = Wish {
        classes,
        from: args.from,
        to: args.to.unwrap_or(now.epoch()),
        records: args.records,
        purpose: args.purpose.into(),
        words: args.words,
        until: now.plus(args.duration),
    };
    let mut patients = Vec::new();
    for typed in &args.patients {
        let patient = contact::resolve(&entered.session.vault, typed)?;
        if !patients.contains(&patient) {
            patients.push(patient);
        }
    }
    // All or none are asked: whoever cannot be is named before anything is logged.
    for &patient in &patients {
        let account = entered.node.account(patient)?;
        let account = account.ok_or_else(|| super::account::unknown(patient))?;
        if account.role != Role::Patient {
            return Err(Fault::new(
                Exit::Invalid,
                format!("{patient} is not a patient's account"),
            ));
        }
    }
    let cohort = (patients.len() > 1).then(|| Nonce(system::random32()));
    let bar = context.output.steps_bar("asking", patients.len() as u64);
    for patient in patients {
        let sent = request::request(
            &desk,
            patient,
            &wish,
            now.plus(args.expires),
            cohort,
            &mut OsRng,
        )?;
        report(
            &context.output,
            "asked",
            &sent,
            &[
                ("request", json!(sent.id.to_string())),
                ("patient", json!(patient.to_string())),
            ],
        )?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn list(open: bool, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient, Role::Requester, Role::Hospital])?;
    for event in round(&entered)? {
        context.output.talk(event.text);
    }
    let desk = entered.desk();
    let account = entered.session.identity.acts_for();
    let mut rows = Vec::new();
    for state in entered.node.requests_of(account)? {
        if open && !is_open(&state, system::now()) {
            continue;
        }
        let wish = request::wish_of(&desk, state.id)?;
        rows.push((state, wish));
    }
    context.output.rows("no requests", rows, |(state, wish)| {
        let mut value = show::json(state);
        value["wish"] = wish.as_ref().map_or(serde_json::Value::Null, show::json);
        let asked = wish.as_ref().map_or_else(
            || "(what is asked is sealed, or not here yet)".to_owned(),
            |wish| {
                let classes: Vec<_> = wish.classes.iter().map(|class| class.name()).collect();
                format!(
                    "{} for {}: {}",
                    classes.join(","),
                    show::word(&wish.purpose),
                    wish.words
                )
            },
        );
        let other = if state.patient == account {
            format!("from {}", show::short(state.requester))
        } else {
            format!("to {}", show::short(state.patient))
        };
        (
            value,
            format!(
                "{}  {}  {other}  {asked}",
                state.id,
                status(state, system::now())
            ),
        )
    })
}

fn is_open(state: &RequestState, now: Millis) -> bool {
    state.status == RequestStatus::Open && state.expires > now
}

fn status(state: &RequestState, now: Millis) -> &'static str {
    match state.status {
        RequestStatus::Open if state.expires <= now => "expired",
        RequestStatus::Open => "open   ",
        RequestStatus::Denied(_) => "denied ",
        RequestStatus::Granted(_) => "granted",
    }
}

/// The line for a request whose letter is not here.
pub(super) fn no_wish(id: OperationId) -> Fault {
    Fault::new(
        Exit::NotFound,
        format!(
            "there is no request {id} to this patient, or its letter is not here yet; `medshare request list` shows them"
        ),
    )
}
