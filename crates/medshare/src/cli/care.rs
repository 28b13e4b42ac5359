//! `medshare review`, `emergency`, `dispute`, `delegate` and `scope`.

use base::{
    AccountId, Millis, OperationId, RecordId, ScopeId,
    operation::{DisputeCode, EmergencyCode, Power, Resolution, Resolve, Role, Subject, Verdict},
};
use clap::{Args, Subcommand, ValueEnum};
use ledger::{Delegation, DisputeState};
use serde_json::json;
use share::{
    Node as _, account, dispute, emergency,
    letter::{Evidence, Letter, OpenFailure},
    post, review, rotate,
};
use std::collections::BTreeMap;

use super::{
    contact,
    context::{Context, Entered},
    operation::{parse_id, report, send},
    output::usage,
    own,
    party::parse_span,
    record::ANYBODY,
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    home::identity::Identity,
    system::{self, OsRng},
};

// -- review

/// What `review` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  medshare review bafyrei… --verdict accepted --home ~/institute

An answer that does not open is no verdict: `record open` tells the patient of it.")]
pub struct ReviewArgs {
    /// The query that was opened
    #[arg(value_parser = parse_id)]
    query: OperationId,
    /// What you found
    #[arg(long, value_enum)]
    verdict: VerdictArg,
    /// Evidence that stays in this home; the ledger gets a commitment
    #[arg(long)]
    words: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerdictArg {
    Accepted,
    NotAsRequested,
    PoorQuality,
    Fabricated,
}

impl From<VerdictArg> for Verdict {
    fn from(verdict: VerdictArg) -> Self {
        match verdict {
            VerdictArg::Accepted => Self::Accepted,
            VerdictArg::NotAsRequested => Self::NotAsRequested,
            VerdictArg::PoorQuality => Self::PoorQuality,
            VerdictArg::Fabricated => Self::Fabricated,
        }
    }
}

/// Logs a verdict.
///
/// # Errors
/// By the exit-code table.
pub fn run_review(args: &ReviewArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Requester, Role::Hospital])?;
    own::query(&entered, args.query)?;
    let sent = review::review(
        &entered.desk(),
        args.query,
        args.verdict.into(),
        args.words.as_deref(),
        &mut OsRng,
    )?;
    let minted = entered
        .node
        .query(args.query)?
        .and_then(|query| query.review)
        .map_or(0, |review| review.minted);
    report(
        &context.output,
        "reviewed",
        &sent,
        &[
            ("query", json!(args.query.to_string())),
            ("minted", json!(minted)),
        ],
    )
}

// -- emergency

/// What `emergency` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  medshare emergency e7fa… --code unresponsive --home ~/hospital

The patient is told, and it is counted. It opens grants for emergencies for 24 hours.")]
pub struct EmergencyArgs {
    /// The patient
    patient: String,
    /// Why
    #[arg(long, value_enum)]
    code: EmergencyArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EmergencyArg {
    Unresponsive,
    Urgent,
    BreakTheGlass,
}

/// Declares an emergency.
///
/// # Errors
/// By the exit-code table.
pub fn run_emergency(args: &EmergencyArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Hospital])?;
    let patient = contact::resolve(&entered.session.vault, &args.patient)?;
    let code = match args.code {
        EmergencyArg::Unresponsive => EmergencyCode::Unresponsive,
        EmergencyArg::Urgent => EmergencyCode::Urgent,
        EmergencyArg::BreakTheGlass => EmergencyCode::BreakTheGlass,
    };
    let sent = emergency::emergency(&entered.desk(), patient, code)?;
    report(
        &context.output,
        "emergency declared; the patient is told",
        &sent,
        &[("patient", json!(patient.to_string()))],
    )
}

// -- dispute

/// Verbs of disputes.
#[derive(Subcommand, Debug)]
pub enum DisputeCommand {
    /// Complain about a record or a query; the evidence is sealed to an arbiter
    #[command(after_help = "\
Example:
  medshare dispute open --record 5c1b… --code fabrication --arbiter 9b2e… --words '…'
  medshare dispute open --query bafyrei… --code lying-agent --arbiter 9b2e… --home ~/wallet")]
    Open(OpenArgs),
    /// Print every dispute
    List,
    /// An arbiter checks the evidence that was sealed to this home
    Examine {
        /// The dispute
        #[arg(value_parser = parse_id)]
        dispute: OperationId,
    },
    /// A validator proposes how a dispute ends
    Resolve {
        /// The dispute
        #[arg(value_parser = parse_id)]
        dispute: OperationId,
        /// The decision
        #[arg(long, value_enum)]
        resolution: ResolutionArg,
    },
}

