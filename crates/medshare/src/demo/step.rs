//! What the demo reports: chapters, and one line (or one JSON object) a step.
//!
//! A step's outcome is what a party's process answered, held against what the story
//! expects; a step that does not come out as expected ends the demo with its name.

use std::{
    cell::Cell,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::{layout, party::Answer};
use crate::exit::{Exit, Fault, Result};

/// Writes the story down as it happens.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    color: bool,
    started: Instant,
    chapters: u32,
    steps: u32,
    refusals: u32,
    unread: Cell<bool>,
}

/// What a step is called by programs, and what a person reads.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// For programs.
    pub(super) name: &'static str,
    /// For people.
    pub(super) text: String,
}

/// What there is to say about a step beside its outcome.
#[derive(Clone, Default, Debug)]
pub(super) struct Facts {
    /// The logged operation.
    pub(super) operation: Option<String>,
    /// What was stored or read.
    pub(super) cid: Option<String>,
    /// Bytes of the source, and of what stands in the store.
    pub(super) bytes: Option<(u64, Option<u64>)>,
    /// How long the party's process took.
    pub(super) time: Duration,
}

/// What the story expects of a step that must not succeed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// The exit code of the party's process.
    pub(super) exit: Exit,
    /// Words that the reason must have.
    pub(super) says: &'static str,
}

/// A step of the story.
pub(super) fn step(name: &'static str, text: impl Into<String>) -> Step {
    Step {
        name,
        text: text.into(),
    }
}

/// An expected refusal.
pub(super) const fn refusal(exit: Exit, says: &'static str) -> Refusal {
    Refusal { exit, says }
}

impl Facts {
    /// What the answer itself tells: operation, CID, time.
    pub(super) fn of(answer: &Answer) -> Self {
        Self {
            operation: ["operation", "query"]
                .iter()
                .find_map(|key| answer.find(key)),
            cid: ["cid", "state", "root"]
                .iter()
                .find_map(|key| answer.find(key)),
            bytes: None,
            time: answer.time,
        }
    }

    /// The facts of work that the demo did itself.
    pub(super) fn took(started: Instant) -> Self {
        Self {
            time: started.elapsed(),
            ..Self::default()
        }
    }

    /// With the sizes of source and sealed bytes.
    pub(super) fn sizes(mut self, source: u64, sealed: Option<u64>) -> Self {
        self.bytes = Some((source, sealed));
        self
    }

    /// With a CID.
    pub(super) fn cid(mut self, cid: &str) -> Self {
        self.cid = Some(cid.to_owned());
        self
    }
}

