//! The requester's page: what may be asked, the request with its preview, what became of it,
//! what was opened.

mod opened;

use base::{AccountId, Class, Epoch, Millis, Nonce, RecordId, operation::Role};
use ledger::RequestStatus;
use pages::{
    patient::{self, Party, Purpose},
    researcher::{self, Answer, Draft},
};
use share::{
    Node as _,
    letter::{MAX_WORDS, Wish},
    request,
};

use super::{
    names::{Names, in_letter, purpose},
    site::{Asked, Fields, PAGE, Reply, Whose, invalid, nothing, parse},
};
use crate::{
    cli::{contact, context::Entered, party::parse_month},
    exit::Result,
    fhir::Scope,
    system::{self, OsRng},
};

pub(super) fn look(asked: &Asked, path: &[&str]) -> Result<Reply> {
    match path {
        ["ask"] => Ok(Reply::Page(researcher::ask(&asked.frame("/ask")))),
        ["request"] => shown(asked, &empty()),
        ["asked"] => sent(asked),
        ["opened"] => opened::grants(asked),
        ["opened", grant] => opened::grant(asked, parse(grant)?),
        ["opened", grant, query] => opened::part(asked, parse(grant)?, parse(query)?),
        ["opened", grant, query, "file"] => opened::file(asked, parse(grant)?, parse(query)?),
        _ => Err(nothing()),
    }
}

pub(super) fn change(asked: &Asked, path: &[&str], fields: &Fields) -> Result<Reply> {
    match path {
        ["request"] => send(asked, fields),
        ["request", "preview"] => shown(asked, &draft(fields)),
        ["opened", grant, "ask"] => opened::ask(asked, parse(grant)?),
        ["queries", query, "review"] => opened::review(asked, parse(query)?, fields),
        _ => Err(nothing()),
    }
}

// -- the form

/// Days that a form begins with.
const DAYS_OPEN: u32 = 30;
const DAYS_TO_ANSWER: u32 = 14;
/// Patients of one request at most; more are asked by the command line.
const COHORT: usize = 200;

fn empty() -> Draft {
    Draft {
        days_open: DAYS_OPEN,
        days_to_answer: DAYS_TO_ANSWER,
        purpose: Some(Purpose::Research),
        ..Draft::default()
    }
}

fn draft(fields: &Fields) -> Draft {
    let text = |name| fields.get(name).to_owned();
    let days = |name| fields.get(name).parse().unwrap_or(0);
    Draft {
        patients: text("patients"),
        classes: fields
            .all("class")
            .filter_map(|class| class.parse().ok())
            .collect(),
        scopes: text("scopes"),
        records: text("records"),
        months: (text("from"), text("to")),
        purpose: Purpose::of_code(fields.get("purpose")),
        words: text("words"),
        days_open: days("days-open"),
        days_to_answer: days("days-to-answer"),
    }
}

/// The draft as what is asked for, or why it is no request.
fn wish(draft: &Draft, now: Millis) -> Result<Wish> {
    let mut classes = draft.classes.clone();
    for line in lines(&draft.scopes) {
        let scope: Scope = line.parse().map_err(|error| invalid(format!("{error}")))?;
        classes.push(scope.class());
    }
    classes.sort_unstable();
    classes.dedup();
    classes.retain(|class| *class != Class::Skeleton);
    if classes.is_empty() {
        return Err(invalid(""));
    }
    let month = |text: &str, default| match text {
        "" => Ok(default),
        text => parse_month(text).map_err(invalid),
    };
    let (from, to) = (
        month(&draft.months.0, Epoch(12 * 1970))?,
        month(&draft.months.1, now.epoch())?,
    );
    if from > to {
        return Err(invalid("the first month is after the last"));
    }
    let records: Vec<RecordId> = lines(&draft.records)
        .map(|line| {
            let id = line.parse();
            id.map_err(|_| invalid(format!("{line:?} is no record")))
        })
        .collect::<Result<_>>()?;
    if draft.words.len() > MAX_WORDS {
        return Err(invalid(format!(
            "the words have more than {MAX_WORDS} bytes"
        )));
    }
    let days = |days: u32, most: u32, what: &str| match days {
        days if (1..=most).contains(&days) => Ok(u64::from(days) * Millis::DAY),
        _ => Err(invalid(format!("{what}: 1 to {most} days"))),
    };
    days(draft.days_to_answer, 365, "to answer")?;
    Ok(Wish {
        classes,
        from,
        to,
        records,
        purpose: in_letter(draft.purpose.ok_or_else(|| invalid("say what for"))?),
        words: draft.words.replace('\r', ""),
        until: now.plus(days(draft.days_open, 3650, "open")?),
    })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty())
}

