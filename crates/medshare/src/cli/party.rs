//! What party verbs share: the wallet of a home, one round through the mailbox, and how
//! times and months are typed.

use base::{AccountId, Digest, Epoch, Millis, operation::Role};
use serde_json::{Value, json};
use share::{
    Desk, dispute, follow, journal,
    letter::Letter,
    open, outbox, post, prekey,
    recovery::{claim, keep, watch},
    reencrypt, request, revoke,
    wallet::Wallet,
};

use super::{context::Entered, output::Output};
use crate::{
    exit::{Exit, Fault, Result},
    faults::Waits,
    system::{self, OsRng},
};

impl Entered {
    /// The wallet of the home's patient, or of the patient that the home acts for.
    ///
    /// # Errors
    /// [`Exit::Role`].
    pub fn wallet(&self) -> Result<Wallet<'_>> {
        let identity = &self.session.identity;
        Ok(Wallet::new(
            self.desk(),
            identity.patient()?,
            identity.acts_for(),
        ))
    }
}

/// Something that happened in a round.
#[derive(Clone, Debug)]
pub struct Event {
    /// One JSON object.
    pub json: Value,
    /// One line.
    pub text: String,
}

impl Event {
    /// An event named `what`.
    pub fn new(what: &str, text: impl Into<String>, mut json: Value) -> Self {
        json["event"] = json!(what);
        Self {
            json,
            text: text.into(),
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn print(&self, output: &Output) -> Result<()> {
        output.data(&self.json, &self.text)
    }
}

/// One round: what is left to send goes out, the ledger is followed, the mailbox is
/// emptied, what has ended is destroyed.
///
/// # Errors
/// What stops the whole round; a letter that does not hold is an event, not an error.
pub fn round(entered: &Entered) -> Result<Vec<Event>> {
    let desk = entered.desk();
    follow::advance(&desk)?;
    journal::settle(&desk)?;
    let mut events = Vec::new();
    if let Err(error) = outbox::flush(&desk) {
        let fault = Fault::from(error);
        events.push(Event::new(
            "outbox-waits",
            fault.message.clone(),
            json!({
                "code": fault.exit as u8,
                "name": fault.exit.name(),
                "message": fault.message,
            }),
        ));
    }
    events.extend(recovery_of_own(entered, &desk)?);
    let mail = post::collect(&desk, system::now())?;
    for name in mail.dead {
        desk.node.delete_letter(name)?;
        events.push(Event::new(
            "letter-dropped",
            format!("a letter does not open and was dropped ({name})"),
            json!({"letter": name.to_string()}),
        ));
    }
    let mut waiting = Vec::new();
    for (name, version) in mail.newer {
        waiting.push(name);
        events.push(Event::new(
            "letter-newer",
            format!("a letter waits: {version} ({name})"),
            json!({"letter": name.to_string(), "version": version.found}),
        ));
    }
    for received in mail.letters {
        let (done, event) = take_in(
            entered,
            &desk,
            received.name,
            received.key,
            &received.letter,
        );
        events.extend(event);
        match done {
            Done::Yes => desk.node.delete_letter(received.name)?,
            Done::Waits => waiting.push(received.name),
            Done::No => {}
        }
    }
    for name in post::give_up(&desk, &waiting, system::now())? {
        desk.node.delete_letter(name)?;
        events.push(Event::new(
            "letter-dropped",
            format!("a letter waited too long for what it names and was dropped ({name})"),
            json!({"letter": name.to_string()}),
        ));
    }
    events.extend(released_shares(&desk));
    let gone = revoke::tidy(&desk, system::now())?;
    if gone > 0 {
        events.push(Event::new(
            "keys-destroyed",
            format!("keys of {gone} ended grant(s) destroyed"),
            json!({"grants": gone}),
        ));
    }
    if entered.home.facts.role == Role::Agent {
        let added = prekey::replenish(desk.party, desk.node, desk.vault, &mut OsRng)?;
        if added > 0 {
            events.push(Event::new(
                "prekeys-left",
                format!("{added} one-time keys deposited at the interface"),
                json!({"added": added}),
            ));
        }
    }
    Ok(events)
}

/// Somebody recovers the account that this home is for: said in every round, until it ends.
fn recovery_of_own(entered: &Entered, desk: &Desk<'_>) -> Result<Option<Event>> {
    let owner = acting_for(entered);
    let pending = match entered.session.identity.ward {
        // The log is followed for the home's own account; for a ward the node is asked.
        Some(_) => desk.node.guardianship(owner)?.and_then(|told| told.pending),
        None => watch::watched(desk, owner)?
            .filter(|seen| seen.waits())
            .map(|seen| seen.recover),
    };
    let Some(recovery) = pending else {
        return Ok(None);
    };
    let told = desk.node.recovery(recovery)?;
    let due = told.as_ref().map(|told| told.due.to_string());
    let guardians: Vec<String> = told
        .iter()
        .flat_map(|told| &told.guardians)
        .map(ToString::to_string)
        .collect();
    Ok(Some(Event::new(
        "recovery-pending",
        format!(
            "WARNING: guardians put a NEW KEY for account {owner} forward. If you did not ask \
             for it, object at once: `medshare wallet object {recovery}`. It takes effect at {}",
            due.as_deref()
                .unwrap_or("a time that the node does not tell"),
        ),
        json!({
            "recovery": recovery.to_string(),
            "account": owner.to_string(),
            "due": due,
            "guardians": guardians,
        }),
    )))
}

/// A guardian gives out the shares whose time has come.
fn released_shares(desk: &Desk<'_>) -> Vec<Event> {
    match keep::release(desk, system::now(), &mut OsRng) {
        Ok(released) => released.into_iter().map(given_out).collect(),
        Err(error) => vec![waits(error)],
    }
}

fn given_out((receiver, result): keep::Released) -> Event {
    let (owner, device) = (receiver.owner.to_string(), receiver.device.to_string());
    match result {
        Ok(()) => Event::new(
            "share-released",
            format!("the share of {owner} was given to its owner's device"),
            json!({"owner": owner, "device": device}),
        ),
        Err(error) => waits(error),
    }
}

fn waits(error: keep::KeepError) -> Event {
    let fault = Fault::from(error);
    Event::new(
        "share-waits",
        format!("a share was not given out: {fault}"),
        json!({
            "code": fault.exit as u8,
            "name": fault.exit.name(),
            "message": fault.message,
        }),
    )
}

/// Whether a letter may leave the mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Done {
    Yes,
    /// It stays: this home or its node cannot do it now, or a person must.
    No,
    /// It stays for a while: the ledger does not have what it names.
    Waits,
}

/// Does what a letter asks for. What may succeed later (the node is away, the ledger not
/// yet that far) stays in the mailbox.
fn take_in(
    entered: &Entered,
    desk: &Desk<'_>,
    name: Digest,
    key: Digest,
    letter: &Letter,
) -> (Done, Option<Event>) {
    let outcome = match letter {
        Letter::Request(letter) => request::receive(desk, acting_for(entered), letter)
            .map(|state| {
                Event::new(
                    "request-received",
                    format!("request {} from {}", state.id, state.requester),
                    json!({"request": state.id.to_string(), "requester": state.requester.to_string()}),
                )
            })
            .map_err(refused),
        Letter::Grant(packet) => open::receive_grant(desk, packet, name, key)
            .map(|grant| {
                Event::new(
                    "grant-received",
                    format!("grant {grant} received"),
                    json!({"grant": grant.to_string()}),
                )
            })
            .map_err(refused),
        Letter::Agent(packet) => reencrypt::receive(desk, packet, name, key)
            .map(|grant| {
                Event::new(
                    "packet-received",
                    format!("re-encryption keys of grant {grant} received"),
                    json!({"grant": grant.to_string()}),
                )
            })
            .map_err(refused),
        Letter::Ask(ask) => reencrypt::answer(desk, ask, &system::now, &mut OsRng)
            .map(|released| {
                Event::new(
                    "released",
                    format!("query {} logged and released to {}", released.query, released.requester),
                    json!({
                        "query": released.query.to_string(),
                        "requester": released.requester.to_string(),
                        "again": released.again,
                    }),
                )
            })
            .map_err(refused),
        Letter::Answer(answer) => open::receive_answer(desk, answer)
            .map(|query| {
                Event::new(
                    "answer-received",
                    format!("answer of query {query} received"),
                    json!({"query": query.to_string()}),
                )
            })
            .map_err(refused),
        Letter::Failure(failure) => entered.wallet().map_err(|fault| (fault, Done::Yes)).and_then(|wallet| {
            let verdict = dispute::receive_failure(&wallet, failure).map_err(refused)?;
            let grant = failure.body.grant.to_string();
            let agent = failure.body.agent.to_string();
            let lied = verdict == ibpre::AuditVerdict::Lied;
            let words = if lied {
                "the audit shows that it lied; it is not used for that scope again"
            } else {
                "the audit shows that the agent worked as it should"
            };
            Ok(Event::new(
                "failure-reported",
                format!("agent {agent} gave an answer under grant {grant} that did not open: {words}"),
                json!({"grant": grant, "agent": agent, "query": failure.body.answer.query.to_string(), "lied": lied}),
            ))
        }),
        Letter::Share(share) => keep::receive(desk, share)
            .map(|()| {
                let owner = share.owner.to_string();
                Event::new(
                    "share-received",
                    format!("this account is a guardian of {owner} now"),
                    json!({"owner": owner, "threshold": share.set.threshold}),
                )
            })
            .map_err(refused),
        Letter::Claim(letter) => keep::asked(desk, letter, system::now())
            .map(|id| {
                let owner = letter.claim.account.to_string();
                Event::new(
                    "recovery-asked",
                    format!(
                        "somebody asks to recover {owner}; approve only with the code that the \
                         owner reads to you: `medshare guardian approve CODE`"
                    ),
                    json!({"claim": id.to_string(), "owner": owner}),
                )
            })
            .map_err(refused),
        Letter::Approval(letter) => claim::receive_approval(desk, letter)
            .map(|guardian| {
                let guardian = guardian.to_string();
                Event::new(
                    "approval-received",
                    format!("{guardian} approves the recovery"),
                    json!({"guardian": guardian}),
                )
            })
            .map_err(refused),
        Letter::Release(letter) => claim::receive_share(desk, letter)
            .map(|guardian| {
                let guardian = guardian.to_string();
                Event::new(
                    "share-returned",
                    format!("the share of {guardian} is here"),
                    json!({"guardian": guardian}),
                )
            })
            .map_err(refused),
        // These wait for a person: `delegate take`, `dispute examine`.
        Letter::Delegate(_) | Letter::Evidence(_) => return (Done::No, None),
    };
    match outcome {
        Ok(event) => (Done::Yes, Some(event)),
        Err((fault, done)) => {
            let event = Event::new(
                "letter-refused",
                format!("a letter was refused: {fault}"),
                json!({
                    "letter": name.to_string(),
                    "kind": kind(letter),
                    "code": fault.exit as u8,
                    "name": fault.exit.name(),
                    "message": fault.message,
                }),
            );
            (done, Some(event))
        }
    }
}

/// Why a letter is not taken in, and whether it leaves the mailbox for that.
fn refused<E: Waits + Into<Fault>>(error: E) -> (Fault, Done) {
    let waits = error.waits();
    let fault: Fault = error.into();
    let done = match fault.exit {
        Exit::Unreachable | Exit::Storage | Exit::Forked | Exit::Busy => Done::No,
        _ if waits => Done::Waits,
        _ => Done::Yes,
    };
    (fault, done)
}

fn acting_for(entered: &Entered) -> AccountId {
    entered.session.identity.acts_for()
}

fn kind(letter: &Letter) -> &'static str {
    match letter {
        Letter::Request(_) => "request",
        Letter::Grant(_) => "grant",
        Letter::Agent(_) => "packet",
        Letter::Ask(_) => "ask",
        Letter::Answer(_) => "answer",
        Letter::Failure(_) => "failure",
        Letter::Evidence(_) => "evidence",
        Letter::Delegate(_) => "delegation",
        Letter::Share(_) => "share",
        Letter::Claim(_) => "claim",
        Letter::Approval(_) => "approval",
        Letter::Release(_) => "released share",
    }
}

