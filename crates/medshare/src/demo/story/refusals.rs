//! Chapter: everything that must not work, tried for real.
//!
//! Where the ordinary program refuses early, the same is tried with a program that does
//! not, so that the ledger's own refusal is seen: a leaf with its outcome.

use super::{
    super::{
        party::{Answer, Party},
        step::{Refusal, Report, refusal, step},
    },
    cast::Cast,
    expiry::Brief,
    records::{Journey, Published},
    sharing::ask,
};
use crate::exit::{Exit, Result};

/// Provokes each refusal that has to do with permission.
pub(super) fn provoke(report: &mut Report, cast: &Cast, published: &Published<'_>) -> Result<()> {
    report.chapter("What is not permitted is refused, by the program and by the ledger")?;
    let waiting = &published.waiting;
    let journey = published.of(&cast.mara);
    wrong_agent(report, cast, journey)?;
    let grant = granted(report, cast, &cast.helix, &cast.mara, journey, &[])?;
    not_accepted(report, cast, &grant, waiting)?;
    revoked(report, cast, &grant, journey)?;
    // The grant's seconds pass while the next refusals are provoked.
    let brief = Brief::begin(report, cast, published)?;
    no_grant(report, cast, waiting, journey)?;
    separation(report, cast, waiting)?;
    budget(report, cast, journey)?;
    brief.end(report, cast)
}

impl<'a> Published<'a> {
    /// The first record of a patient, or else of anybody.
    pub(super) fn of(&self, patient: &Party) -> &Journey<'a> {
        let hers = |journey: &&Journey<'_>| journey.patient.account() == patient.account();
        let mut all = self.journeys.iter();
        let found = self.journeys.iter().find(hers).or_else(|| all.next());
        found.unwrap_or(&self.waiting)
    }
}

/// A request of `requester` that its patient approves for the agent that may lie.
pub(super) fn granted(
    report: &mut Report,
    cast: &Cast,
    requester: &Party,
    patient: &Party,
    journey: &Journey<'_>,
    more: &[&str],
) -> Result<String> {
    granted_through(report, &cast.liar, requester, patient, journey, more)
}

/// A request of `requester` that its patient approves for `agent`.
fn granted_through(
    report: &mut Report,
    agent: &Party,
    requester: &Party,
    patient: &Party,
    journey: &Journey<'_>,
    more: &[&str],
) -> Result<String> {
    let classes = journey.classes.iter().map(String::as_str);
    let asked = ask(
        requester,
        &[patient],
        classes,
        "research",
        "One more question",
    );
    let text = format!("{} asks {} again", requester.name, patient.name);
    let request = report
        .passes(step("request", text), asked)?
        .text("request")?;
    let mut arguments = vec!["grant", "approve", &request, "--agent", agent.account()];
    arguments.extend(more);
    let text = format!("{} authorises it through {}", patient.name, agent.name);
    report
        .passes(step("authorise", text), patient.run(&arguments))?
        .text("grant")
}

/// Sends the ask for the record and does not wait for the answer.
pub(super) fn asks_only(requester: &Party, journey: &Journey<'_>, grant: &str) -> Answer {
    let target = requester.path("asked");
    let target = target.to_string_lossy();
    requester.run(&[
        "record",
        "open",
        &journey.record,
        "--output",
        &target,
        "--grant",
        grant,
        "--part",
        "0",
        "--wait",
        "0s",
    ])
}

/// Tries to open under a grant that has ended.
pub(super) fn opens_late(requester: &Party, journey: &Journey<'_>, grant: &str) -> Answer {
    let target = requester.path("late");
    let target = target.to_string_lossy();
    requester.run(&[
        "record",
        "open",
        &journey.record,
        "--output",
        &target,
        "--grant",
        grant,
    ])
}

pub(super) fn defies(agent: &Party, grant: &str) -> Answer {
    agent.run(&["demo", "defiant-query", "--grant", grant])
}

fn no_grant(
    report: &mut Report,
    cast: &Cast,
    waiting: &Journey<'_>,
    journey: &Journey<'_>,
) -> Result<()> {
    let target = cast.riverside.path("never");
    let target = target.to_string_lossy();
    let answer = cast
        .riverside
        .run(&["record", "open", &journey.record, "--output", &target]);
    report.refuses(
        step(
            "no-grant",
            format!(
                "{} opens {} without a grant",
                cast.riverside.name,
                journey.name()
            ),
        ),
        &answer,
        NOT_THERE,
    )?;
    // An operation's id that is no grant's: the request that Helix is about to make.
    let classes = waiting.classes.iter().map(String::as_str);
    let asked = ask(&cast.helix, &[&cast.mara], classes, "research", "May we?");
    let request = report
        .passes(
            step("request", "Helix asks Mara; she has not answered"),
            asked,
        )?
        .text("request")?;
    report.refuses(
        step(
            "no-grant-ledger",
            format!("{} logs a query all the same", cast.liar.name),
        ),
        &defies(&cast.liar, &request),
        by_ledger("there is no such grant"),
    )?;
    let denied = cast.mara.run(&["grant", "deny", &request]);
    report.passes(step("deny", "Mara denies it"), denied)?;
    Ok(())
}

