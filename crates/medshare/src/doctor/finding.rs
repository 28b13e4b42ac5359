//! One line of an examination.

use std::path::{Path, PathBuf};

use super::repair::Repair;
use crate::exit::{Exit, Fault, Result};

/// What a check came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// As it must be.
    Ok,
    /// Not as it must be.
    Problem,
    /// It cannot be told from here.
    Unknown,
    /// It was a problem, and is as it must be now.
    Healed,
}

impl State {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Problem => "problem",
            Self::Unknown => "cannot tell",
            Self::Healed => "healed",
        }
    }
}

/// What was looked at, what was found, what to do.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// What it came to.
    pub state: State,
    /// What was found, and what it means; one line.
    pub says: String,
    /// What to do, where there is something to do.
    pub advice: Option<String>,
    repair: Option<Repair>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, State::Ok, says.into(), None)
    }

    pub(super) fn problem(
        check: &'static str,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, State::Problem, says.into(), Some(advice.into()))
    }

    pub(super) fn unknown(
        check: &'static str,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, State::Unknown, says.into(), Some(advice.into()))
    }

    /// A fault of the home as a problem: its line says what to do already.
    pub(super) fn fault(check: &'static str, fault: Fault) -> Self {
        let (says, advice) = match fault.message.rsplit_once("; ") {
            Some((says, advice)) => (says.to_owned(), Some(advice.to_owned())),
            None => (fault.message, None),
        };
        Self::new(check, State::Problem, says, advice)
    }

    /// As [`Finding::fault`]; but what somebody uses cannot be looked at at all.
    pub(super) fn unless_busy(check: &'static str, fault: Fault) -> Result<Self> {
        match fault.exit {
            Exit::Busy => Err(fault),
            _ => Ok(Self::fault(check, fault)),
        }
    }

    fn new(check: &'static str, state: State, says: String, advice: Option<String>) -> Self {
        Self {
            check,
            state,
            says,
            advice,
            repair: None,
        }
    }

    pub(super) fn healed_by(mut self, repair: Repair) -> Self {
        self.repair = Some(repair);
        self
    }

    /// Whether `doctor --repair` would heal it.
    pub const fn is_repairable(&self) -> bool {
        self.repair.is_some()
    }

    /// What `doctor --repair` would do.
    pub const fn repair(&self) -> Option<&Repair> {
        self.repair.as_ref()
    }

    /// Says what became of what `was` found before it was repaired.
    pub(super) fn after_repair(&mut self, was: &Self, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            self.says = format!("{} (not repaired: {fault})", self.says);
        } else if self.state == State::Ok {
            self.state = State::Healed;
            self.says = format!("{} (it was: {})", self.says, was.says);
        }
    }
}

/// Paths relative to the home, the first few of them.
pub(super) fn names(folder: &Path, paths: &[PathBuf]) -> String {
    few(paths, |path| {
        let short = path.strip_prefix(folder).unwrap_or(path);
        match short.as_os_str().is_empty() {
            true => "the folder itself".to_owned(),
            false => short.display().to_string(),
        }
    })
}

/// The first few items, and how many more there are.
pub(super) fn few<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = items.iter().take(SHOWN).map(show).collect();
    let joined = shown.join(", ");
    match items.len() - shown.len() {
        0 => joined,
        left => format!("{joined} and {left} more"),
    }
}

/// Items that one line names.
const SHOWN: usize = 5;
