//! The requester's pages: what may be asked, the request with its preview, answers, what was
//! opened, and the review of it.

use base::{Class, Millis, OperationId, RecordId};
use maud::{Markup, html};

use crate::{
    frame::Frame,
    language::Language,
    patient::{self, Wish},
    pieces::{self, Csrf, Party, Purpose},
    record::{self, Reading},
    words::{Term, people as p, role as w, site as s},
};

/// What a request form holds, as far as it is filled in.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Accounts, one a line.
    pub patients: String,
    /// Kinds of data.
    pub classes: Vec<Class>,
    /// The same as SMART scopes, one a line.
    pub scopes: String,
    /// Records, one a line; empty for all.
    pub records: String,
    /// First and last month, `YYYY-MM`; empty where not stated.
    pub months: (String, String),
    /// What for.
    pub purpose: Option<Purpose>,
    /// Words to the patient.
    pub words: String,
    /// Days it shall be open.
    pub days_open: u32,
    /// Days to answer.
    pub days_to_answer: u32,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The log's entry.
    pub id: OperationId,
    /// When it was logged.
    pub at: Millis,
    /// To whom.
    pub patient: Party,
    /// Kinds of data.
    pub classes: Vec<Class>,
    /// What for.
    pub purpose: Purpose,
    /// What became of it.
    pub answer: Answer,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing yet.
    Waiting,
    /// A grant, until then.
    Granted(OperationId, Millis),
    /// No.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Ended by the patient.
    Revoked,
}

/// A part that was opened.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    /// The query that is reviewed.
    pub query: OperationId,
    /// Under which grant.
    pub grant: OperationId,
    /// When it was logged.
    pub at: Millis,
    /// Of which record.
    pub record: RecordId,
    /// Who signed it.
    pub hospital: Party,
    /// Whether that signature, and every hash below it, verified.
    pub verified: bool,
    /// What is in it.
    pub reading: &'a Reading,
    /// Whether it was reviewed.
    pub reviewed: bool,
}

/// What may be asked for.
pub fn ask(frame: &Frame<'_>) -> Markup {
    let language = frame.language;
    let title = language.say(w::WHAT_TO_ASK);
    let main = html! {
        h1 { (title) }
        p { (language.say(w::WHAT_INTRO)) }
        h2 { (language.say(w::WHICH_CLASSES)) }
        (pieces::classes(&askable(), language))
        p { (language.say(w::ASKABLE_SENSITIVE)) }
        h2 { (language.say(w::WHAT_FOR)) }
        ul class="tags" {
            @for purpose in Purpose::ALL { li class="tag" { (language.say(purpose.term())) } }
        }
        p { a class="button primary" href="/request" { (language.say(w::NEW_REQUEST)) } }
    };
    frame.page(title, &main)
}

/// Every class but the frame of a record, which nobody asks for.
fn askable() -> Vec<Class> {
    let all = Class::ALL.into_iter();
    all.filter(|class| *class != Class::Skeleton).collect()
}

