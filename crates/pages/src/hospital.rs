//! The hospital's pages: publishing, what patients did with it, its agent, its ranking.

use base::{
    AccountId, Millis, OperationId, RecordId,
    operation::{RejectCode, Verdict},
};
use maud::{Markup, html};

use crate::{
    frame::Frame,
    language::Language,
    patient::{self, Entry},
    pieces::{self, Csrf, Party},
    words::{chart as c, people as p, role as w, site as s},
};

/// A record that this hospital published.
#[derive(Clone, Debug)]
pub struct Published {
    /// Which.
    pub id: RecordId,
    /// For whom.
    pub patient: Party,
    /// When its newest state was logged.
    pub at: Millis,
    /// The operation that logged it.
    pub operation: OperationId,
    /// Number of its newest state, from 1.
    pub version: u64,
    /// What the patient did with it.
    pub answer: Answer,
}

/// A patient's answer to a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// None yet.
    Waiting,
    /// She accepted.
    Accepted,
    /// She did not.
    Rejected(RejectCode),
    /// It was erased.
    Erased,
}

/// An agent's work.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Who.
    pub party: Party,
    /// Asks that wait, with when each expires; nothing where they are sealed to somebody else.
    pub waiting: Option<Vec<(Party, RecordId, Millis)>>,
    /// Queries it served.
    pub served: u64,
    /// Its balance.
    pub earned: i64,
    /// Signed one-time keys that are not handed out.
    pub prekeys: u64,
    /// What moved its balance, newest first.
    pub journal: Vec<Entry>,
}

/// A review of an opening of this hospital's records.
#[derive(Clone, Debug)]
pub struct Reviewed {
    /// The log's entry.
    pub operation: OperationId,
    /// When.
    pub at: Millis,
    /// By whom.
    pub by: Party,
    /// Of which record.
    pub record: RecordId,
    /// What was found.
    pub verdict: Verdict,
    /// Credits that came of it, all accounts together.
    pub minted: u64,
}

/// A hospital in the ranking.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Who.
    pub hospital: Party,
    /// Credit, decayed, in whole credits.
    pub score: i64,
    /// Reviews that accepted.
    pub accepted: u64,
    /// Reviews that did not.
    pub refused: u64,
}

/// A voucher that a patient gave to this hospital.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// Whose.
    pub account: Party,
    /// Of which tier.
    pub tier: u8,
    /// When.
    pub at: Millis,
    /// The log's entry.
    pub operation: OperationId,
}

/// The form that publishes a record or its next version.
pub fn publish(
    frame: &Frame<'_>,
    patients: &[Party],
    records: &[Published],
    csrf: Csrf<'_>,
) -> Markup {
    let language = frame.language;
    let title = language.say(w::PUBLISH);
    let main = html! {
        h1 { (title) }
        p { (language.say(w::PUBLISH_INTRO)) }
        form method="post" action="/publish" enctype="multipart/form-data" class="upload" {
            input type="hidden" name="csrf" value=(csrf.0);
            p class="field" {
                label for="patient" { (language.say(w::FOR_PATIENT)) }
                select id="patient" name="patient" required aria-describedby="patient-hint" {
                    option value="" { (language.say(w::CHOOSE_PATIENT)) }
                    @for patient in patients {
                        option value=(patient.id) { (patient.called(language)) }
                    }
                }
                span id="patient-hint" class="quiet" { (language.say(w::PATIENT_HINT)) }
            }
            p class="field" {
                label for="version" { (language.say(w::NEW_OR_NEXT)) }
                select id="version" name="record" {
                    option value="" { (language.say(w::A_NEW_RECORD)) }
                    @for record in records.iter().filter(|record| record.answer == Answer::Accepted) {
                        @let name = pieces::short(&record.id.to_string());
                        option value=(record.id) {
                            (language.fill(w::NEXT_VERSION_OF, &[&name])) " – "
                            (record.patient.called(language))
                        }
                    }
                }
            }
            p class="field drop" {
                label for="file" { (language.say(w::RECORD_FILE)) }
                input id="file" name="file" type="file" required aria-describedby="file-hint";
                span id="file-hint" class="quiet" { (language.say(w::FILE_HINT)) }
            }
            button class="primary" { (language.say(w::SIGN_AND_PUBLISH)) }
        }
    };
    frame.page(title, &main)
}

/// What was published, and what patients did with it.
pub fn published(frame: &Frame<'_>, records: &[Published], next: Option<&str>) -> Markup {
    let language = frame.language;
    let title = language.say(w::PUBLISHED);
    let head = [
        s::RECORD,
        c::PATIENT,
        s::WHEN_IT_WAS,
        w::ANSWER,
        w::REASON,
        s::PROOF,
    ];
    let head = head.map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = records
        .iter()
        .map(|record| {
            let (answer, reason) = match record.answer {
                Answer::Waiting => (w::ANSWER_WAITING, None),
                Answer::Accepted => (p::STATE_ACCEPTED, None),
                Answer::Rejected(code) => (p::STATE_REJECTED, Some(patient::rejected(code))),
                Answer::Erased => (p::STATE_ERASED, None),
            };
            vec![
                html! {
                    code title=(record.id) { (pieces::short(&record.id.to_string())) } " "
                    (language.fill(s::VERSION_NUMBER, &[&record.version]))
                },
                record.patient.show(language),
                pieces::instant(record.at, language),
                html! { span class="tag" { (language.say(answer)) } },
                html! { @if let Some(reason) = reason { (language.say(reason)) } },
                pieces::proof(record.operation, record.at, language),
            ]
        })
        .collect();
    let main = html! {
        h1 { (title) }
        p { (language.say(w::ACCEPTANCES)) }
        (pieces::list(language.say(w::ACCEPTANCES), &head, &rows, language))
        (pieces::older(next, language))
    };
    frame.page(title, &main)
}