/// A span of time as typed: `90s`, `10m`, `12h`, `30d`, `2y`; milliseconds.
///
/// # Errors
/// One line for the person.
pub fn parse_span(text: &str) -> std::result::Result<u64, String> {
    let wrong = || format!("{text:?} is no span of time; write 90s, 10m, 12h, 30d or 2y");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: u64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| wrong())?;
    let factor = match unit {
        's' => Millis::SECOND,
        'm' => 60 * Millis::SECOND,
        'h' => Millis::HOUR,
        'd' => Millis::DAY,
        'y' => 365 * Millis::DAY,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// A month as typed: `2026-11`.
///
/// # Errors
/// One line for the person.
pub fn parse_month(text: &str) -> std::result::Result<Epoch, String> {
    let wrong = || format!("{text:?} is no month; write it as 2026-11");
    let (year, month) = text.split_once('-').ok_or_else(wrong)?;
    let year: u64 = year.parse().map_err(|_| wrong())?;
    let month: u64 = month.parse().map_err(|_| wrong())?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return Err(wrong());
    }
    Ok(Epoch(12 * year + month - 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_as_typed() {
        assert_eq!(parse_span("90s").unwrap(), 90_000);
        assert_eq!(parse_span("2d").unwrap(), 2 * Millis::DAY);
        for wrong in ["", "d", "1", "1w", "-1d", "99999999999999999999d", "1é"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_month("2026-11").unwrap().to_string(), "2026-11");
        for wrong in ["", "2026", "2026-13", "2026-0", "26-01", "2026-11-01"] {
            assert!(parse_month(wrong).is_err(), "{wrong}");
        }
    }
}