/// The form, and what the patient will read: `wish` is the draft as a request, or why it is
/// none yet.
pub fn request(
    frame: &Frame<'_>,
    draft: &Draft,
    wish: Result<&Wish, &str>,
    csrf: Csrf<'_>,
) -> Markup {
    let language = frame.language;
    let title = language.say(w::NEW_REQUEST);
    let label = |term: Term| language.say(term);
    let main = html! {
        h1 { (title) }
        form method="post" action="/request" class="builder" data-preview="/request/preview" {
            input type="hidden" name="csrf" value=(csrf.0);
            p class="field" {
                label for="patients" { (label(w::WHOM)) }
                textarea id="patients" name="patients" rows="3" required
                    aria-describedby="patients-hint" { (draft.patients) }
                span id="patients-hint" class="quiet" { (label(w::WHOM_HINT)) }
            }
            fieldset {
                legend { (label(w::WHICH_CLASSES)) }
                @for class in askable() {
                    label class="choice" {
                        input type="checkbox" name="class" value=(class.name())
                            checked[draft.classes.contains(&class)];
                        " " (language.say(pieces::class(class)))
                    }
                }
            }
            p class="field" {
                label for="scopes" { (label(w::SCOPES)) }
                textarea id="scopes" name="scopes" rows="2" maxlength="4000" spellcheck="false"
                    aria-describedby="scopes-hint" { (draft.scopes) }
                span id="scopes-hint" class="quiet" { (label(w::SCOPES_HINT)) }
            }
            p class="field" {
                label for="from" { (label(w::FIRST_MONTH)) }
                input id="from" name="from" type="month" value=(draft.months.0);
            }
            p class="field" {
                label for="to" { (label(w::LAST_MONTH)) }
                input id="to" name="to" type="month" value=(draft.months.1);
            }
            p class="field" {
                label for="records" { (label(w::NAMED_RECORDS)) }
                textarea id="records" name="records" rows="2" spellcheck="false"
                    aria-describedby="records-hint" { (draft.records) }
                span id="records-hint" class="quiet" { (label(w::NAMED_RECORDS_HINT)) }
            }
            p class="field" {
                label for="purpose" { (label(w::WHAT_FOR)) }
                select id="purpose" name="purpose" required {
                    @for purpose in Purpose::ALL {
                        option value=(purpose.code()) selected[draft.purpose == Some(purpose)] {
                            (language.say(purpose.term())) " (" (purpose.act_reason()) ")"
                        }
                    }
                }
            }
            p class="field" {
                label for="words" { (label(w::YOUR_WORDS)) }
                textarea id="words" name="words" rows="5" maxlength="4000" { (draft.words) }
            }
            p class="field" {
                label for="days-open" { (label(w::DAYS_OPEN)) }
                input id="days-open" name="days-open" type="number" min="1" max="3650"
                    value=(draft.days_open.max(1)) required;
            }
            p class="field" {
                label for="days-to-answer" { (label(w::DAYS_TO_ANSWER)) }
                input id="days-to-answer" name="days-to-answer" type="number" min="1" max="365"
                    value=(draft.days_to_answer.max(1)) required;
            }
            section class="preview" aria-labelledby="preview" aria-live="polite" {
                h2 id="preview" { (label(w::PREVIEW)) }
                div id="preview-text" {
                    @for sentence in preview(wish, language) { p { (sentence) } }
                }
            }
            div class="choices" {
                button formaction="/request/preview" formnovalidate { (label(w::PREVIEW_NOW)) }
                button class="primary" { (label(w::SEND_REQUEST)) }
            }
        }
    };
    frame.page(title, &main)
}

/// The sentences of the preview, one a line where it is sent without a page around it; of a
/// draft that is no request yet, why not, or that it is empty.
pub fn preview(wish: Result<&Wish, &str>, language: Language) -> Vec<String> {
    match wish {
        Err("") => vec![language.say(w::PREVIEW_EMPTY).to_owned()],
        Err(why) => vec![why.to_owned()],
        Ok(wish) => {
            let mut sentences = patient::wording(wish, language);
            if !wish.words.trim().is_empty() {
                sentences.push(format!("{}: {}", language.say(p::THEIR_WORDS), wish.words));
            }
            sentences
        }
    }
}

/// Requests and what became of them.
pub fn asked(frame: &Frame<'_>, asked: &[Asked], next: Option<&str>) -> Markup {
    let language = frame.language;
    let title = language.say(w::STATUS_OF_REQUESTS);
    let head = [
        s::ROLE_PATIENT,
        s::WHEN_IT_WAS,
        s::WHAT_IT_WAS,
        s::WHY,
        w::ANSWER,
        s::PROOF,
    ];
    let head = head.map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = asked
        .iter()
        .map(|request| {
            vec![
                request.patient.show(language),
                pieces::instant(request.at, language),
                pieces::classes(&request.classes, language),
                html! { (language.say(request.purpose.term())) },
                answer(request, language),
                pieces::proof(request.id, request.at, language),
            ]
        })
        .collect();
    let main = html! {
        h1 { (title) }
        (pieces::list(title, &head, &rows, language))
        (pieces::older(next, language))
    };
    frame.page(title, &main)
}

