//! `medshare wallet`: the patient's own device.

mod guards;
mod recover;
mod restore;

use base::{AccountId, Action, OperationId, RecordId, operation::Role};
use clap::Subcommand;
use ledger::{Notice, Record};
use qrcode::{EcLevel, QrCode, render::unicode};
use serde_json::json;
use share::{Node as _, accept, bag, card::Card};
use std::{collections::BTreeSet, time::Duration};

use super::{
    agent::watch,
    contact,
    context::{Context, Entered},
    kept::Kept,
    operation::parse_id,
    page::parse_page,
    party::{Event, round},
    show,
};
use crate::{
    exit::{Exit, Fault, Result},
    http::Address,
    stop::Stop,
    system::{self, OsRng},
};

/// Verbs of the wallet.
#[derive(Subcommand, Debug)]
pub enum WalletCommand {
    /// Accept what listed hospitals publish and take letters in, until SIGTERM or SIGINT
    #[command(after_help = "\
Examples:
  medshare wallet run --home ~/wallet --passphrase-file pass.txt
  medshare wallet run --page 127.0.0.1:7480 --home ~/wallet

--page serves the patient's own page, on this machine only, and prints a link to it that is
good once.")]
    Run {
        /// Do what waits, then end
        #[arg(long)]
        once: bool,
        /// Serve the patient's own page as well: 127.0.0.1:port, 0 for any
        #[arg(long, value_name = "ADDRESS", conflicts_with = "once", value_parser = parse_page)]
        page: Option<Address>,
    },
    /// Show this patient's card to a hospital, face to face: text and QR code
    #[command(after_help = "\
Examples:
  medshare wallet card --qr --home ~/wallet
  medshare wallet card --for 9b2e… --home ~/wallet

Who holds the card can seal records to this patient and can tell the class of her scopes;
it opens nothing. It is good for ten minutes. --for puts the hospital on the list.")]
    Card {
        /// Draw the QR code as well
        #[arg(long)]
        qr: bool,
        /// Put this hospital on the list: `wallet run` accepts what it publishes
        #[arg(long = "for", value_name = "ACCOUNT")]
        hospital: Option<String>,
    },
    /// The hospitals on the list
    #[command(subcommand)]
    Hospital(HospitalCommand),
    /// Print who did what with this patient's data, and when
    Log,
    /// Store the key bag at the node and log its version
    #[command(after_help = "Example:\n  medshare wallet backup --home ~/wallet")]
    Backup,
    /// Make a wallet again from the backup phrase and the key bag at the node
    #[command(after_help = "\
Example:
  medshare wallet restore --phrase-file phrase.txt --home ~/wallet --node unix:/run/m.sock")]
    Restore(restore::RestoreArgs),
    /// Name guardians who together can bring this account back, in place of those before
    #[command(after_help = "\
Example:
  medshare wallet guard --guardian 9b2e… --guardian 77aa… --guardian 4f1c… --threshold 2 \\
      --delay 7d --phrase-file phrase.txt --home ~/wallet

Each guardian keeps a share of the backup phrase; fewer than the threshold learn nothing,
the threshold together can do everything. Choose people who do not act together.")]
    Guard(guards::GuardArgs),
    /// Print whom this patient named as guardians, and how it stands
    Guardians,
    /// End that: nobody can recover this account any more
    Unguard,
    /// Object to a recovery that this patient did not ask for
    #[command(after_help = "Example:\n  medshare wallet object --home ~/wallet")]
    Object {
        /// The recovery [default: the one that waits]
        #[arg(value_parser = parse_id)]
        recovery: Option<OperationId>,
    },
    /// Start again on an empty home with the help of guardians
    #[command(subcommand)]
    Recover(recover::RecoverCommand),
}

/// Verbs of the list.
#[derive(Subcommand, Debug)]
pub enum HospitalCommand {
    /// Put a hospital on the list
    Add {
        /// The hospital
        hospital: String,
    },
    /// Take a hospital off the list
    Remove {
        /// The hospital
        hospital: String,
    },
    /// Print the list
    List,
}

