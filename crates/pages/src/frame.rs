//! The frame of every page: head, menu, notices, main part, foot.

use maud::{DOCTYPE, Markup, html};

use crate::{
    assets::{SCRIPT, STYLE},
    language::Language,
    words::{Term, people as p, role as r, site as s},
};

/// Whose page it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Site {
    /// A person's own page, from her own device.
    Patient,
    /// A hospital's page, from its node.
    Hospital,
    /// An agent's page.
    Agent,
    /// A requester's page, from its node.
    Researcher,
    /// Anybody's.
    Auditor,
}

impl Site {
    const fn name(self) -> Term {
        match self {
            Self::Patient => s::ROLE_PATIENT,
            Self::Hospital => s::ROLE_HOSPITAL,
            Self::Agent => s::ROLE_AGENT,
            Self::Researcher => s::ROLE_RESEARCHER,
            Self::Auditor => s::ROLE_AUDITOR,
        }
    }

    /// Paths of the menu, with their names, in order; the first is where a visit begins.
    pub const fn menu(self) -> &'static [(&'static str, MenuEntry)] {
        match self {
            Self::Patient => &[
                ("/records", MenuEntry(p::MY_RECORDS)),
                ("/requests", MenuEntry(p::MY_REQUESTS)),
                ("/grants", MenuEntry(p::MY_GRANTS)),
                ("/accesses", MenuEntry(p::MY_ACCESSES)),
                ("/credit", MenuEntry(p::MY_CREDIT)),
                ("/backup", MenuEntry(p::MY_BACKUP)),
            ],
            Self::Hospital => &[
                ("/publish", MenuEntry(r::PUBLISH)),
                ("/published", MenuEntry(r::PUBLISHED)),
                ("/agent", MenuEntry(r::QUEUE)),
                ("/ranking", MenuEntry(r::RANKING)),
                ("/vouchers", MenuEntry(r::REDEEMED)),
            ],
            Self::Agent => &[
                ("/agent", MenuEntry(r::QUEUE)),
                ("/ranking", MenuEntry(r::RANKING)),
            ],
            Self::Researcher => &[
                ("/ask", MenuEntry(r::WHAT_TO_ASK)),
                ("/request", MenuEntry(r::NEW_REQUEST)),
                ("/asked", MenuEntry(r::STATUS_OF_REQUESTS)),
                ("/opened", MenuEntry(r::OPENED)),
            ],
            Self::Auditor => &[
                ("/log", MenuEntry(r::LOG)),
                ("/verify", MenuEntry(r::CHECK_PROOF)),
                ("/statistics", MenuEntry(r::STATISTICS)),
            ],
        }
    }
}

/// The name of a place in the menu.
#[derive(Clone, Copy, Debug)]
pub struct MenuEntry(Term);

impl MenuEntry {
    /// As the language writes it.
    pub const fn name(self, language: Language) -> &'static str {
        language.say(self.0)
    }
}

/// A page but for its main part.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// In which language.
    pub language: Language,
    /// Whose page.
    pub site: Site,
    /// The path of the menu's entry that this page is, or is below of.
    pub here: &'a str,
    /// Said above the main part: what was just done, or why it was not.
    pub notice: Option<&'a str>,
}

impl Frame<'_> {
    /// The whole document around `main`, which begins with its `h1`; `title` says the same.
    pub fn page(&self, title: &str, main: &Markup) -> Markup {
        let language = self.language;
        let foot = match self.site {
            Site::Patient => s::FOOT_PATIENT,
            _ => s::FOOT_OTHERS,
        };
        html! {
            (DOCTYPE)
            html lang=(language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (title) " – medshare" }
                    link rel="stylesheet" href=(STYLE.path);
                    script src=(SCRIPT.path) defer {}
                }
                body {
                    a class="skip" href="#main" { (language.say(s::SKIP_TO_CONTENT)) }
                    header {
                        p class="brand" {
                            "medshare " span class="site" { (language.say(self.site.name())) }
                        }
                        (self.menu())
                        nav class="languages" aria-label=(language.say(s::LANGUAGE)) {
                            @for other in Language::ALL {
                                @let current = (other == language).then_some("true");
                                a href=(format!("?language={}", other.code())) hreflang=(other.tag())
                                    lang=(other.tag()) aria-current=[current] { (other.name()) }
                            }
                        }
                    }
                    main id="main" tabindex="-1" {
                        @if let Some(notice) = self.notice {
                            p class="notice" role="status" { (notice) }
                        }
                        (main)
                    }
                    footer { p { (language.say(foot)) } }
                }
            }
        }
    }

    /// A page that says why something was not done, or is not there. It is the same for what
    /// does not exist and for what is not allowed.
    pub fn refusal(&self, why: Option<&str>) -> Markup {
        let language = self.language;
        let title = language.say(s::NOT_DONE_TITLE);
        let main = html! {
            h1 { (title) }
            p { (why.unwrap_or(language.say(s::NOT_FOUND))) }
            p { a class="button" href=(self.site.menu()[0].0) { (language.say(s::BACK)) } }
        };
        self.page(title, &main)
    }

    fn menu(&self) -> Markup {
        html! {
            nav class="menu" aria-label=(self.language.say(s::MAIN_MENU)) {
                ul {
                    @for (path, entry) in self.site.menu() {
                        @let current = (*path == self.here).then_some("page");
                        li { a href=(path) aria-current=[current] { (entry.name(self.language)) } }
                    }
                }
            }
        }
    }
}