/// The same in the patient's own page's words. She reads the name that this account has in
/// her contacts, which nobody else knows.
fn told(wish: &Wish, own: AccountId) -> patient::Wish {
    patient::Wish {
        from: Party {
            id: own,
            name: None,
        },
        purpose: purpose(wish.purpose),
        classes: wish.classes.clone(),
        months: (wish.from, wish.to),
        named_records: wish.records.len() as u64,
        until: wish.until,
        words: wish.words.clone(),
    }
}

fn own(asked: &Asked) -> Result<AccountId> {
    match &asked.site.whose {
        Whose::Home(kept) => Ok(kept.home().facts.account),
        Whose::Anybody(_) => Err(nothing()),
    }
}

/// The form, or its preview alone.
fn shown(asked: &Asked, draft: &Draft) -> Result<Reply> {
    let own = own(asked)?;
    let wish = wish(draft, system::now()).map(|wish| told(&wish, own));
    let wish = wish.as_ref().map_err(|fault| fault.message.as_str());
    Ok(match asked.bare {
        true => Reply::Text(researcher::preview(wish, asked.language).join("\n")),
        false => Reply::Page(researcher::request(
            &asked.frame("/request"),
            draft,
            wish,
            asked.csrf(),
        )),
    })
}

fn send(asked: &Asked, fields: &Fields) -> Result<Reply> {
    let now = system::now();
    let draft = draft(fields);
    let Ok(wish) = wish(&draft, now) else {
        // The form again, with the reason where the preview would be.
        return shown(asked, &draft);
    };
    let entered = asked.enter()?;
    let patients = patients(&entered, &draft)?;
    let expires = now.plus(u64::from(draft.days_to_answer) * Millis::DAY);
    let cohort = (patients.len() > 1).then(|| Nonce(system::random32()));
    for patient in patients {
        request::request(&entered.desk(), patient, &wish, expires, cohort, &mut OsRng)?;
    }
    Reply::go("/asked")
}

/// Who is asked: all or none are, so whoever cannot be is named before anything is logged.
fn patients(entered: &Entered, draft: &Draft) -> Result<Vec<AccountId>> {
    let mut patients = Vec::new();
    for line in lines(&draft.patients) {
        let patient = contact::resolve(&entered.session.vault, line).map_err(|_| {
            invalid(format!(
                "{line:?} is no account and no name in the contacts"
            ))
        })?;
        let account = entered.node.account(patient)?;
        if account.is_none_or(|account| account.role != Role::Patient) {
            return Err(invalid(format!("{line} is not a patient's account")));
        }
        if !patients.contains(&patient) {
            patients.push(patient);
        }
    }
    match patients.len() {
        0 => Err(invalid("name at least one patient")),
        1..=COHORT => Ok(patients),
        _ => Err(invalid(format!("at most {COHORT} patients at once"))),
    }
}

// -- what became of requests

fn sent(asked: &Asked) -> Result<Reply> {
    let entered = asked.enter()?;
    let desk = entered.desk();
    let names = Names::of(&entered)?;
    let own = entered.session.identity.account();
    let now = system::now();
    let mut states = entered.node.requests_of(own)?;
    states.retain(|state| state.requester == own);
    states.sort_by_key(|state| std::cmp::Reverse(state.time));
    let mut rows = Vec::new();
    for state in states.iter().skip(asked.from).take(PAGE) {
        // Sent from another home of the account: what was asked is not here.
        let Some(kept) = request::sent(&desk, state.id)? else {
            continue;
        };
        let answer = match state.status {
            RequestStatus::Open if state.expires <= now => Answer::Expired,
            RequestStatus::Open => Answer::Waiting,
            RequestStatus::Denied(_) => Answer::Denied,
            RequestStatus::Granted(grant) => {
                let found = entered.node.grant(grant)?.ok_or_else(nothing)?;
                match found.revoked {
                    Some(_) => Answer::Revoked,
                    None => Answer::Granted(grant, found.terms.expires),
                }
            }
        };
        rows.push(researcher::Asked {
            id: state.id,
            at: state.time,
            patient: names.party(state.patient),
            classes: kept.wish.classes,
            purpose: purpose(kept.wish.purpose),
            answer,
        });
    }
    let next = asked.next(states.len());
    Ok(Reply::Page(researcher::asked(
        &asked.frame("/asked"),
        &rows,
        next.as_deref(),
    )))
}