/// Runs the verb.
///
/// # Errors
/// By the exit-code table.
pub fn run(command: WalletCommand, context: &Context) -> Result<()> {
    match command {
        WalletCommand::Run { once: true, .. } => {
            let entered = context.enter(&[Role::Patient])?;
            for event in wallet_round(&entered, &mut Waiting::default())? {
                event.print(&context.output)?;
            }
            Ok(())
        }
        WalletCommand::Run { once: false, page } => {
            if let Some(address) = page {
                context.open_home()?.require(&[Role::Patient])?;
                return super::page::run_at(&address, context);
            }
            let unlocked = context.unlock(&[Role::Patient])?;
            let pause = Duration::from_millis(context.config.wallet.poll_milliseconds.into());
            let kept = Kept::new(unlocked, context.patience)?;
            let mut waiting = Waiting::default();
            watch(&kept, context, &Stop::on_signals()?, pause, |entered| {
                wallet_round(entered, &mut waiting)
            })
        }
        WalletCommand::Card { qr, hospital } => card(qr, hospital.as_deref(), context),
        WalletCommand::Hospital(command) => hospital(command, context),
        WalletCommand::Log => log(context),
        WalletCommand::Backup => {
            let entered = context.enter(&[Role::Patient])?;
            let version = bag::backup(&entered.wallet()?, &mut OsRng)?;
            context.output.data(
                &json!({"bag": version, "outcome": "ok"}),
                format!("key bag version {version} is at the node; the phrase opens it"),
            )
        }
        WalletCommand::Restore(args) => restore::run(&args, context),
        WalletCommand::Guard(args) => guards::guard(&args, context),
        WalletCommand::Guardians => guards::list(context),
        WalletCommand::Unguard => guards::unguard(context),
        WalletCommand::Object { recovery } => guards::object(recovery, context),
        WalletCommand::Recover(command) => recover::run(command, context),
    }
}

/// One round of a patient's wallet: [`round`], and what hospitals on her list published is
/// accepted.
///
/// # Errors
/// As [`round`].
pub(super) fn wallet_round(entered: &Entered, waiting: &mut Waiting) -> Result<Vec<Event>> {
    let done = accept_what_waits(entered, waiting);
    if done.is_err() {
        *waiting = Waiting::default();
    }
    done
}

fn accept_what_waits(entered: &Entered, waiting: &mut Waiting) -> Result<Vec<Event>> {
    let mut events = round(entered)?;
    let wallet = entered.wallet()?;
    let records = waiting.look(entered, wallet.patient)?;
    let mut open = BTreeSet::new();
    if entered.session.identity.ward.is_none() {
        for caught in accept::catch_up_among(&wallet, &records, &mut OsRng)? {
            if caught.1.is_err() {
                open.insert(caught.0);
            }
            events.push(learnt(caught));
        }
    }
    let listed = wallet.hospitals()?;
    for record in records {
        if record.pending.is_none() || record.is_erased() {
            continue;
        }
        open.insert(record.id);
        if !listed.contains(&record.hospital) {
            continue;
        }
        let id = record.id.to_string();
        let event = match accept::accept(&wallet, record.id, &mut OsRng) {
            Ok(sent) => {
                open.remove(&record.id);
                Event::new(
                    "accepted",
                    format!("record {id} accepted"),
                    json!({"record": id, "operation": sent.id.to_string()}),
                )
            }
            Err(error) => not_accepted(entered, record.id, error)?,
        };
        events.push(event);
    }
    waiting.open = open;
    // The list of hospitals may have changed since the last key was made.
    if entered.node.account(wallet.patient)?.is_some() {
        bag::sync(&wallet, &mut OsRng)?;
    }
    Ok(events)
}

