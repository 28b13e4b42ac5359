//! Credit with vouchers; backup and export.

use base::{Millis, OperationId};
use maud::{Markup, html};

use super::{Csrf, Party};
use crate::{
    frame::Frame,
    language::Language,
    pieces,
    words::{Term, people as w, site as s},
};

/// An account's credit.
#[derive(Clone, Debug)]
pub struct Credit {
    /// Now.
    pub balance: i64,
    /// The highest tier ever reached; 0 is none.
    pub tier: u8,
    /// The balance at which the next tier is reached, if there is one.
    pub next: Option<i64>,
    /// One for each tier reached.
    pub vouchers: Vec<Voucher>,
    /// What moved the balance, newest first.
    pub journal: Vec<Entry>,
    /// Hospitals to which a voucher can be given.
    pub hospitals: Vec<Party>,
}

/// A voucher.
#[derive(Clone, Debug)]
pub struct Voucher {
    /// Of which tier.
    pub tier: u8,
    /// To whom it was given.
    pub given: Option<Party>,
}

/// A line of the journal.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// When.
    pub at: Millis,
    /// By how much.
    pub amount: i64,
    /// Afterwards.
    pub balance: i64,
    /// Why.
    pub reason: Reason,
    /// The operation that caused it.
    pub cause: OperationId,
}

/// Why a balance moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A patient's data was accepted.
    Shared,
    /// A hospital's record was accepted.
    Signed,
    /// An agent's work.
    Agent,
    /// A proven fabrication.
    Penalty,
}

impl Reason {
    const fn term(self) -> Term {
        match self {
            Self::Shared => w::REASON_GRANT,
            Self::Signed => w::REASON_SIGNED,
            Self::Agent => w::REASON_AGENT,
            Self::Penalty => w::REASON_PENALTY,
        }
    }
}

/// Balance, tier, vouchers, and how they came about.
pub fn credit(frame: &Frame<'_>, credit: &Credit, csrf: Csrf<'_>) -> Markup {
    let language = frame.language;
    let title = language.say(w::MY_CREDIT);
    let next = credit
        .next
        .map(|at| at.saturating_sub(credit.balance).max(0));
    let main = html! {
        h1 { (title) }
        p { (language.say(w::CREDIT_INTRO)) }
        p class="figure" {
            span class="big" { (signed(credit.balance, language)) } " "
            (language.say(s::BALANCE)) " · "
            (language.fill(s::TIER, &[&credit.tier]))
        }
        p class="quiet" {
            @match next {
                Some(missing) => (language.fill(w::NEXT_TIER, &[&missing, &credit.tier.saturating_add(1)])),
                None => (language.say(w::HIGHEST_TIER)),
            }
        }
        @if !credit.vouchers.is_empty() {
            h2 { (language.say(s::VOUCHERS)) }
            ul class="cards-list" {
                @for voucher in &credit.vouchers {
                    li { (self::voucher(voucher, &credit.hospitals, csrf, language)) }
                }
            }
        }
        h2 { (language.say(w::JOURNAL)) }
        (journal(&credit.journal, language))
    };
    frame.page(title, &main)
}

fn voucher(voucher: &Voucher, hospitals: &[Party], csrf: Csrf<'_>, language: Language) -> Markup {
    let select = format!("hospital-{}", voucher.tier);
    html! {
        article class="card" {
            h3 { (language.fill(s::TIER, &[&voucher.tier])) }
            @if let Some(hospital) = &voucher.given {
                p { (language.fill(w::VOUCHER_GIVEN, &[&hospital.called(language)])) }
            } @else {
                p { (language.say(w::VOUCHER_OPEN)) }
                @if !hospitals.is_empty() {
                    (pieces::form(
                        &format!("/vouchers/{}/redeem", voucher.tier),
                        csrf,
                        &html! {
                            p class="field" {
                                label for=(select) { (language.fill(w::GIVE_TO, &[&voucher.tier])) }
                                select id=(select) name="hospital" required {
                                    @for hospital in hospitals {
                                        option value=(hospital.id) { (hospital.called(language)) }
                                    }
                                }
                            }
                            button { (language.say(w::GIVE)) }
                        },
                    ))
                }
            }
        }
    }
}