/// What `dispute open` takes.
#[derive(Args, Debug)]
pub struct OpenArgs {
    /// About this record
    #[arg(long, value_name = "RECORD", required_unless_present = "query")]
    record: Option<RecordId>,
    /// About this query
    #[arg(long, value_name = "QUERY", value_parser = parse_id, conflicts_with = "record")]
    query: Option<OperationId>,
    /// What is claimed
    #[arg(long, value_enum)]
    code: DisputeArg,
    /// Who gets the evidence: an account of an institution that is no grantee
    #[arg(long, value_name = "ACCOUNT")]
    arbiter: String,
    /// The evidence in words (lying-agent: the audit file is the evidence)
    #[arg(long, default_value = "")]
    words: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum DisputeArg {
    Fabrication,
    LyingAgent,
    WrongPatient,
    Misuse,
}

/// How a dispute ends.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ResolutionArg {
    /// The claim is proven
    Upheld,
    /// It is not
    Dismissed,
}

/// Runs a verb of `dispute`.
///
/// # Errors
/// By the exit-code table.
pub fn run_dispute(command: DisputeCommand, context: &Context) -> Result<()> {
    match command {
        DisputeCommand::Open(args) => open_dispute(&args, context),
        DisputeCommand::List => {
            let all: Vec<DisputeState> = context.anonymous_node()?.list("/v1/disputes")?;
            context.output.rows("no disputes", all, |dispute| {
                let end = dispute.resolution.map_or("open".to_owned(), |(end, time)| {
                    format!("{} {time}", show::word(&end))
                });
                (
                    show::json(dispute),
                    format!(
                        "{}  {} against {}  {end}",
                        dispute.id,
                        show::word(&dispute.code),
                        show::short(dispute.against)
                    ),
                )
            })
        }
        DisputeCommand::Examine { dispute } => examine(dispute, context),
        DisputeCommand::Resolve {
            dispute,
            resolution,
        } => {
            let entered = context.enter(&[Role::Node])?;
            let resolution = match resolution {
                ResolutionArg::Upheld => Resolution::Upheld,
                ResolutionArg::Dismissed => Resolution::Dismissed,
            };
            let sent = send(
                &entered,
                Resolve {
                    dispute,
                    resolution,
                },
            )?;
            report(
                &context.output,
                "resolution proposed",
                &sent,
                &[("dispute", json!(dispute.to_string()))],
            )
        }
    }
}

fn open_dispute(args: &OpenArgs, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient, Role::Hospital, Role::Agent, Role::Requester])?;
    let arbiter = contact::resolve(&entered.session.vault, &args.arbiter)?;
    let subject = match (args.record, args.query) {
        (Some(record), _) => Subject::Record(record),
        (None, Some(query)) => Subject::Query(query),
        (None, None) => return Err(usage("give --record or --query")),
    };
    let sent = if args.code == DisputeArg::LyingAgent {
        let Subject::Query(query) = subject else {
            return Err(usage("a lying agent is disputed about a --query"));
        };
        let failure = failure_of(&entered, query)?;
        dispute::dispute_agent(&entered.wallet()?, &failure, arbiter, &mut OsRng)?
    } else {
        let code = match args.code {
            DisputeArg::Fabrication => DisputeCode::Fabrication,
            DisputeArg::LyingAgent => DisputeCode::LyingAgent,
            DisputeArg::WrongPatient => DisputeCode::WrongPatient,
            DisputeArg::Misuse => DisputeCode::Misuse,
        };
        let evidence = Evidence::Words(args.words.clone());
        dispute::dispute(
            &entered.desk(),
            subject,
            code,
            evidence,
            arbiter,
            &mut OsRng,
        )?
    };
    report(
        &context.output,
        "disputed",
        &sent,
        &[("dispute", json!(sent.id.to_string()))],
    )
}

