//! `medshare record open`: the patient by herself, a requester through agents.
//!
//! Every part goes to a nameless file of its own in the folder of the target; the target is made of them after every check and takes its place last.

use base::{AccountId, CapsuleId, Millis, OperationId, RecordId, operation::Role};
use clap::Args;
use ledger::{Grant, Record};
use serde_json::{Value, json};
use share::{
    Node as _,
    letter::Answer,
    open::{self, OpenError},
    part::OpenedPart,
    record::{covers, place},
    scheme::sid_of,
};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    context::{Context, Entered},
    operation::parse_id,
    own::{self, no_record},
    party::{parse_span, round},
    record::accepted,
};
use crate::{
    exit::{Exit, Fault, Result},
    fhir,
    files::{self, Existing, Pending},
    stop::Stop,
    system::{self, OsRng},
};

/// What `open` takes.
#[derive(Args, Debug)]
pub struct OpenArgs {
    /// The record
    record: RecordId,
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Only this part (repeatable)
    #[arg(long = "part", value_name = "INDEX")]
    parts: Vec<u32>,
    /// Under this grant [default: any live one that covers the part]
    #[arg(long, value_parser = parse_id)]
    grant: Option<OperationId>,
    /// Through this agent [default: the grant's first; others after a failure]
    #[arg(long, value_name = "ACCOUNT")]
    agent: Option<AccountId>,
    /// How long to wait for agents
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = parse_span)]
    wait: u64,
    /// Ask even where this home can see that the agent must refuse
    #[arg(long)]
    ask_anyway: bool,
}

/// Opens the record.
///
/// # Errors
/// By the exit-code table; nothing is left at the target then.
pub fn run(args: &OpenArgs, context: &Context) -> Result<()> {
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    files::check_free(&args.output, existing)?;
    let entered = context.enter(&[Role::Patient, Role::Requester, Role::Hospital])?;
    let opened = match entered.home.facts.role {
        Role::Patient => open_own(args, &entered, context)?,
        _ => open_granted(args, &entered, context)?,
    };
    let target = write_target(args, &opened, existing)?;
    let queries: Vec<String> = opened
        .iter()
        .filter_map(|part| part.query)
        .map(|id| id.to_string())
        .collect();
    let parts: Vec<Value> = opened
        .iter()
        .map(|part| {
            json!({
                "part": part.index,
                "class": part.content.class.name(),
                "media_type": part.content.media_type,
                "bytes": part.content.length,
                "sha256": part.content.digest.to_string(),
                "query": part.query.map(|id| id.to_string()),
            })
        })
        .collect();
    let hospital = opened
        .first()
        .map(|part| part.content.hospital().to_string());
    let mut text = format!(
        "opened {} part(s) as {} in {}",
        opened.len(),
        target.name(),
        args.output.display()
    );
    if let Some(hospital) = &hospital {
        text.push_str(&format!("\nsigned by        {hospital}"));
    }
    for query in &queries {
        text.push_str(&format!("\nquery            {query}"));
    }
    let value = json!({
        "record": args.record.to_string(),
        "file": args.output.display().to_string(),
        "form": target.name(),
        "hospital": hospital,
        "parts": parts,
        "queries": queries,
        "outcome": "ok",
    });
    context.output.data(&value, text)
}

/// An opened part in a file that vanishes when this is dropped.
struct OpenPart {
    index: u32,
    content: OpenedPart,
    query: Option<OperationId>,
    file: File,
}

impl OpenPart {
    /// A file without a name in the target's folder, for its owner alone: however this
    /// process ends, its bytes are gone with it.
    fn file(args: &OpenArgs) -> Result<File> {
        tempfile::tempfile_in(files::folder(&args.output))
            .map_err(|error| Fault::io(args.output.display(), &error))
    }