/// Her records that want something of the wallet: found once among all of them, then as the
/// log grows, so that a round costs what is new and not what there is.
#[derive(Default)]
pub(super) struct Waiting {
    /// Leaves that were looked at; none before the first round.
    leaves: u64,
    open: BTreeSet<RecordId>,
}

impl Waiting {
    /// Those that waited before and those that something was logged about since.
    fn look(&mut self, entered: &Entered, patient: AccountId) -> Result<Vec<Record>> {
        let node = &entered.node;
        let size = node.head()?.header.tree_size;
        let seen = std::mem::replace(&mut self.leaves, size);
        if seen == 0 || size < seen || size - seen > MOST || self.open.len() as u64 > MOST {
            return Ok(node.records_of(patient)?);
        }
        let mut at = seen;
        while at < size {
            let leaves = node.leaves(at, u32::try_from(size - at).unwrap_or(u32::MAX))?;
            if leaves.is_empty() {
                break; // the next head shows whether there are more
            }
            at += leaves.len() as u64;
            self.open.extend(
                leaves
                    .iter()
                    .filter_map(|leaf| match &leaf.operation.body.action {
                        Action::Publish(publish) => {
                            (publish.patient == patient).then_some(publish.record)
                        }
                        Action::Modify(modify) => Some(modify.record),
                        Action::Accept(accept) => Some(accept.record),
                        Action::Rewrap(rewrap) => Some(rewrap.record),
                        _ => None,
                    }),
            );
        }
        self.leaves = at;
        let mut records = Vec::new();
        for id in &self.open {
            records.extend(node.record(*id)?.filter(|record| record.patient == patient));
        }
        Ok(records)
    }
}

/// With more to look at one by one, all of her records are asked for.
const MOST: u64 = 500;

/// What became of records that the ledger has as accepted and the wallet did not know.
fn learn_again(entered: &Entered) -> Result<Vec<Event>> {
    let caught = accept::catch_up(&entered.wallet()?, &mut OsRng)?;
    Ok(caught.into_iter().map(learnt).collect())
}

fn learnt((id, outcome): accept::CaughtUp) -> Event {
    match outcome {
        Ok(()) => Event::new(
            "learnt",
            format!("record {id} is known again"),
            json!({"record": id.to_string()}),
        ),
        Err(error) => Event::new(
            "not-learnt",
            format!("accepted record {id} cannot be read: {error}"),
            json!({"record": id.to_string(), "message": error.to_string()}),
        ),
    }
}

/// What does not hold is rejected with its code; what is only away is tried again.
fn not_accepted(entered: &Entered, record: RecordId, error: accept::AcceptError) -> Result<Event> {
    use base::operation::RejectCode;
    let code = error.code();
    let message = error.to_string();
    let fault = Fault::from(error);
    if matches!(
        fault.exit,
        Exit::Unreachable | Exit::Storage | Exit::Busy | Exit::Forked | Exit::Home
    ) {
        return Err(fault);
    }
    let rejected = match code {
        Some(code) if code != RejectCode::Unavailable => {
            accept::reject(&entered.wallet()?, record, code)?;
            true
        }
        _ => false,
    };
    Ok(Event::new(
        if rejected { "rejected" } else { "waiting" },
        format!(
            "record {record} {}: {message}",
            if rejected { "rejected" } else { "not accepted" }
        ),
        json!({"record": record.to_string(), "message": message}),
    ))
}

fn card(qr: bool, hospital: Option<&str>, context: &Context) -> Result<()> {
    let home = context.open_home()?;
    home.require(&[Role::Patient])?;
    let keys = context.keys(&home)?;
    let text = match hospital {
        None => {
            let session = home.enter(&keys, context.patience)?;
            let identity = &session.identity;
            Card::show(
                &identity.party,
                identity.patient()?,
                system::now(),
                &mut OsRng,
            )
        }
        Some(typed) => {
            drop(keys);
            let entered = context.enter(&[Role::Patient])?;
            let id = contact::resolve(&entered.session.vault, typed)?;
            list_hospital(&entered, id)?;
            let identity = &entered.session.identity;
            Card::show(
                &identity.party,
                identity.patient()?,
                system::now(),
                &mut OsRng,
            )
        }
    };
    context
        .output
        .data(&json!({"card": text.as_str()}), text.as_str())?;
    if qr {
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L)
            .map_err(|error| Fault::new(Exit::Internal, format!("drawing the code: {error}")))?;
        context
            .output
            .talk(code.render::<unicode::Dense1x2>().quiet_zone(true).build());
    }
    Ok(())
}