/// The report of an answer that did not open, as this wallet keeps it.
fn failure_of(entered: &Entered, query: OperationId) -> Result<base::Signed<OpenFailure>> {
    use share::vault::{Table, Vault as _};
    entered
        .session
        .vault
        .list(Table::Distrusted)?
        .into_iter()
        .filter_map(|(_, bytes)| base::codec::decode::<base::Signed<OpenFailure>>(&bytes).ok())
        .find(|failure| failure.body.answer.query == query)
        .ok_or_else(|| {
            Fault::new(
                Exit::NotFound,
                format!("no requester has reported query {query} to this wallet with an answer that was a lie"),
            )
        })
}

fn examine(id: OperationId, context: &Context) -> Result<()> {
    let entered = context.enter(&ANYBODY)?;
    let desk = entered.desk();
    let letters = post::collect(&desk, system::now())?.letters;
    for received in letters {
        let Letter::Evidence(letter) = &received.letter else {
            continue;
        };
        // Letters of other disputes stay where they are.
        let Ok(verdict) = dispute::examine(&desk, id, letter) else {
            continue;
        };
        let words = match &letter.evidence {
            Evidence::Words(words) => words.clone(),
            Evidence::LyingAgent(_) => String::new(),
        };
        let audit = verdict.map(|verdict| verdict == ibpre::AuditVerdict::Lied);
        desk.node.delete_letter(received.name)?;
        return context.output.data(
            &json!({"dispute": id.to_string(), "evidence": "as committed", "lied": audit, "words": words}),
            match audit {
                Some(true) => "the evidence is what the dispute commits to; the audit shows that the agent lied".to_owned(),
                Some(false) => "the evidence is what the dispute commits to; the audit shows that the agent did not lie".to_owned(),
                None => format!("the evidence is what the dispute commits to: {words}"),
            },
        );
    }
    Err(Fault::new(
        Exit::NotFound,
        format!("no evidence for dispute {id} was sealed to this home"),
    ))
}

// -- delegate

/// Verbs of delegation.
#[derive(Subcommand, Debug)]
pub enum DelegateCommand {
    /// A patient lets another account act for her; trust it like yourself
    #[command(after_help = "\
Example:
  medshare delegate give 77aa… --power accept --power authorize --for 1y --home ~/wallet")]
    Give(GiveArgs),
    /// A delegate's home takes what it was given; its wallet verbs act for her from then on
    Take,
    /// A patient ends a delegation
    End {
        /// The delegation
        #[arg(value_parser = parse_id)]
        delegation: OperationId,
    },
    /// Print delegations by or to this home's account
    List,
}