impl Report {
    /// A report on stdout.
    pub(super) fn new(json: bool) -> Self {
        let color = !json && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            json,
            color,
            started: Instant::now(),
            chapters: 0,
            steps: 0,
            refusals: 0,
            unread: Cell::new(false),
        }
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) -> Result<()> {
        self.chapters += 1;
        let number = self.chapters;
        self.talk(&format!(
            "\n{}",
            self.paint(BOLD, &format!("{number}. {title}"))
        ))
    }

    /// A line for people only.
    pub(super) fn talk(&self, text: &str) -> Result<()> {
        match self.json {
            true => Ok(()),
            false => self.line(text),
        }
    }

    /// A step that had to succeed: gives the answer back.
    pub(super) fn passes(&mut self, step: Step, answer: Answer) -> Result<Answer> {
        let facts = Facts::of(&answer);
        self.passes_with(step, answer, facts)
    }

    /// The same with more facts than the answer tells.
    pub(super) fn passes_with(
        &mut self,
        step: Step,
        answer: Answer,
        facts: Facts,
    ) -> Result<Answer> {
        match answer.reason() {
            None => {
                self.done(step, &facts)?;
                Ok(answer)
            }
            Some(reason) => self.broken(&step, &facts, &reason),
        }
    }

    /// A step that was begun and waits for somebody else, as the story wants it.
    pub(super) fn waits(&mut self, step: Step, answer: &Answer) -> Result<()> {
        let facts = Facts::of(answer);
        match answer.reason() {
            Some(_) if answer.exit == Exit::Pending as u8 => self.done(step, &facts),
            Some(reason) => self.broken(&step, &facts, &reason),
            None => self.broken(&step, &facts, "it did not have to wait"),
        }
    }

    /// A step that had to be refused, for the reason that the story expects.
    pub(super) fn refuses(&mut self, step: Step, answer: &Answer, expected: Refusal) -> Result<()> {
        let facts = Facts::of(answer);
        let Some(reason) = answer.reason() else {
            return self.broken(&step, &facts, "it was not refused");
        };
        if answer.exit != expected.exit as u8 || !reason.contains(expected.says) {
            return self.broken(
                &step,
                &facts,
                &format!("refused for another reason: {reason}"),
            );
        }
        self.refused(step, &facts, &reason)
    }

    /// A step that had to be refused with a reason that names `name`.
    pub(super) fn names(
        &mut self,
        step: Step,
        answer: &Answer,
        exit: Exit,
        name: &str,
    ) -> Result<()> {
        let facts = Facts::of(answer).cid(name);
        match answer.reason() {
            Some(reason) if answer.exit == exit as u8 && reason.contains(name) => {
                self.refused(step, &facts, &reason)
            }
            Some(reason) => self.broken(
                &step,
                &facts,
                &format!("refused for another reason: {reason}"),
            ),
            None => self.broken(&step, &facts, "it was not refused"),
        }
    }

    /// A step whose process went well and told an event: the refusal that the story expects.
    pub(super) fn overhears(
        &mut self,
        step: Step,
        answer: &Answer,
        event: &str,
        says: &str,
    ) -> Result<()> {
        let facts = Facts::of(answer);
        if let Some(reason) = answer.reason() {
            return self.broken(&step, &facts, &reason);
        }
        let told = answer
            .event(event)
            .and_then(|event| event["message"].as_str());
        match told {
            Some(reason) if reason.contains(says) => self.refused(step, &facts, reason),
            Some(reason) => self.broken(
                &step,
                &facts,
                &format!("refused for another reason: {reason}"),
            ),
            None => self.broken(
                &step,
                &facts,
                &format!("it told no {event}: {:?}", answer.values),
            ),
        }
    }

    /// A step of the demo's own that succeeded.
    pub(super) fn done(&mut self, step: Step, facts: &Facts) -> Result<()> {
        self.steps += 1;
        self.write(&step, "ok", facts, None)
    }

    /// A step that was refused as it had to be.
    pub(super) fn refused(&mut self, step: Step, facts: &Facts, reason: &str) -> Result<()> {
        self.steps += 1;
        self.refusals += 1;
        self.write(&step, "refused", facts, Some(reason))
    }

    /// A step that did not come out as the story expects: the demo ends here.
    pub(super) fn broken<T>(&mut self, step: &Step, facts: &Facts, reason: &str) -> Result<T> {
        self.write(step, "failed", facts, Some(reason))?;
        Err(Fault::new(
            Exit::Internal,
            format!(
                "the demo stops: step {:?} ({}) did not come out as it must: {reason}",
                step.name, step.text
            ),
        ))
    }

    /// The demo's own check: ends the demo when it does not hold.
    pub(super) fn checks(
        &mut self,
        step: Step,
        facts: &Facts,
        holds: bool,
        otherwise: &str,
    ) -> Result<()> {
        match holds {
            true => self.done(step, facts),
            false => self.broken(&step, facts, otherwise),
        }
    }

    /// Steps, refusals and time so far.
    pub(super) fn summary(&self) -> (u32, u32, Duration) {
        (self.steps, self.refusals, self.started.elapsed())
    }

    fn write(&self, step: &Step, outcome: &str, facts: &Facts, reason: Option<&str>) -> Result<()> {
        if self.json {
            return self.line(&layout::object(step, outcome, facts, reason).to_string());
        }
        let (mark, color) = match outcome {
            "ok" => ("✓", GREEN),
            "refused" => ("✗", YELLOW),
            _ => ("!", RED),
        };
        let row = layout::row(step, facts);
        self.line(&format!("  {} {row}", self.paint(color, mark)))?;
        match reason {
            Some(reason) => self.line(&format!("      {}", self.paint(color, reason))),
            None => Ok(()),
        }
    }

    /// The heads of the columns.
    pub(super) fn heads(&self) -> Result<()> {
        let heads = format!("    {}", layout::heads());
        self.talk(&self.paint(DIM, &heads))
    }

    /// Whether the reader of the report has gone away, which is no fault.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.get()
    }

    fn line(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")
            .and_then(|()| stdout.flush())
            .map_err(|error| {
                self.unread.set(error.kind() == io::ErrorKind::BrokenPipe);
                Fault::io("standard output", &error)
            })
    }

    fn paint(&self, color: &str, text: &str) -> String {
        match self.color {
            true => format!("{color}{text}{PLAIN}"),
            false => text.to_owned(),
        }
    }
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_story_does_not_expect_ends_it() {
        let mut report = Report::new(true);
        let well = Answer::default();
        assert!(report.passes(step("a", "a"), well.clone()).is_ok());
        let expected = refusal(Exit::Refused, "revoked");
        let broken = report.refuses(step("b", "the title"), &well, expected);
        let fault = broken.err().map(|fault| fault.message).unwrap_or_default();
        assert!(fault.contains("\"b\" (the title)"), "{fault}");
        assert!(
            report
                .refuses(step("c", "c"), &Answer::failed("revoked".into()), expected)
                .is_err()
        );
        assert!(report.waits(step("d", "d"), &well).is_err());
        assert!(
            report
                .names(step("e", "e"), &well, Exit::Invalid, "")
                .is_err()
        );
        assert!(
            report
                .overhears(step("f", "f"), &well, "letter-refused", "")
                .is_err()
        );
        assert!(
            report
                .checks(step("g", "g"), &Facts::default(), false, "no")
                .is_err()
        );
        assert_eq!(report.summary().0, 1);
    }
}
