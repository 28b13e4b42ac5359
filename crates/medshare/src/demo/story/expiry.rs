//! A grant that expires while the story goes on.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    super::step::{Report, refusal, step},
    cast::Cast,
    records::{Journey, Published},
    refusals::{asks_only, by_ledger, defies, granted, opens_late},
};
use crate::exit::{Exit, Result};

/// A grant for a few seconds, made at the chapter's start and tried at its end.
pub(super) struct Brief<'a> {
    grant: String,
    until: Instant,
    journey: &'a Journey<'a>,
}

impl<'a> Brief<'a> {
    /// Makes the grant and sends an ask under it.
    pub(super) fn begin(
        report: &mut Report,
        cast: &Cast,
        published: &'a Published<'a>,
    ) -> Result<Self> {
        let journey = published.of(&cast.ines);
        let patient = journey.patient;
        let grant = granted(
            report,
            cast,
            &cast.helix,
            patient,
            journey,
            &["--for", BRIEF],
        )?;
        let until = Instant::now() + BRIEF_SPAN;
        report.waits(
            step(
                "ask",
                format!("Helix asks for {} and does not wait", journey.name()),
            ),
            &asks_only(&cast.helix, journey, &grant),
        )?;
        Ok(Self {
            grant,
            until,
            journey,
        })
    }

    /// Waits until it is over, and tries it.
    pub(super) fn end(self, report: &mut Report, cast: &Cast) -> Result<()> {
        let agent = &cast.liar;
        thread::sleep(self.until.saturating_duration_since(Instant::now()));
        report.refuses(
            step(
                "expired-ledger",
                format!(
                    "{} queries under a grant whose {BRIEF} are over",
                    agent.name
                ),
            ),
            &defies(agent, &self.grant),
            by_ledger("expired"),
        )?;
        report.overhears(
            step(
                "expired-agent",
                "The same agent, honest again, refuses the ask",
            ),
            &agent.run(&["agent", "once"]),
            "letter-refused",
            "expired",
        )?;
        report.refuses(
            step("expired", "Helix tries to open under the expired grant"),
            &opens_late(&cast.helix, self.journey, &self.grant),
            refusal(Exit::Refused, "expired"),
        )
    }
}

/// Long enough for the ask, also on a busy machine.
const BRIEF: &str = "4s";
/// A little more than [`BRIEF`].
const BRIEF_SPAN: Duration = Duration::from_millis(4_100);
