//! What a page is made of and for: whose it is, who asks, what came with a form, what goes
//! back.

use base::{OperationId, genesis::Genesis};
use pages::{Language, Markup, frame::Frame, patient::Csrf};
use std::{fs::File, sync::Arc};

use super::{log::Log, patient::Remembered, session::Session};
use crate::{
    cli::kept::{Kept, Taken},
    exit::{Exit, Fault, Result},
    http::HttpNode,
};

/// Whose page it is.
pub(super) enum Whose {
    /// A party's.
    Home(Arc<Kept>),
    /// An auditor's, who trusts this genesis object and has no account.
    Anybody(Box<Genesis>),
}

/// What every handler needs.
pub(super) struct Site {
    pub(super) role: pages::frame::Site,
    pub(super) whose: Whose,
    /// The node, for what needs no account.
    pub(super) node: HttpNode,
    pub(super) log: Log,
    pub(super) session: Session,
    pub(super) known: Remembered,
}

/// What is sent back.
pub(super) enum Reply {
    Page(Markup),
    /// Lines without a page around them.
    Text(String),
    /// A file to be saved.
    File {
        name: String,
        bytes: Vec<u8>,
    },
    /// A file to be saved that is too large for memory.
    Large {
        name: String,
        file: File,
        length: u64,
    },
    /// Done; go there.
    Go(String),
}

impl Reply {
    pub(super) fn go(path: &str) -> Result<Self> {
        Ok(Self::Go(path.to_owned()))
    }
}

/// A form's fields, in order; a name may come again. At most one file.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) pairs: Vec<(String, String)>,
    /// Without a name in any folder: its bytes are gone with this.
    pub(super) file: Option<File>,
}

impl Fields {
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a page is made for: its reader, and where a list begins.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) language: Language,
    pub(super) from: usize,
    /// Whether text is wanted, without a page around it.
    pub(super) bare: bool,
    pub(super) site: Arc<Site>,
}

impl Asked {
    pub(super) fn frame(&self, here: &'static str) -> Frame<'static> {
        Frame {
            language: self.language,
            site: self.site.role,
            here,
            notice: None,
        }
    }

    pub(super) fn csrf(&self) -> Csrf<'_> {
        Csrf(self.site.session.csrf())
    }

    /// Takes the home for this request.
    pub(super) fn enter(&self) -> Result<Taken<'_>> {
        match &self.site.whose {
            Whose::Home(kept) => kept.enter(),
            Whose::Anybody(_) => Err(nothing()),
        }
    }

    /// Looks whether a request or grant is the party's, in the log that the page follows:
    /// the node is not asked about others', so that none takes longer than one that there is
    /// not.
    pub(super) fn concerned(&self, id: OperationId) -> Result<()> {
        let log = self.site.log.advance(&self.site.node)?;
        let found = log.concerned.contains(&id);
        found.then_some(()).ok_or_else(nothing)
    }

    /// The genesis object that counts.
    pub(super) fn genesis(&self) -> &Genesis {
        match &self.site.whose {
            Whose::Home(kept) => &kept.home().genesis,
            Whose::Anybody(genesis) => genesis,
        }
    }

    /// Where the page after `all` entries' part of this one begins, if there is one.
    pub(super) fn next(&self, all: usize) -> Option<String> {
        let next = self.from.saturating_add(PAGE);
        (next < all).then(|| next.to_string())
    }
}

/// Entries of one page of a list.
pub(super) const PAGE: usize = 50;

/// What is no id names nothing.
pub(super) fn parse<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| nothing())
}

/// There is no such thing, or it is not for who asks.
pub(super) fn nothing() -> Fault {
    Fault::new(Exit::NotFound, "there is no such page")
}

/// What a form says cannot be done.
pub(super) fn invalid(message: impl std::fmt::Display) -> Fault {
    Fault::new(Exit::Invalid, message)
}
