//! Chapter: Mara lies unconscious in a hospital that she let in for that case alone.

use super::{
    super::step::{Facts, Report, step},
    cast::Cast,
    records::{Journey, Published},
    refusals::{asks_only, by_ledger, defies, opens_late},
    sharing::{ask, same_bytes},
};
use crate::exit::Result;

/// A grant for emergencies: shut before one is declared, open after it, and told.
pub(super) fn break_glass(
    report: &mut Report,
    cast: &Cast,
    published: &Published<'_>,
) -> Result<()> {
    report.chapter("An emergency breaks the glass, and the patient is told")?;
    let (hospital, agent) = (&cast.riverside, &cast.liar);
    let sheet = published.emergency_sheet(report, cast)?;
    let grant = prepare(report, cast, &sheet)?;
    report.waits(
        step("ask", "Riverside asks for the sheet; nobody is in danger"),
        &asks_only(hospital, &sheet, &grant),
    )?;
    report.refuses(
        step(
            "no-emergency-ledger",
            format!("{} logs the query all the same", agent.name),
        ),
        &defies(agent, &grant),
        by_ledger("emergency"),
    )?;
    report.overhears(
        step(
            "no-emergency",
            "The same agent, honest again, refuses the ask",
        ),
        &agent.run(&["agent", "once"]),
        "letter-refused",
        "emergency",
    )?;
    let declared = ["emergency", cast.mara.account(), "--code", "unresponsive"];
    report.passes(
        step(
            "emergency",
            "Mara is unresponsive: Riverside breaks the glass",
        ),
        hospital.run(&declared),
    )?;
    report.waits(
        step("ask", "Riverside asks again"),
        &asks_only(hospital, &sheet, &grant),
    )?;
    let text = format!("{} answers now", agent.name);
    report.passes(step("agent-answers", text), agent.run(&["agent", "once"]))?;
    let opened = opens_late(hospital, &sheet, &grant);
    let facts = Facts::of(&opened)
        .cid(&sheet.state)
        .sizes(sheet.source.bytes, None);
    report.passes_with(
        step("emergency-open", "Riverside opens the sheet"),
        opened,
        facts,
    )?;
    let same = same_bytes(&hospital.path("late"), &sheet.source.path)?;
    report.checks(
        step("emergency-compare", "It is the sheet, byte for byte"),
        &Facts::default(),
        same,
        "the bytes differ",
    )?;
    told(report, cast)
}

/// What Mara and Riverside agree on while she is well.
fn prepare(report: &mut Report, cast: &Cast, sheet: &Journey<'_>) -> Result<String> {
    let classes = sheet.classes.iter().map(String::as_str);
    let words = "For the day you cannot answer";
    let asked = ask(
        &cast.riverside,
        &[&cast.mara],
        classes,
        "emergency-treatment",
        words,
    );
    let request = report
        .passes(
            step("request", "Riverside asks Mara for emergencies to come"),
            asked,
        )?
        .text("request")?;
    let arguments = [
        "grant",
        "approve",
        &request,
        "--agent",
        cast.liar.account(),
        "--emergency",
    ];
    report
        .passes(
            step("authorise", "Mara allows it, for emergencies alone"),
            cast.mara.run(&arguments),
        )?
        .text("grant")
}

/// Mara reads who broke the glass.
fn told(report: &mut Report, cast: &Cast) -> Result<()> {
    let log = cast.mara.run(&["wallet", "log"]);
    let hospital = cast.riverside.account();
    let listed = log.values.iter().any(|line| {
        line["kind"] == "emergency"
            && line["code"] == "unresponsive"
            && line["hospital"] == hospital
    });
    let facts = Facts::of(&log);
    report.checks(
        step(
            "emergency-told",
            "Mara's log says who broke the glass, and why",
        ),
        &facts,
        listed && log.reason().is_none(),
        "her log does not say it",
    )
}
