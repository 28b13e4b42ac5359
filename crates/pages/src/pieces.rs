//! Small pieces that pages share: times, parties, proofs, forms, tables.

use base::{AccountId, Class, Epoch, Millis, OperationId};
use maud::{Markup, html};

use crate::{
    language::Language,
    when::Moment,
    words::{Term, site as s},
};

/// The token that every form sends back, so that no other page can send it.
#[derive(Clone, Copy, Debug)]
pub struct Csrf<'a>(pub &'a str);

/// An account as its reader knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// The account.
    pub id: AccountId,
    /// Its name in the reader's own contacts.
    pub name: Option<String>,
}

impl Party {
    pub(crate) fn called(&self, language: Language) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| language.fill(s::UNKNOWN_ACCOUNT, &[&short(&self.id.to_string())]))
    }

    /// Its name, with the whole account for who asks.
    pub(crate) fn show(&self, language: Language) -> Markup {
        html! { span class="party" title=(self.id) { (self.called(language)) } }
    }
}

/// What data is asked or opened for (HL7 v3 PurposeOfUse).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// TREAT.
    Treatment,
    /// ETREAT.
    EmergencyTreatment,
    /// HRESCH.
    Research,
    /// PUBHLTH.
    PublicHealth,
    /// COVERAGE.
    Coverage,
    /// PATRQT.
    PatientRequest,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] = [
        Self::Treatment,
        Self::EmergencyTreatment,
        Self::Research,
        Self::PublicHealth,
        Self::Coverage,
        Self::PatientRequest,
    ];

    /// As forms send it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Treatment => "treatment",
            Self::EmergencyTreatment => "emergency-treatment",
            Self::Research => "research",
            Self::PublicHealth => "public-health",
            Self::Coverage => "coverage",
            Self::PatientRequest => "patient-request",
        }
    }

    /// Its code in HL7 v3 ActReason.
    pub const fn act_reason(self) -> &'static str {
        match self {
            Self::Treatment => "TREAT",
            Self::EmergencyTreatment => "ETREAT",
            Self::Research => "HRESCH",
            Self::PublicHealth => "PUBHLTH",
            Self::Coverage => "COVERAGE",
            Self::PatientRequest => "PATRQT",
        }
    }

    /// The purpose of a code, in either spelling.
    pub fn of_code(code: &str) -> Option<Self> {
        let spelt = |purpose: &Self| purpose.code() == code || purpose.act_reason() == code;
        Self::ALL.into_iter().find(spelt)
    }

    pub(crate) const fn term(self) -> Term {
        match self {
            Self::Treatment => s::PURPOSE_TREATMENT,
            Self::EmergencyTreatment => s::PURPOSE_EMERGENCY,
            Self::Research => s::PURPOSE_RESEARCH,
            Self::PublicHealth => s::PURPOSE_PUBLIC_HEALTH,
            Self::Coverage => s::PURPOSE_COVERAGE,
            Self::PatientRequest => s::PURPOSE_PATIENT_REQUEST,
        }
    }
}

/// A class of data in words.
pub(crate) const fn class(class: Class) -> Term {
    match class {
        Class::Laboratory => s::CLASS_LABORATORY,
        Class::VitalSigns => s::CLASS_VITAL_SIGNS,
        Class::Medication => s::CLASS_MEDICATION,
        Class::Imaging => s::CLASS_IMAGING,
        Class::Condition => s::CLASS_CONDITION,
        Class::Allergy => s::CLASS_ALLERGY,
        Class::Immunization => s::CLASS_IMMUNIZATION,
        Class::Procedure => s::CLASS_PROCEDURE,
        Class::Encounter => s::CLASS_ENCOUNTER,
        Class::Document => s::CLASS_DOCUMENT,
        Class::Skeleton => s::CLASS_SKELETON,
        Class::Emergency => s::CLASS_EMERGENCY,
        Class::Other => s::CLASS_OTHER,
        Class::Sensitive => s::CLASS_SENSITIVE,
    }
}