/// Agents, each with its queue and what it earned.
pub fn agents(frame: &Frame<'_>, agents: &[Agent]) -> Markup {
    let language = frame.language;
    let title = language.say(w::QUEUE);
    let main = html! {
        h1 { (title) }
        p { (language.say(w::AGENT_INTRO)) }
        @if agents.is_empty() { p { (language.say(w::NO_AGENTS)) } }
        @for agent in agents { (one_agent(agent, language)) }
    };
    frame.page(title, &main)
}

fn one_agent(agent: &Agent, language: Language) -> Markup {
    let head = [w::ASKED_BY, s::RECORD, w::ASK_EXPIRES].map(|term| language.say(term));
    let waiting: Vec<Vec<Markup>> = agent
        .waiting
        .iter()
        .flatten()
        .map(|(who, record, expires)| {
            vec![
                who.show(language),
                html! { code title=(record) { (pieces::short(&record.to_string())) } },
                pieces::instant(*expires, language),
            ]
        })
        .collect();
    let id = format!("agent-{}", pieces::short(&agent.party.id.to_string()));
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (agent.party.show(language)) }
            dl class="facts" {
                div { dt { (language.say(w::AGENT_SERVED)) } dd { (language.whole(agent.served)) } }
                div { dt { (language.say(w::AGENT_EARNED)) } dd { (agent.earned) } }
                div { dt { (language.say(w::PREKEYS_LEFT)) } dd { (language.whole(agent.prekeys)) } }
            }
            h3 { (language.say(w::AGENT_WAITING)) }
            @if agent.waiting.is_some() {
                (pieces::list(language.say(w::AGENT_WAITING), &head, &waiting, language))
            } @else {
                p class="quiet" { (language.say(w::QUEUE_IS_SEALED)) }
            }
            h3 { (language.say(p::JOURNAL)) }
            (patient::journal(&agent.journal, language))
        }
    }
}

/// Hospitals by credit, with the reviews behind it; `own` is marked.
pub fn ranking(
    frame: &Frame<'_>,
    ranking: &[Ranked],
    own: Option<AccountId>,
    reviews: &[Reviewed],
) -> Markup {
    let language = frame.language;
    let title = language.say(w::RANKING);
    let head = [
        s::RANK,
        s::HOSPITAL,
        s::SCORE,
        s::REVIEWS_GOOD,
        s::REVIEWS_BAD,
    ];
    let head = head.map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = ranking
        .iter()
        .enumerate()
        .map(|(at, ranked)| {
            vec![
                html! { (at + 1) },
                html! {
                    (ranked.hospital.show(language))
                    @if own == Some(ranked.hospital.id) {
                        " " span class="tag" { (language.say(w::THIS_IS_YOU)) }
                    }
                },
                html! { (ranked.score) },
                html! { (language.whole(ranked.accepted)) },
                html! { (language.whole(ranked.refused)) },
            ]
        })
        .collect();
    let main = html! {
        h1 { (title) }
        p { (language.say(w::RANKING_INTRO)) }
        (pieces::list(title, &head, &rows, language))
        @if own.is_some() {
            h2 { (language.say(w::REVIEWS_OF_YOURS)) }
            (self::reviews(reviews, language))
        }
    };
    frame.page(title, &main)
}

fn reviews(reviews: &[Reviewed], language: Language) -> Markup {
    let head = [
        s::WHEN_IT_WAS,
        s::WHO,
        s::RECORD,
        w::VERDICT,
        s::CREDIT,
        s::PROOF,
    ];
    let head = head.map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = reviews
        .iter()
        .map(|review| {
            let verdict = match review.verdict {
                Verdict::Accepted => w::VERDICT_ACCEPTED,
                Verdict::NotAsRequested => w::VERDICT_NOT_AS_REQUESTED,
                Verdict::PoorQuality => w::VERDICT_POOR_QUALITY,
                Verdict::Fabricated => w::VERDICT_FABRICATED,
            };
            vec![
                pieces::instant(review.at, language),
                review.by.show(language),
                html! { code title=(review.record) { (pieces::short(&review.record.to_string())) } },
                html! { (language.say(verdict)) },
                html! { (language.whole(review.minted)) },
                pieces::proof(review.operation, review.at, language),
            ]
        })
        .collect();
    pieces::list(language.say(w::REVIEWS_OF_YOURS), &head, &rows, language)
}

/// Vouchers that patients gave to this hospital.
pub fn vouchers(frame: &Frame<'_>, redeemed: &[Redeemed]) -> Markup {
    let language = frame.language;
    let title = language.say(w::REDEEMED);
    let head = [w::ACCOUNT, s::CREDIT, s::WHEN_IT_WAS, s::PROOF].map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = redeemed
        .iter()
        .map(|voucher| {
            vec![
                voucher.account.show(language),
                html! { (language.fill(s::TIER, &[&voucher.tier])) },
                pieces::instant(voucher.at, language),
                pieces::proof(voucher.operation, voucher.at, language),
            ]
        })
        .collect();
    let main = html! {
        h1 { (title) }
        p { (language.say(w::REDEEMED_INTRO)) }
        (pieces::list(title, &head, &rows, language))
    };
    frame.page(title, &main)
}