fn answer(request: &Asked, language: Language) -> Markup {
    let words = match request.answer {
        Answer::Waiting => language.say(w::ANSWER_WAITING).to_owned(),
        Answer::Granted(_, until) => language.fill(w::ANSWER_GRANTED, &[&language.minute(until)]),
        Answer::Denied => language.say(w::ANSWER_DENIED).to_owned(),
        Answer::Expired => language.say(w::ANSWER_EXPIRED).to_owned(),
        Answer::Revoked => language.say(w::ANSWER_REVOKED).to_owned(),
    };
    html! {
        span class="tag" { (words) }
        @if let Answer::Granted(grant, _) = request.answer {
            @let patient = request.patient.called(language);
            " " a href=(format!("/opened/{grant}"))
                aria-label=(language.fill(w::OPEN_DATA_OF, &[&patient])) {
                (language.say(w::OPEN_THE_DATA))
            }
        }
    }
}

/// What a patient shares with this requester under one grant.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The grant.
    pub grant: OperationId,
    /// Who shares.
    pub patient: Party,
    /// Until when.
    pub until: Millis,
    /// How many parts were opened, and how many may be.
    pub used: (u32, u32),
    /// Why it no longer serves, if it does not.
    pub over: Option<String>,
    /// The parts that it covers, those of one page.
    pub parts: Vec<GrantedPart>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A part that a grant covers.
#[derive(Clone, Copy, Debug)]
pub struct GrantedPart {
    /// Of which record.
    pub record: RecordId,
    /// Its index.
    pub part: u32,
    /// What kind of data.
    pub class: Class,
    /// Whether it is here.
    pub state: PartState,
}

/// Whether a part is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartState {
    /// It was not asked for, or the agent has not answered.
    NotHere,
    /// It is; the opening's log entry.
    Here(OperationId),
    /// It was reviewed, and is here no longer.
    Reviewed(OperationId),
}

/// Grants that this requester holds keys of.
pub fn grants(frame: &Frame<'_>, grants: &[Granted]) -> Markup {
    let language = frame.language;
    let title = language.say(w::OPENED);
    let main = html! {
        h1 { (title) }
        @if grants.is_empty() { p { (language.say(w::NO_GRANTS_YET)) } }
        ul class="cards-list" {
            @for granted in grants {
                @let who = granted.patient.called(language);
                li { article class="card" {
                    h2 { (language.fill(w::GRANTED_BY, &[&who])) }
                    (extent(granted, language))
                    p { a class="button" href=(format!("/opened/{}", granted.grant))
                        aria-label=(language.fill(w::OPEN_DATA_OF, &[&who])) {
                        (language.say(w::OPEN_THE_DATA))
                    } }
                } }
            }
        }
    };
    frame.page(title, &main)
}

fn extent(granted: &Granted, language: Language) -> Markup {
    let until = language.minute(granted.until);
    let (used, most) = granted.used;
    html! {
        p { (language.fill(w::GRANT_OPEN_UNTIL, &[&until, &used, &most])) }
        @if let Some(why) = &granted.over { p class="warning" role="note" { (why) } }
    }
}