/// The journal of a balance.
pub(crate) fn journal(entries: &[Entry], language: Language) -> Markup {
    let head =
        [s::WHEN_IT_WAS, w::CHANGE, s::BALANCE, s::WHY, s::PROOF].map(|term| language.say(term));
    let rows: Vec<Vec<Markup>> = entries
        .iter()
        .map(|entry| {
            let plus = if entry.amount > 0 { "+" } else { "" };
            vec![
                pieces::instant(entry.at, language),
                html! { (plus) (signed(entry.amount, language)) },
                html! { (signed(entry.balance, language)) },
                html! { (language.say(entry.reason.term())) },
                pieces::proof(entry.cause, entry.at, language),
            ]
        })
        .collect();
    pieces::list(language.say(w::JOURNAL), &head, &rows, language)
}

fn signed(number: i64, language: Language) -> String {
    let sign = if number < 0 { "−" } else { "" };
    format!("{sign}{}", language.whole(number.unsigned_abs()))
}

/// What stands between a lost device and lost records.
#[derive(Clone, Copy, Debug)]
pub struct Backup {
    /// The kept bag of keys, if there is one.
    pub bag: Option<Bag>,
    /// Who can recover the account together.
    pub guardians: Guardians,
    /// Whether everything can be saved as one file here.
    pub export: bool,
}

/// A bag of keys in the store.
#[derive(Clone, Copy, Debug)]
pub struct Bag {
    /// Its version.
    pub version: u64,
    /// The version on the device.
    pub newest: u64,
    /// When its commitment was logged.
    pub at: Millis,
}

/// Who can recover the account together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guardians {
    /// Nobody.
    Nobody,
    /// Some, named by another device.
    NamedElsewhere,
    /// So many of so many.
    Named {
        /// Enough to recover.
        threshold: u8,
        /// All of them.
        members: u8,
    },
}

/// Backup, guardians, export.
pub fn backup(frame: &Frame<'_>, backup: &Backup, csrf: Csrf<'_>) -> Markup {
    let language = frame.language;
    let title = language.say(w::MY_BACKUP);
    let state = match backup.bag {
        None => language.say(w::BACKUP_NONE).to_owned(),
        Some(bag) if bag.version < bag.newest => {
            language.fill(w::BACKUP_STALE, &[&bag.version, &bag.newest])
        }
        Some(bag) => language.fill(w::BACKUP_CURRENT, &[&bag.version, &language.minute(bag.at)]),
    };
    let safe = backup.bag.is_some_and(|bag| bag.version >= bag.newest);
    let main = html! {
        h1 { (title) }
        p { (language.say(w::BACKUP_INTRO)) }
        section aria-labelledby="state" {
            h2 id="state" { (language.say(w::BACKUP_STATE)) }
            p class=(if safe { "verified" } else { "warning" }) { (state) }
            p class="quiet" { (language.say(w::PHRASE_HINT)) }
            (pieces::form("/backup/now", csrf, &html! {
                button class=(if safe { "" } else { "primary" }) { (language.say(w::BACKUP_NOW)) }
            }))
        }
        section aria-labelledby="guardians" {
            h2 id="guardians" { (language.say(w::GUARDIANS)) }
            p {
                @match backup.guardians {
                    Guardians::Nobody => (language.say(w::GUARDIANS_NONE)),
                    Guardians::NamedElsewhere => (language.say(w::GUARDIANS_ELSEWHERE)),
                    Guardians::Named { threshold, members } => {
                        (language.fill(w::GUARDIANS_SOME, &[&threshold, &members]))
                    }
                }
            }
        }
        @if backup.export {
            section aria-labelledby="export" {
                h2 id="export" { (language.say(w::EXPORT_ALL)) }
                p { (language.say(w::EXPORT_INTRO)) }
                (pieces::form("/export", csrf, &html! { button { (language.say(w::EXPORT_NOW)) } }))
            }
        }
    };
    frame.page(title, &main)
}