    fn reader(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// A sink that tells a full disk from a part that does not hold.
struct Sink<'a> {
    file: &'a mut File,
    failed: Option<io::Error>,
    bar: &'a indicatif::ProgressBar,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Ok(length) => {
                self.bar.inc(length as u64);
                Ok(length)
            }
            Err(error) => {
                self.failed = Some(io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Runs `open` into a private file of the part.
fn into_file<E: Into<Fault>>(
    args: &OpenArgs,
    context: &Context,
    open: impl FnOnce(&mut Sink<'_>) -> std::result::Result<OpenedPart, E>,
) -> Result<(OpenedPart, File)> {
    let mut file = OpenPart::file(args)?;
    let bar = context.output.bytes_bar("opening", 0);
    let mut sink = Sink {
        file: &mut file,
        failed: None,
        bar: &bar,
    };
    let opened = open(&mut sink);
    let failed = sink.failed.take();
    bar.finish_and_clear();
    match (opened, failed) {
        (_, Some(error)) => Err(Fault::io(args.output.display(), &error)),
        (Ok(content), None) => Ok((content, file)),
        (Err(error), None) => Err(error.into()),
    }
}

// -- the patient

fn open_own(args: &OpenArgs, entered: &Entered, context: &Context) -> Result<Vec<OpenPart>> {
    let wallet = entered.wallet()?;
    own::record(entered, args.record)?;
    let (found, _) = accepted(entered, args.record)?;
    wanted(args, &found)
        .map(|index| {
            let (content, file) = into_file(args, context, |sink| {
                open::open_own(&wallet, args.record, index, sink)
            })?;
            Ok(OpenPart {
                index,
                content,
                query: None,
                file,
            })
        })
        .collect()
}

fn wanted<'a>(args: &'a OpenArgs, record: &'a Record) -> impl Iterator<Item = u32> + 'a {
    let all = record.parts.iter().map(|part| part.part);
    let named = args.parts.iter().copied();
    let chosen: Vec<u32> = if args.parts.is_empty() {
        all.collect()
    } else {
        named.collect()
    };
    chosen.into_iter()
}

// -- a requester

/// One part that is asked for: under which grant, of which agents.
struct Wanted {
    index: u32,
    grant: OperationId,
    agents: Vec<AccountId>,
}

fn open_granted(args: &OpenArgs, entered: &Entered, context: &Context) -> Result<Vec<OpenPart>> {
    talk_round(entered, context)?;
    own::granted(entered, args.record)?;
    let (record, _) = accepted(entered, args.record)?;
    let wanted = plan(args, entered, &record)?;
    let until = Instant::now() + Duration::from_millis(args.wait);
    let mut opened = Vec::new();
    let bar = context.output.steps_bar("asking", wanted.len() as u64);
    // All asks go out first: agents work while the first answers are opened.
    for part in &wanted {
        if answer_to(entered, &record, part)?.is_none()
            && let Some(agent) = part.agents.first()
        {
            ask(entered, args, part, *agent)?;
        }
    }
    for mut part in wanted {
        opened.push(open_one(args, entered, context, &record, &mut part, until)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(opened)
}

fn talk_round(entered: &Entered, context: &Context) -> Result<()> {
    for event in round(entered)? {
        context.output.talk(event.text);
    }
    Ok(())
}

/// Which part under which grant: those whose scope key is held here.
fn plan(args: &OpenArgs, entered: &Entered, record: &Record) -> Result<Vec<Wanted>> {
    let desk = entered.desk();
    let held: Vec<_> = open::grants(&desk)?
        .into_iter()
        .filter(|(_, patient, _)| *patient == record.patient)
        .map(|(grant, _, scope)| (grant, sid_of(&scope)))
        .collect();
    let now = system::now();
    let mut plan = Vec::new();
    let mut last = None;
    for part in &record.parts {
        if !args.parts.is_empty() && !args.parts.contains(&part.part) {
            continue;
        }
        let mut usable = None;
        for (grant, sid) in &held {
            if *sid != part.sid || args.grant.is_some_and(|only| only != *grant) {
                continue;
            }
            let Some(state) = entered.node.grant(*grant)? else {
                continue;
            };
            let live =
                check_grant(&state, now).and_then(|()| check_count(entered, &state, part.ctid));
            match live {
                Err(fault) if !args.ask_anyway => last = Some(fault),
                _ => usable = Some(state),
            }
        }
        match usable {
            Some(state) => {
                let agents = match args.agent {
                    Some(agent) => vec![agent],
                    None => open::trusted(&desk, part.sid, state.terms.agents)?,
                };
                if agents.is_empty() {
                    return Err(no_agent_left(state.id));
                }
                plan.push(Wanted {
                    index: part.part,
                    grant: state.id,
                    agents,
                });
            }
            None if !args.parts.is_empty() => {
                return Err(last.unwrap_or_else(|| not_granted(args.record, part.part)));
            }
            None => {}
        }
    }
    if plan.is_empty() {
        // No key here: a grant that was revoked or has expired took its keys with it.
        return Err(match last {
            Some(fault) => fault,
            None => ended(args, entered, record, now)?.unwrap_or_else(|| no_record(args.record)),
        });
    }
    Ok(plan)
}

/// Why a grant of this account for the record's patient no longer serves.
fn ended(
    args: &OpenArgs,
    entered: &Entered,
    record: &Record,
    now: Millis,
) -> Result<Option<Fault>> {
    let me = entered.session.identity.account();
    for grant in entered.node.grants_of(me)? {
        let covers = record
            .parts
            .iter()
            .any(|part| grant.terms.sids.contains(&part.sid));
        let named = args.grant.is_none_or(|only| only == grant.id);
        if grant.patient == record.patient
            && grant.requester == me
            && covers
            && named
            && let Err(fault) = check_grant(&grant, now)
        {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

/// [`Exit::Refused`] saying why, where a grant does not serve now.
pub(crate) fn check_grant(grant: &Grant, now: Millis) -> Result<()> {
    let refuse = |why: String| {
        Err(Fault::new(
            Exit::Refused,
            format!("grant {}: {why}", grant.id),
        ))
    };
    if let Some(time) = grant.revoked {
        return refuse(format!("the patient revoked it at {time}"));
    }
    if now >= grant.terms.expires {
        return refuse(format!("it expired at {}", grant.terms.expires));
    }
    if now < grant.terms.not_before {
        return refuse(format!("it starts at {}", grant.terms.not_before));
    }
    Ok(())
}

/// A capsule that counted already may be asked for again; a new one needs room.
fn check_count(entered: &Entered, grant: &Grant, ctid: CapsuleId) -> Result<()> {
    if grant.used < grant.terms.max_queries {
        return Ok(());
    }
    let counted = entered
        .node
        .queries_of(grant.id)?
        .iter()
        .any(|query| query.ctid == ctid);
    if counted {
        return Ok(());
    }
    Err(Fault::new(
        Exit::Refused,
        format!(
            "grant {}: its {} queries are used up; ask the patient for a new one",
            grant.id, grant.terms.max_queries
        ),
    ))
}

fn no_agent_left(grant: OperationId) -> Fault {
    Fault::new(
        Exit::Refused,
        format!(
            "grant {grant}: an answer of each of its agents did not open; the patient was told, ask her for a grant through another agent"
        ),
    )
}

fn not_granted(record: RecordId, part: u32) -> Fault {
    Fault::new(
        Exit::NotFound,
        format!("part {part} of record {record} is not granted to this account"),
    )
}

fn ask(entered: &Entered, args: &OpenArgs, part: &Wanted, agent: AccountId) -> Result<()> {
    let expires = system::now().plus(args.wait.max(ASK_VALID));
    open::ask(
        &entered.desk(),
        part.grant,
        args.record,
        part.index,
        agent,
        expires,
        &mut OsRng,
    )?;
    Ok(())
}

/// The answer that is here already for this part of the accepted state.
fn answer_to(entered: &Entered, record: &Record, part: &Wanted) -> Result<Option<Answer>> {
    let desk = entered.desk();
    for answer in open::answers(&desk)? {
        let query = entered.node.query(answer.query)?;
        let fits = query.is_some_and(|query| {
            query.record == record.id
                && query.part == part.index
                && query.grant == part.grant
                && Some(query.state) == record.accepted
        });
        if fits {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

fn open_one(
    args: &OpenArgs,
    entered: &Entered,
    context: &Context,
    record: &Record,
    part: &mut Wanted,
    until: Instant,
) -> Result<OpenPart> {
    let desk = entered.desk();
    loop {
        let answer = wait_for(entered, context, record, part, until)?;
        let mut lied = false;
        let opened = into_file(args, context, |sink| {
            open::open(&desk, &answer, sink)
                .map(|opened| opened.content)
                .inspect_err(|error| {
                    lied = matches!(error, OpenError::DoesNotOpen);
                })
        });
        match opened {
            Ok((content, file)) => {
                return Ok(OpenPart {
                    index: part.index,
                    content,
                    query: Some(answer.query),
                    file,
                });
            }
            Err(fault) if lied => {
                // The patient hears of it, and nobody else; then the next agent is asked.
                open::report(&desk, &answer, &mut OsRng)?;
                if !part.agents.is_empty() {
                    part.agents.remove(0);
                }
                match part.agents.first() {
                    Some(next) => ask(entered, args, part, *next)?,
                    None => return Err(fault),
                }
            }
            Err(fault) => return Err(fault),
        }
    }
}

fn wait_for(
    entered: &Entered,
    context: &Context,
    record: &Record,
    part: &Wanted,
    until: Instant,
) -> Result<Answer> {
    loop {
        if let Some(answer) = answer_to(entered, record, part)? {
            return Ok(answer);
        }
        if Instant::now() >= until {
            let agent = part
                .agents
                .first()
                .map_or_else(String::new, |agent| format!(" {agent}"));
            return Err(Fault::new(
                Exit::Pending,
                format!(
                    "agent{agent} has not answered for part {} yet; it may be away or refuse. Repeat the command, or raise --wait",
                    part.index
                ),
            ));
        }
        std::thread::sleep(POLL);
        talk_round(entered, context)?;
    }
}

// -- the target

/// What the target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Original,
    Extract,
    Part,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Original => "the original",
            Self::Extract => "an extract",
            Self::Part => "one part",
        }
    }
}

fn write_target(args: &OpenArgs, parts: &[OpenPart], existing: Existing) -> Result<Form> {
    let io = |error: io::Error| Fault::io(args.output.display(), &error);
    // From here to the rename the target has a name; a signal waits until it is in place.
    let _signals = Stop::on_signals()?;
    let mut pending = Pending::new(&args.output)?;
    let layouts: Vec<_> = parts.iter().map(|part| &part.content.layout).collect();
    let all = parts
        .first()
        .is_some_and(|part| part.content.manifest.parts.len() == parts.len());
    let form = if all && covers(&layouts).is_some() {
        for part in parts {
            place(
                &mut part.reader().map_err(io)?,
                &part.content.layout,
                pending.file(),
            )
            .map_err(|error| {
                Fault::new(Exit::Storage, format!("{}: {error}", args.output.display()))
            })?;
        }
        Form::Original
    } else if parts
        .iter()
        .any(|part| part.content.media_type == fhir::FHIR_ENTRIES)
    {
        let mut bytes = Vec::new();
        for part in parts {
            let mut content = Vec::new();
            part.reader()
                .and_then(|mut file| file.read_to_end(&mut content))
                .map_err(io)?;
            bytes.push((part.content.media_type.as_str(), content));
        }
        let slices: Vec<_> = bytes.iter().map(|(k, b)| (*k, &b[..])).collect();
        let extract = fhir::extract(&slices).map_err(|error| {
            Fault::new(Exit::Invalid, format!("no extract can be made: {error}"))
        })?;
        pending.file().write_all(&extract).map_err(io)?;
        Form::Extract
    } else if let [part] = parts {
        io::copy(&mut part.reader().map_err(io)?, pending.file()).map_err(io)?;
        Form::Part
    } else {
        return Err(Fault::new(
            Exit::Usage,
            "these parts do not make one file; open them one by one with --part",
        ));
    };
    pending.keep(existing)?;
    Ok(form)
}

const POLL: Duration = Duration::from_millis(100);
/// An ask stays good at least this long, milliseconds.
const ASK_VALID: u64 = 10 * 60 * Millis::SECOND;
