//! What is shared, and who opened what.

use base::{Class, Millis, OperationId};
use maud::{Markup, html};

use super::{Access, Csrf, Party, Purpose, timeline::access_table};
use crate::{
    frame::Frame,
    language::Language,
    pieces,
    words::{Term, people as w},
};

/// A grant of hers.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The log's entry.
    pub id: OperationId,
    /// When it was logged.
    pub at: Millis,
    /// To whom.
    pub to: Party,
    /// Which kinds of data, as far as the wallet knows.
    pub classes: Vec<Class>,
    /// What for, if it knows.
    pub purpose: Option<Purpose>,
    /// From when on.
    pub not_before: Millis,
    /// Until when.
    pub expires: Millis,
    /// How many parts were opened, and how many may be.
    pub used: (u32, u32),
    /// Whether it serves now.
    pub state: GrantState,
}

/// Whether a grant serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantState {
    /// It does.
    Live,
    /// Later.
    NotYet,
    /// Its time is over.
    Expired,
    /// She ended it.
    Revoked,
    /// As many parts as she allowed were opened.
    UsedUp,
}

impl GrantState {
    const fn term(self) -> Term {
        match self {
            Self::Live => w::GRANT_LIVE,
            Self::NotYet => w::GRANT_NOT_YET,
            Self::Expired => w::GRANT_EXPIRED,
            Self::Revoked => w::GRANT_REVOKED,
            Self::UsedUp => w::GRANT_USED_UP,
        }
    }

    /// Whether ending it would change anything.
    const fn can_end(self) -> bool {
        matches!(self, Self::Live | Self::NotYet)
    }
}

/// Every grant, live ones first.
pub fn grants(frame: &Frame<'_>, grants: &[Grant], csrf: Csrf<'_>) -> Markup {
    let language = frame.language;
    let title = language.say(w::MY_GRANTS);
    let (live, over): (Vec<_>, Vec<_>) = grants.iter().partition(|grant| grant.state.can_end());
    let main = html! {
        h1 { (title) }
        p { (language.say(w::GRANTS_INTRO)) }
        @if grants.is_empty() { p { (language.say(w::NO_GRANTS)) } }
        ul class="cards-list" {
            @for grant in live.into_iter().chain(over) { li { (card(grant, csrf, language)) } }
        }
    };
    frame.page(title, &main)
}

fn card(grant: &Grant, csrf: Csrf<'_>, language: Language) -> Markup {
    let who = grant.to.called(language);
    let [from, until] = [grant.not_before, grant.expires].map(|time| language.minute(time));
    let (used, most) = grant.used;
    html! {
        article class="card" {
            h2 { (language.fill(w::SHARED_WITH, &[&who])) }
            p {
                span class="tag" { (language.say(grant.state.term())) }
                @if let Some(purpose) = grant.purpose { " " (language.say(purpose.term())) }
            }
            (pieces::classes(&grant.classes, language))
            p { (language.fill(w::GRANT_SPAN, &[&from, &until])) }
            p { (language.fill(w::GRANT_USED, &[&used, &most])) }
            p { (pieces::proof(grant.id, grant.at, language)) }
            @if grant.state.can_end() {
                (pieces::form(
                    &format!("/grants/{}/revoke", grant.id),
                    csrf,
                    &html! {
                        p class="quiet" { (language.say(w::UNDO_READ)) }
                        button class="danger" aria-label=(language.fill(w::END_SHARING_WITH, &[&who])) {
                            (language.say(w::END_SHARING))
                        }
                    },
                ))
            }
        }
    }
}

/// Who saw what, when and why; emergencies first, each as who declared it and when.
pub fn accesses(
    frame: &Frame<'_>,
    accesses: &[Access],
    emergencies: &[(Party, Millis)],
    next: Option<&str>,
) -> Markup {
    let language = frame.language;
    let title = language.say(w::MY_ACCESSES);
    let main = html! {
        h1 { (title) }
        p { (language.say(w::ACCESSES_INTRO)) }
        @for (who, at) in emergencies {
            p class="warning" role="note" {
                (language.fill(w::EMERGENCY_NOTICE, &[&who.called(language), &language.minute(*at)]))
            }
        }
        @if accesses.is_empty() {
            p { (language.say(w::NOBODY_YET)) }
        } @else {
            (access_table(accesses, language))
        }
        (pieces::older(next, language))
    };
    frame.page(title, &main)
}
