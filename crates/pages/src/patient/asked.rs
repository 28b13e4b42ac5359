//! Requests that wait: what would be shared, with whom, until when, what cannot be undone.

use base::{Class, Epoch, Millis, OperationId};
use maud::{Markup, html};

use super::{Csrf, Party, Purpose};
use crate::{frame::Frame, language::Language, pieces, when::Moment, words::people as w};

/// What somebody asks for, as the letter to the patient states it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who asks.
    pub from: Party,
    /// What for.
    pub purpose: Purpose,
    /// Which kinds of data are asked for.
    pub classes: Vec<Class>,
    /// First and last month of the records.
    pub months: (Epoch, Epoch),
    /// Number of records that are named; 0 for all.
    pub named_records: u64,
    /// Until when they would like it.
    pub until: Millis,
    /// Their own words.
    pub words: String,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The log's entry.
    pub id: OperationId,
    /// What is asked for, and by whom.
    pub wish: Wish,
    /// When it was logged.
    pub at: Millis,
    /// After this it can no longer be answered.
    pub answer_until: Millis,
    /// What a yes would share: for each class, from how many of her records.
    pub matching: Vec<(Class, u64)>,
    /// Agents that she knows.
    pub agents: Vec<AgentChoice>,
}

/// An agent that may be chosen.
#[derive(Clone, Debug)]
pub struct AgentChoice {
    /// Who.
    pub party: Party,
    /// Its institution, if it belongs to one.
    pub institution: Option<Party>,
    /// Belongs to the requester's institution or group, so the ledger would refuse it.
    pub conflicts: bool,
}

/// Every request that waits.
pub fn requests(frame: &Frame<'_>, waiting: &[Request]) -> Markup {
    let language = frame.language;
    let title = language.say(w::MY_REQUESTS);
    let main = html! {
        h1 { (title) }
        p { (language.say(w::REQUESTS_INTRO)) }
        @if waiting.is_empty() { p { (language.say(w::NO_REQUESTS)) } }
        ul class="cards-list" {
            @for request in waiting {
                @let who = request.wish.from.called(language);
                li { article class="card" {
                    h2 { (language.fill(w::REQUEST_FROM, &[&who])) }
                    p { (plain(&request.wish, language)) }
                    (pieces::classes(&request.wish.classes, language))
                    p class="quiet" {
                        (language.fill(w::ANSWER_BEFORE, &[&language.minute(request.answer_until)]))
                    }
                    p { a class="button primary" href=(format!("/requests/{}", request.id))
                        aria-label=(language.fill(w::READ_AND_ANSWER_NAMED, &[&who])) {
                        (language.say(w::READ_AND_ANSWER))
                    } }
                } }
            }
        }
    };
    frame.page(title, &main)
}

fn plain(wish: &Wish, language: Language) -> String {
    let who = wish.from.called(language);
    let what = pieces::listed(&wish.classes, language);
    language.fill(
        w::WISH_PLAIN,
        &[&who, &what, &language.say(wish.purpose.term())],
    )
}

/// The wish in sentences; the researcher's preview shows the same ones.
pub(crate) fn wording(wish: &Wish, language: Language) -> Vec<String> {
    let (from, to) = wish.months;
    let mut sentences = vec![plain(wish, language)];
    if from > Epoch(12 * 1970) {
        let months = [from, to].map(|epoch| pieces::month(epoch, language));
        sentences.push(language.fill(w::WISH_MONTHS, &[&months[0], &months[1]]));
    }
    if wish.named_records > 0 {
        let (one, many) = (w::WISH_RECORDS_ONE, w::WISH_RECORDS_MANY);
        sentences.push(language.count(wish.named_records, one, many));
    }
    sentences.push(language.fill(w::WISH_UNTIL, &[&language.minute(wish.until)]));
    sentences
}