fn list_hospital(entered: &Entered, id: AccountId) -> Result<()> {
    let account = entered
        .node
        .account(id)?
        .ok_or_else(|| super::account::unknown(id))?;
    if account.role != Role::Hospital {
        return Err(Fault::new(
            Exit::Invalid,
            format!("{id} is not a hospital's account"),
        ));
    }
    entered.wallet()?.list_hospital(id, system::now())?;
    Ok(())
}

fn hospital(command: HospitalCommand, context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let vault = &entered.session.vault;
    match command {
        HospitalCommand::Add { hospital } => {
            let id = contact::resolve(vault, &hospital)?;
            list_hospital(&entered, id)?;
            context.output.data(
                &json!({"hospital": id.to_string(), "listed": true}),
                format!("{id} is on the list"),
            )
        }
        HospitalCommand::Remove { hospital } => {
            let id = contact::resolve(vault, &hospital)?;
            let wallet = entered.wallet()?;
            if !wallet.hospitals()?.contains(&id) {
                return Err(Fault::new(
                    Exit::NotFound,
                    format!("{id} is not on the list; `medshare wallet hospital list` shows it"),
                ));
            }
            wallet.unlist_hospital(id)?;
            context.output.data(
                &json!({"hospital": id.to_string(), "listed": false}),
                format!("{id} is off the list"),
            )
        }
        HospitalCommand::List => {
            let listed = entered.wallet()?.hospitals()?;
            context.output.rows("no hospitals yet", listed, |id| {
                (json!({"hospital": id.to_string()}), id.to_string())
            })
        }
    }
}

fn log(context: &Context) -> Result<()> {
    let entered = context.enter(&[Role::Patient])?;
    let wallet = entered.wallet()?;
    let known = wallet.records()?;
    let notices: Vec<Notice> = entered
        .node
        .list(&format!("/v1/accounts/{}/notices", wallet.patient))?;
    context.output.rows(
        "nobody has used this patient's data",
        notices,
        |notice| match notice {
            Notice::Query(query) => {
                let class = known
                    .iter()
                    .find(|(id, _)| *id == query.record)
                    .and_then(|(_, known)| known.parts.get(query.part as usize))
                    .map_or("?", |part| part.cover.class.name());
                let mut value = show::json(query);
                value["class"] = json!(class);
                value["kind"] = json!("query");
                let verdict = query.review.map_or("not reviewed".to_owned(), |review| {
                    show::word(&review.verdict)
                });
                (
                    value,
                    format!(
                        "{}  query      {} read {class} of record {} through agent {} ({verdict})",
                        query.time,
                        show::short(query.querier),
                        show::short(query.record),
                        show::short(query.agent)
                    ),
                )
            }
            Notice::Emergency {
                id,
                hospital,
                code,
                time,
            } => (
                emergency_json(*id, *hospital, &show::word(code), time.to_string()),
                format!(
                    "{time}  EMERGENCY  {} broke the glass ({})",
                    show::short(hospital),
                    show::word(code)
                ),
            ),
            Notice::Recovery(recovery) => guards::notice(recovery),
        },
    )
}

fn emergency_json(
    id: OperationId,
    hospital: AccountId,
    code: &str,
    time: String,
) -> serde_json::Value {
    json!({"kind": "emergency", "id": id.to_string(), "hospital": hospital.to_string(), "code": code, "time": time})
}