/// What `delegate give` takes.
#[derive(Args, Debug)]
pub struct GiveArgs {
    /// Who shall act: the account of another home of role patient
    delegate: String,
    /// What for (repeatable)
    #[arg(long = "power", value_enum, required = true)]
    powers: Vec<PowerArg>,
    /// How long
    #[arg(long = "for", value_name = "SPAN", default_value = "365d", value_parser = parse_span)]
    duration: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PowerArg {
    Accept,
    Authorize,
    Protect,
}

/// Runs a verb of `delegate`.
///
/// # Errors
/// By the exit-code table.
pub fn run_delegate(command: DelegateCommand, context: &Context) -> Result<()> {
    match command {
        DelegateCommand::Give(args) => {
            let entered = context.enter(&[Role::Patient])?;
            let delegate = contact::resolve(&entered.session.vault, &args.delegate)?;
            let mut powers: Vec<Power> = args
                .powers
                .iter()
                .map(|power| match power {
                    PowerArg::Accept => Power::Accept,
                    PowerArg::Authorize => Power::Authorize,
                    PowerArg::Protect => Power::Protect,
                })
                .collect();
            powers.sort_unstable();
            powers.dedup();
            let expires: Millis = system::now().plus(args.duration);
            let sent =
                account::delegate(&entered.wallet()?, delegate, powers, expires, &mut OsRng)?;
            report(
                &context.output,
                "delegated",
                &sent,
                &[
                    ("delegation", json!(sent.id.to_string())),
                    ("delegate", json!(delegate.to_string())),
                ],
            )
        }
        DelegateCommand::Take => take(context),
        DelegateCommand::End { delegation } => {
            let entered = context.enter(&[Role::Patient])?;
            let sent = account::undelegate(&entered.desk(), delegation)?;
            report(
                &context.output,
                "ended",
                &sent,
                &[("delegation", json!(delegation.to_string()))],
            )
        }
        DelegateCommand::List => {
            let account = context.open_home()?.facts.account;
            let all: Vec<Delegation> = context
                .anonymous_node()?
                .list(&format!("/v1/accounts/{account}/delegations"))?;
            context.output.rows("no delegations", all, |delegation| {
                let end = delegation.ended.map_or_else(
                    || format!("until {}", delegation.expires),
                    |time| format!("ended {time}"),
                );
                (
                    show::json(delegation),
                    format!(
                        "{}  {} acts for {}  {}  {end}",
                        delegation.id,
                        show::short(delegation.delegate),
                        show::short(delegation.patient),
                        show::word(&delegation.powers)
                    ),
                )
            })
        }
    }
}

fn take(context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let desk = entered.desk();
    if entered.session.identity.ward.is_some() || !entered.wallet()?.records()?.is_empty() {
        return Err(Fault::new(
            Exit::Refused,
            "this home has records of its own or acts for somebody already; make another home of role patient",
        ));
    }
    let letters = post::collect(&desk, system::now())?.letters;
    for received in letters {
        let Letter::Delegate(letter) = &received.letter else {
            continue;
        };
        let secrets = account::receive_delegation(&desk, letter)?;
        Identity::take_ward(
            &entered.session.vault,
            letter.patient,
            letter.delegation,
            &secrets,
        )?;
        desk.node.delete_letter(received.name)?;
        return context.output.data(
            &json!({"patient": letter.patient.to_string(), "delegation": letter.delegation.to_string()}),
            format!("this home acts for {} from now on", letter.patient),
        );
    }
    Err(Fault::new(
        Exit::NotFound,
        "nobody has given this account a delegation that needs keys",
    ))
}

// -- scope

/// Verbs of scopes.
#[derive(Subcommand, Debug)]
pub enum ScopeCommand {
    /// Print the scopes of this patient's accepted records
    List,
    /// Retire a scope and re-wrap every record under it
    #[command(after_help = "Example:\n  medshare scope rotate 8f0c… --home ~/wallet")]
    Rotate {
        /// The scope
        sid: ScopeId,
    },
}

/// Runs a verb of `scope`.
///
/// # Errors
/// By the exit-code table.
pub fn run_scope(command: ScopeCommand, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let wallet = entered.wallet()?;
    match command {
        ScopeCommand::List => {
            let mut scopes = BTreeMap::new();
            for (record, known) in wallet.records()? {
                for part in known.parts {
                    let entry = scopes
                        .entry(part.key.sid)
                        .or_insert_with(|| (part.cover, Vec::new()));
                    entry.1.push(record);
                }
            }
            let patient: AccountId = wallet.patient;
            let mut rows = Vec::new();
            for (sid, (cover, records)) in scopes {
                let state = entered.node.scope(patient, sid)?;
                rows.push((sid, cover, records, state));
            }
            context.output.rows(
                "no accepted records yet",
                rows,
                |(sid, cover, records, state)| {
                    let month = cover.epoch.map_or("-".into(), |epoch| epoch.to_string());
                    let grants = state.as_ref().map_or(0, |state| state.grants);
                    let cost = state.as_ref().map_or(0, ledger::ScopeState::cost);
                    let value = json!({
                        "sid": sid.to_string(),
                        "class": cover.class.name(),
                        "month": cover.epoch.map(|epoch| epoch.to_string()),
                        "record": cover.record.map(|record| record.to_string()),
                        "counter": cover.counter,
                        "parts": records.len(),
                        "grants": grants,
                        "budget_used": cost,
                        "budget_limit": entered.home.genesis.policy.hint_limit,
                    });
                    (
                        value,
                        format!(
                            "{sid}  {:<12} {month:<8} {} part(s)  {grants} grant(s)",
                            cover.class.name(),
                            records.len()
                        ),
                    )
                },
            )
        }
        ScopeCommand::Rotate { sid } => {
            let rotated = rotate::rotate(&wallet, sid, &mut OsRng)?;
            let list = |ids: &[RecordId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
            context.output.data(
                &json!({
                    "sid": sid.to_string(),
                    "next": rotated.next.to_string(),
                    "rewrapped": list(&rotated.rewrapped),
                    "waiting": list(&rotated.waiting),
                    "outcome": "ok",
                }),
                format!(
                    "retired          {sid}\nnext             {}\nre-wrapped       {} record(s)\nwaiting          {} record(s) with a pending state",
                    rotated.next,
                    rotated.rewrapped.len(),
                    rotated.waiting.len()
                ),
            )
        }
    }
}