/// One request with its answer: approve or narrow, or deny.
pub fn request(frame: &Frame<'_>, request: &Request, csrf: Csrf<'_>) -> Markup {
    let language = frame.language;
    let title = language.fill(w::REQUEST_FROM, &[&request.wish.from.called(language)]);
    let main = html! {
        h1 { (title) }
        section aria-labelledby="plain" {
            h2 id="plain" { (language.say(w::IN_PLAIN_WORDS)) }
            @for sentence in wording(&request.wish, language) { p { (sentence) } }
            p class="quiet" {
                (language.fill(w::ANSWER_BEFORE, &[&language.minute(request.answer_until)])) " · "
                (pieces::proof(request.id, request.at, language))
            }
            @if !request.wish.words.trim().is_empty() {
                h3 { (language.say(w::THEIR_WORDS)) }
                blockquote class="words" { (request.wish.words) }
                p class="quiet" { (language.say(w::THEIR_WORDS_UNCHECKED)) }
            }
        }
        section aria-labelledby="exactly" {
            h2 id="exactly" { (language.say(w::WOULD_BE_SHARED)) }
            (matching(request, language))
        }
        section aria-labelledby="undone" class="caution" {
            h2 id="undone" { (language.say(w::CANNOT_BE_UNDONE)) }
            ul {
                @for term in [w::UNDO_READ, w::UNDO_LOG, w::UNDO_AGENT] { li { (language.say(term)) } }
            }
        }
        section aria-labelledby="answer" {
            h2 id="answer" { (language.say(w::YOUR_ANSWER)) }
            @if !request.matching.is_empty() {
                (pieces::form(&format!("/requests/{}/approve", request.id), csrf, &approval(request, language)))
            }
            (pieces::form(
                &format!("/requests/{}/deny", request.id),
                csrf,
                &html! {
                    p class="quiet" { (language.say(w::DENY_HINT)) }
                    button { (language.say(w::SAY_NO)) }
                },
            ))
        }
    };
    frame.page(&title, &main)
}

fn matching(request: &Request, language: Language) -> Markup {
    if request.matching.is_empty() {
        return html! { p { (language.say(w::NOTHING_MATCHES)) } };
    }
    let head = [w::CLASS_OF_DATA, w::FROM_RECORDS].map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = request
        .matching
        .iter()
        .map(|(class, records)| {
            vec![
                pieces::classes(&[*class], language),
                html! { (language.whole(*records)) },
            ]
        })
        .collect();
    pieces::table(language.say(w::WOULD_BE_SHARED), &head, &rows)
}

/// Classes to take out, agents, the last day, how many parts.
fn approval(request: &Request, language: Language) -> Markup {
    let last = Moment::of(request.wish.until).day_only().machine();
    html! {
        fieldset {
            legend { (language.say(w::SHARE_THESE)) }
            p class="quiet" { (language.say(w::TAKE_OUT_HINT)) }
            @for (class, _) in &request.matching {
                label class="choice" {
                    // Specially protected data is shared only on purpose.
                    input type="checkbox" name="class" value=(class.name())
                        checked[*class != Class::Sensitive];
                    " "
                    @if *class == Class::Sensitive {
                        span class="tag sensitive" { (language.say(pieces::class(*class))) }
                    } @else {
                        (language.say(pieces::class(*class)))
                    }
                }
            }
        }
        fieldset {
            legend { (language.say(w::WHICH_AGENT)) }
            p class="quiet" { (language.say(w::AGENT_HINT)) }
            @for (at, agent) in request.agents.iter().enumerate() {
                label class="choice" {
                    input type="checkbox" name="agent" value=(agent.party.id)
                        checked[at == first_free(request)] disabled[agent.conflicts];
                    " " (agent.party.called(language))
                    @if let Some(institution) = &agent.institution {
                        " (" (institution.called(language)) ")"
                    }
                    @if agent.conflicts { " – " (language.say(w::SAME_INSTITUTION)) }
                }
            }
        }
        p class="field" {
            label for="until" { (language.say(w::UNTIL_WHEN)) }
            input id="until" name="until" type="date" max=(last) value=(last) required;
        }
        p class="field" {
            label for="queries" { (language.say(w::AT_MOST_QUERIES)) }
            input id="queries" name="queries" type="number" min="1" max="10000" value="100" required;
        }
        button class="primary" { (language.say(w::SAY_YES)) }
    }
}

/// The first agent that may be chosen, or none.
fn first_free(request: &Request) -> usize {
    let free = request.agents.iter().position(|agent| !agent.conflicts);
    free.unwrap_or(usize::MAX)
}