/// One grant: its parts, which of them are here, and the button that asks for the rest.
pub fn granted(frame: &Frame<'_>, granted: &Granted, csrf: Csrf<'_>) -> Markup {
    let language = frame.language;
    let who = granted.patient.called(language);
    let title = language.fill(w::GRANTED_BY, &[&who]);
    let head = [s::RECORD, p::CLASS_OF_DATA, w::ANSWER, s::PROOF].map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = granted
        .parts
        .iter()
        .map(|part| {
            let record = pieces::short(&part.record.to_string());
            let name = language.say(pieces::class(part.class));
            let (state, query) = match part.state {
                PartState::NotHere => (w::PART_NOT_HERE, None),
                PartState::Here(query) => (w::PART_HERE, Some(query)),
                PartState::Reviewed(query) => (w::PART_REVIEWED, Some(query)),
            };
            vec![
                html! { code title=(part.record) { (record) } },
                pieces::classes(&[part.class], language),
                html! {
                    span class="tag" { (language.say(state)) }
                    @if let PartState::Here(query) = part.state {
                        " " a href=(format!("/opened/{}/{query}", granted.grant))
                            aria-label=(language.fill(w::READ_PART_NAMED, &[&name, &record])) {
                            (language.say(w::READ_PART))
                        }
                    }
                },
                html! {
                    @if let Some(query) = query { (pieces::proof_of(query, language)) }
                },
            ]
        })
        .collect();
    let here = |part: &GrantedPart| part.state != PartState::NotHere;
    let missing = granted.next.is_some() || !granted.parts.iter().all(here);
    let main = html! {
        h1 { (title) }
        (extent(granted, language))
        (pieces::list(&title, &head, &rows, language))
        (pieces::more(granted.next.as_deref(), language))
        @if missing && granted.over.is_none() {
            p class="quiet" { (language.say(w::ASK_EXPLAINED)) }
            (pieces::form(&format!("/opened/{}/ask", granted.grant), csrf, &html! {
                button class="primary" { (language.say(w::ASK_FOR_ALL)) }
            }))
        }
    };
    frame.page(&title, &main)
}

/// A part that was opened: what is in it, whose signature was verified, the review.
pub fn opened(frame: &Frame<'_>, opened: &Opened<'_>, csrf: Csrf<'_>) -> Markup {
    let language = frame.language;
    let title = language.say(w::OPENED);
    let hospital = opened.hospital.called(language);
    let main = html! {
        (record::show(opened.reading, language))
        section class="around" aria-labelledby="about" {
            h2 id="about" { (language.say(s::RECORD)) " " (pieces::short(&opened.record.to_string())) }
            p class=(if opened.verified { "verified" } else { "warning" }) {
                @if opened.verified {
                    (language.fill(w::SIGNATURE_VERIFIED, &[&hospital]))
                } @else {
                    (language.say(w::SIGNATURE_BAD))
                }
            }
            p { (language.say(w::EXTRACT_NOTE)) }
            p { a href=(format!("/opened/{}/{}/file", opened.grant, opened.query)) download {
                (language.say(s::SAVE_FILE))
            } }
            p {
                (pieces::instant(opened.at, language)) " · "
                (pieces::proof(opened.query, opened.at, language))
            }
        }
        section aria-labelledby="review" {
            h2 id="review" { (language.say(w::REVIEW)) }
            @if opened.reviewed {
                p { (language.say(w::REVIEWED_ALREADY)) }
            } @else {
                (pieces::form(&format!("/queries/{}/review", opened.query), csrf, &review(language)))
            }
        }
    };
    frame.page(title, &main)
}

fn review(language: Language) -> Markup {
    let verdicts = [
        ("accepted", w::VERDICT_ACCEPTED),
        ("not-as-requested", w::VERDICT_NOT_AS_REQUESTED),
        ("poor-quality", w::VERDICT_POOR_QUALITY),
        ("fabricated", w::VERDICT_FABRICATED),
    ];
    html! {
        fieldset {
            legend { (language.say(w::REVIEW)) }
            p class="quiet" { (language.say(w::REVIEW_HINT)) }
            @for (value, term) in verdicts {
                label class="choice" {
                    input type="radio" name="verdict" value=(value) required;
                    " " (language.say(term))
                }
            }
        }
        button class="primary" { (language.say(w::SEND_REVIEW)) }
    }
}