/// Classes as a list of words, the sensitive one marked.
pub(crate) fn classes(classes: &[Class], language: Language) -> Markup {
    html! {
        ul class="tags" {
            @for found in classes {
                li class=(tag(*found)) { (language.say(class(*found))) }
            }
        }
    }
}

const fn tag(class: Class) -> &'static str {
    match class {
        Class::Sensitive => "tag sensitive",
        _ => "tag",
    }
}

/// Classes in a sentence: `laboratory results, medication`.
pub(crate) fn listed(classes: &[Class], language: Language) -> String {
    let words: Vec<_> = classes
        .iter()
        .map(|found| language.say(class(*found)))
        .collect();
    words.join(", ")
}

/// A point in time for people and machines.
pub(crate) fn moment(moment: Moment, language: Language) -> Markup {
    html! { time datetime=(moment.machine()) { (moment.written(language)) } }
}

/// An instant of the ledger.
pub(crate) fn instant(time: Millis, language: Language) -> Markup {
    html! { time datetime=(time) { (language.minute(time)) } }
}

/// A UTC month.
pub(crate) fn month(epoch: Epoch, language: Language) -> String {
    Moment::iso(&epoch.to_string()).map_or_else(|| epoch.to_string(), |at| at.written(language))
}

/// The beginning of a long name, for tables.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// The way from an operation to its proof: one click.
pub(crate) fn proof(operation: OperationId, at: Millis, language: Language) -> Markup {
    let label = language.fill(s::VERIFY_THIS, &[&language.minute(at)]);
    html! {
        a class="verify" href=(format!("/operations/{operation}")) aria-label=(label) {
            (language.say(s::VERIFY))
        }
    }
}

/// The same where the time is not at hand.
pub(crate) fn proof_of(operation: OperationId, language: Language) -> Markup {
    let name = short(&operation.to_string());
    let label = format!("{} {name}", language.say(s::VERIFY));
    html! {
        a class="verify" href=(format!("/operations/{operation}")) aria-label=(label) {
            (language.say(s::VERIFY))
        }
    }
}

/// A form that changes something.
pub(crate) fn form(action: &str, csrf: Csrf<'_>, inner: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="csrf" value=(csrf.0);
            (inner)
        }
    }
}

/// A table whose cells are markup already; on a phone each row is a card.
pub(crate) fn table(caption: &str, head: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        // Where it is too wide it scrolls: by keyboard, too.
        div class="scroll" tabindex="0" role="group" aria-label=(caption) {
            table role="table" class="cards" {
                caption class="hidden" { (caption) }
                thead role="rowgroup" {
                    tr role="row" {
                        @for name in head { th role="columnheader" scope="col" { (name) } }
                    }
                }
                tbody role="rowgroup" {
                    @for row in rows {
                        tr role="row" {
                            @for (cell, name) in row.iter().zip(head) {
                                // One child, so that a card has two columns: the label and this.
                                td role="cell" data-label=(name) { div { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A table, or that nothing is there yet.
pub(crate) fn list(
    caption: &str,
    head: &[&str],
    rows: &[Vec<Markup>],
    language: Language,
) -> Markup {
    if rows.is_empty() {
        return html! { p { (language.say(s::NOTHING_YET)) } };
    }
    table(caption, head, rows)
}

/// Where a list goes on that begins with the newest.
pub(crate) fn older(next: Option<&str>, language: Language) -> Markup {
    going_on(next, s::OLDER, language)
}

/// Where a list goes on.
pub(crate) fn more(next: Option<&str>, language: Language) -> Markup {
    going_on(next, s::MORE, language)
}

fn going_on(next: Option<&str>, words: Term, language: Language) -> Markup {
    html! {
        @if let Some(next) = next {
            p { a class="button" rel="next" href=(format!("?from={next}")) { (language.say(words)) } }
        }
    }
}
