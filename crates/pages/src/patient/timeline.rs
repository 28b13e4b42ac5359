//! My records as a timeline, and one record whole.

use base::{Class, Millis, OperationId, RecordId, operation::RejectCode};
use maud::{Markup, html};

use super::{Csrf, Party, Purpose};
use crate::{
    frame::Frame,
    language::Language,
    pieces,
    record::{self, Reading},
    words::{Term, chart as c, people as w, role as r, site as s},
};

/// A record in the timeline.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which.
    pub id: RecordId,
    /// Who published it.
    pub hospital: Party,
    /// When its newest state was logged.
    pub at: Millis,
    /// Number of its newest state, from 1.
    pub version: u64,
    /// What the patient did with that state.
    pub state: RecordState,
    /// Its parts; empty while the wallet has not opened it.
    pub parts: Vec<Part>,
    /// How often others opened a part of it.
    pub opened: u64,
}

/// A part of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its index in the manifest.
    pub index: u32,
    /// What kind of data.
    pub class: Class,
    /// Length, in bytes.
    pub bytes: u64,
}

/// What became of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordState {
    /// Accepted: it can be shared.
    Accepted,
    /// Waits for the patient.
    Pending,
    /// Rejected by her.
    Rejected(RejectCode),
    /// Its keys are destroyed.
    Erased,
}

/// A hospital's signature on a record. One that does not hold opens nothing, so there is
/// nothing to show it beside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signature {
    /// Verified on this device.
    Verified,
    /// The record was not opened, so its signature was not looked at.
    NotOpened,
}

/// One opening of a part by somebody else.
#[derive(Clone, Debug)]
pub struct Access {
    /// When it was logged.
    pub at: Millis,
    /// Who opened it.
    pub who: Party,
    /// Who handed it over.
    pub agent: Party,
    /// Of which record.
    pub record: RecordId,
    /// What kind of data, if the wallet knows.
    pub class: Option<Class>,
    /// What for, as the requester stated it.
    pub purpose: Option<Purpose>,
    /// Under an emergency.
    pub emergency: bool,
    /// The log's entry.
    pub operation: OperationId,
}

/// One record with what is in it.
#[derive(Clone, Debug)]
pub struct RecordView<'a> {
    /// Its line in the timeline.
    pub record: &'a Record,
    /// Whether its signature was looked at.
    pub signature: Signature,
    /// Whether the hospital is on her list of those whose records are accepted.
    pub listed: bool,
    /// What is in it, by part: the whole record as one reading where its parts join.
    pub readings: &'a [(u32, Reading)],
    /// Who opened it.
    pub accesses: &'a [Access],
}

/// All records, newest first; `waiting` requests are named above; `next` is where older ones
/// begin.
pub fn timeline(frame: &Frame<'_>, records: &[Record], waiting: u64, next: Option<&str>) -> Markup {
    let language = frame.language;
    let title = language.say(w::MY_RECORDS);
    let main = html! {
        h1 { (title) }
        @if waiting > 0 {
            p class="notice" {
                (language.count(waiting, w::WAITING_ONE, w::WAITING_MANY)) " "
                a href="/requests" { (language.say(w::SEE_REQUESTS)) }
            }
        }
        @if records.is_empty() { p { (language.say(w::NO_RECORDS)) } }
        ol class="timeline" {
            @for record in records { li { (entry(record, language)) } }
        }
        (pieces::older(next, language))
    };
    frame.page(title, &main)
}

fn entry(record: &Record, language: Language) -> Markup {
    let hospital = record.hospital.called(language);
    let day = language.day(record.at);
    let label = language.fill(w::OPEN_RECORD_NAMED, &[&day, &hospital]);
    html! {
        article class="card" {
            p class="when" { (pieces::instant(record.at, language)) }
            h2 { (language.fill(w::RECORD_FROM, &[&hospital])) }
            p {
                (state(record.state, language)) " · "
                (language.fill(s::VERSION_NUMBER, &[&record.version]))
            }
            @if !record.parts.is_empty() {
                p class="hidden" { (language.say(w::CONTAINS)) }
                (pieces::classes(&kinds(&record.parts), language))
            }
            p class="quiet" { (readers(record.opened, language)) }
            p { a class="button" href=(format!("/records/{}", record.id)) aria-label=(label) {
                (language.say(w::OPEN_RECORD))
            } }
        }
    }
}