fn separation(report: &mut Report, cast: &Cast, waiting: &Journey<'_>) -> Result<()> {
    let classes = waiting.classes.iter().map(String::as_str);
    let asked = ask(
        &cast.helix,
        &[&cast.mara],
        classes,
        "research",
        "Through our own agent",
    );
    let request = report
        .passes(step("request", "Helix asks Mara once more"), asked)?
        .text("request")?;
    let own = cast.helix_agent.account();
    report.refuses(
        step(
            "same-institution",
            "Mara names Helix's own agent: together they would hold her key",
        ),
        &cast
            .mara
            .run(&["grant", "approve", &request, "--agent", own]),
        refusal(Exit::Refused, "institution"),
    )?;
    let arguments = [
        "demo",
        "defiant-grant",
        "--request",
        &request,
        "--agent",
        own,
        "--max-queries",
        "1",
    ];
    report.refuses(
        step(
            "same-institution-ledger",
            "A careless wallet signs it all the same",
        ),
        &cast.mara.run(&arguments),
        by_ledger("same institution"),
    )
}

fn budget(report: &mut Report, cast: &Cast, journey: &Journey<'_>) -> Result<()> {
    let classes = journey.classes.iter().map(String::as_str);
    let asked = ask(
        &cast.helix,
        &[&cast.mara],
        classes,
        "research",
        "Everything, always",
    );
    let request = report
        .passes(
            step("request", "Helix asks Mara for very many queries"),
            asked,
        )?
        .text("request")?;
    let agent = cast.river_agent.account();
    report.refuses(
        step(
            "over-budget",
            "Mara grants 40000: more than one scope key may answer in its life",
        ),
        &cast.mara.run(&[
            "grant",
            "approve",
            &request,
            "--agent",
            agent,
            "--max-queries",
            "40000",
        ]),
        refusal(Exit::Refused, "hint budget"),
    )?;
    let arguments = [
        "demo",
        "defiant-grant",
        "--request",
        &request,
        "--agent",
        agent,
        "--max-queries",
        "40000",
    ];
    report.refuses(
        step(
            "over-budget-ledger",
            "A careless wallet signs the same for another scope",
        ),
        &cast.mara.run(&arguments),
        by_ledger("hint budget"),
    )
}

/// An agent that the grant does not name is asked: honest, it refuses; dishonest, it is
/// refused by the ledger.
fn wrong_agent(report: &mut Report, cast: &Cast, journey: &Journey<'_>) -> Result<()> {
    let (named, wrong) = (&cast.north_agent, &cast.liar);
    let grant = granted_through(report, named, &cast.helix, &cast.mara, journey, &[])?;
    let grant = &grant;
    let arguments = [
        "demo",
        "defiant-ask",
        "--grant",
        grant,
        "--record",
        &journey.record,
        "--agent",
        wrong.account(),
    ];
    report.passes(
        step(
            "ask",
            format!("Helix asks {}, whom the grant does not name", wrong.name),
        ),
        cast.helix.run(&arguments),
    )?;
    report.refuses(
        step(
            "wrong-agent-ledger",
            format!("{} logs the query all the same", wrong.name),
        ),
        &defies(wrong, grant),
        by_ledger("not named by the grant"),
    )?;
    report.overhears(
        step(
            "wrong-agent",
            "The same agent, honest again, refuses the ask",
        ),
        &wrong.run(&["agent", "once"]),
        "letter-refused",
        "names another agent",
    )
}

fn not_accepted(
    report: &mut Report,
    cast: &Cast,
    grant: &str,
    waiting: &Journey<'_>,
) -> Result<()> {
    let (requester, agent) = (&cast.helix, &cast.liar);
    let target = requester.path("never");
    let target = target.to_string_lossy();
    report.refuses(
        step("not-accepted", "Helix opens what Mara has not accepted yet"),
        &requester.run(&["record", "open", &waiting.record, "--output", &target]),
        refusal(Exit::Refused, "no accepted state"),
    )?;
    let arguments = [
        "demo",
        "defiant-ask",
        "--grant",
        grant,
        "--record",
        &waiting.record,
        "--agent",
        agent.account(),
    ];
    report.passes(
        step("ask", "Helix sends the ask all the same"),
        requester.run(&arguments),
    )?;
    report.refuses(
        step(
            "not-accepted-ledger",
            format!("{} logs the query all the same", agent.name),
        ),
        &defies(agent, grant),
        by_ledger("last accepted state"),
    )?;
    report.overhears(
        step(
            "not-accepted-agent",
            "The same agent, honest again, refuses the ask",
        ),
        &agent.run(&["agent", "once"]),
        "letter-refused",
        "last accepted state",
    )
}

fn revoked(report: &mut Report, cast: &Cast, grant: &str, journey: &Journey<'_>) -> Result<()> {
    let (requester, agent) = (&cast.helix, &cast.liar);
    report.waits(
        step(
            "ask",
            format!(
                "{} asks for {} and does not wait",
                requester.name,
                journey.name()
            ),
        ),
        &asks_only(requester, journey, grant),
    )?;
    let revoke = cast.mara.run(&["grant", "revoke", grant]);
    report.passes(
        step(
            "revoke",
            "Mara revokes the grant before the agent has worked",
        ),
        revoke,
    )?;
    report.refuses(
        step(
            "revoked-ledger",
            format!("{} logs the query all the same", agent.name),
        ),
        &defies(agent, grant),
        by_ledger("revoked"),
    )?;
    report.overhears(
        step(
            "revoked-agent",
            "The same agent, honest again, refuses the ask",
        ),
        &agent.run(&["agent", "once"]),
        "letter-refused",
        "revoked",
    )?;
    report.refuses(
        step(
            "revoked",
            format!("{} tries to open under the revoked grant", requester.name),
        ),
        &opens_late(requester, journey, grant),
        refusal(Exit::Refused, "revoked"),
    )
}

/// The ledger's own refusal: a leaf whose outcome says why.
pub(super) const fn by_ledger(says: &'static str) -> Refusal {
    refusal(Exit::Refused, says)
}

const NOT_THERE: Refusal = refusal(Exit::NotFound, "for this account");