/// The classes of parts, each once, without the record's own frame.
fn kinds(parts: &[Part]) -> Vec<Class> {
    let mut kinds: Vec<Class> = parts.iter().map(|part| part.class).collect();
    kinds.retain(|class| *class != Class::Skeleton);
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn state(state: RecordState, language: Language) -> Markup {
    let (term, why) = match state {
        RecordState::Accepted => (w::STATE_ACCEPTED, None),
        RecordState::Pending => (w::STATE_PENDING, None),
        RecordState::Rejected(code) => (w::STATE_REJECTED, Some(rejected(code))),
        RecordState::Erased => (w::STATE_ERASED, None),
    };
    html! {
        span class="tag" { (language.say(term)) }
        @if let Some(why) = why { " " (language.say(why)) }
    }
}

/// Why a record was rejected.
pub(crate) const fn rejected(code: RejectCode) -> Term {
    match code {
        RejectCode::Invalid => r::REJECT_INVALID,
        RejectCode::Unavailable => r::REJECT_UNAVAILABLE,
        RejectCode::WrongScope => r::REJECT_WRONG_SCOPE,
        RejectCode::UnknownHospital => r::REJECT_UNKNOWN_HOSPITAL,
        RejectCode::NotMine => r::REJECT_NOT_MINE,
    }
}

fn readers(opened: u64, language: Language) -> String {
    match opened {
        0 => language.say(w::UNREAD_BY_OTHERS).to_owned(),
        number => language.count(number, w::READ_ONCE, w::READ_OFTEN),
    }
}

/// One record: what is in it, who signed it, its parts, who opened it; a question, if it waits.
pub fn record(frame: &Frame<'_>, view: &RecordView<'_>, csrf: Csrf<'_>) -> Markup {
    let language = frame.language;
    let hospital = view.record.hospital.called(language);
    let title = language.fill(w::RECORD_FROM, &[&hospital]);
    let (signature, kind) = match view.signature {
        Signature::Verified => (w::SIGNED_BY, "verified"),
        Signature::NotOpened => (w::NOT_OPENED, "remark"),
    };
    let main = html! {
        @match view.readings {
            [(_, one)] => (record::show(one, language)),
            many => {
                h1 { (title) }
                @for (index, reading) in many {
                    div class="part" id=(format!("part-{index}")) { (record::show_below(reading, *index, language)) }
                }
            }
        }
        section class="around" aria-labelledby="about" {
            h2 id="about" { (title) }
            p { (pieces::instant(view.record.at, language)) " · " (state(view.record.state, language)) }
            p class=(kind) {
                (language.fill(signature, &[&hospital]))
            }
            @if view.record.state == RecordState::Pending { (pending(view, &hospital, csrf, language)) }
            @if !view.record.parts.is_empty() { (parts(view.record, language)) }
            h3 { (language.say(w::ACCESSES_OF_RECORD)) }
            @if view.accesses.is_empty() {
                p { (language.say(w::UNREAD_BY_OTHERS)) }
            } @else {
                (access_table(view.accesses, language))
            }
        }
    };
    frame.page(&title, &main)
}

fn parts(record: &Record, language: Language) -> Markup {
    let rows: Vec<Vec<Markup>> = record
        .parts
        .iter()
        .map(|part| {
            let path = format!("/records/{}/parts/{}", record.id, part.index);
            let name = language.say(pieces::class(part.class));
            vec![
                pieces::classes(&[part.class], language),
                html! { (language.size(part.bytes)) },
                html! {
                    a href=(path) download aria-label=(format!("{}: {name}", language.say(s::SAVE_FILE))) {
                        (language.say(s::SAVE_FILE))
                    }
                },
            ]
        })
        .collect();
    let head = [w::CLASS_OF_DATA, c::SIZE, s::SAVE_FILE].map(|term| language.say(term));
    html! {
        h3 { (language.say(w::PARTS)) }
        (pieces::table(language.say(w::PARTS), &head, &rows))
    }
}

fn pending(view: &RecordView<'_>, hospital: &str, csrf: Csrf<'_>, language: Language) -> Markup {
    let button = |term: Term, class: &str| html! { button class=(class) { (language.say(term)) } };
    let path = |verb: &str| format!("/records/{}/{verb}", view.record.id);
    let accept = if view.listed {
        button(w::ACCEPT, "primary")
    } else {
        html! {
            input type="hidden" name="trust" value="yes";
            (button(w::TRUST_AND_ACCEPT, "primary"))
        }
    };
    html! {
        p { (language.fill(w::PENDING_QUESTION, &[&hospital])) }
        @if !view.listed { p class="caution" { (language.fill(w::TRUST_QUESTION, &[&hospital])) } }
        div class="choices" {
            (pieces::form(&path("accept"), csrf, &accept))
            (pieces::form(&path("reject"), csrf, &button(w::NOT_MINE, "quiet")))
        }
    }
}

/// Openings as a table: who, when, what, why, each with its proof.
pub(super) fn access_table(accesses: &[Access], language: Language) -> Markup {
    let head = [
        s::WHO,
        s::WHEN_IT_WAS,
        s::WHAT_IT_WAS,
        s::WHY,
        w::THROUGH,
        s::PROOF,
    ];
    let rows: Vec<Vec<Markup>> = accesses
        .iter()
        .map(|access| {
            let purpose = access.purpose.map_or(s::PURPOSE_UNKNOWN, Purpose::term);
            let record = pieces::short(&access.record.to_string());
            vec![
                access.who.show(language),
                pieces::instant(access.at, language),
                html! {
                    @if let Some(class) = access.class { (language.say(pieces::class(class))) ", " }
                    a href=(format!("/records/{}", access.record)) {
                        (language.say(s::RECORD)) " " (record)
                    }
                },
                html! {
                    (language.say(purpose))
                    @if access.emergency { " " span class="tag flag" { (language.say(w::WAS_EMERGENCY)) } }
                },
                access.agent.show(language),
                pieces::proof(access.operation, access.at, language),
            ]
        })
        .collect();
    pieces::table(
        language.say(w::MY_ACCESSES),
        &head.map(|term| language.say(term)),
        &rows,
    )
}
