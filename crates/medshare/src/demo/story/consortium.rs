//! Chapter: a node, four institutions and their agents come together.

use anchor::Chain;

use super::{
    super::{
        party::{Answer, Party, at_once},
        stage::Stage,
        step::{Report, step},
    },
    anchors,
    cast::Cast,
    validators::{self, Nodes},
};
use crate::exit::Result;

/// Makes every home, opens every account, admits every institution.
pub(super) fn found(
    stage: &Stage,
    report: &mut Report,
    cast: &Cast,
    chains: &[Chain],
    count: usize,
) -> Result<Nodes> {
    report.chapter("A consortium is founded")?;
    let others = match count {
        1 => {
            let settings = ["--network", "demo", "--recovery-delay", "1s"];
            let text = "The node makes its home and the ledger's genesis object";
            report.passes(step("node-init", text), cast.node.init("node", &settings))?;
            Vec::new()
        }
        _ => validators::found(stage, report, cast, count)?,
    };
    anchors::prepare(stage, report, cast, chains)?;
    let started = std::time::Instant::now();
    let first = stage.run_node(&cast.node)?;
    report.done(
        step(
            "node-run",
            "The node serves /v1 on a Unix socket of its own",
        ),
        &super::super::step::Facts::took(started),
    )?;
    let nodes = validators::start(stage, report, first, others)?;

    let newcomers: Vec<(&Party, &'static str)> = cast
        .institutions()
        .into_iter()
        .chain(cast.agents().map(|(agent, _)| (agent, "agent")))
        .collect();
    join_ledger(report, &newcomers)?;

    // The node's operations follow each other.
    for (institution, _) in cast.institutions() {
        let text = match nodes.are_several() {
            false => format!("The consortium admits {}", institution.name),
            true => format!("A validator proposes to admit {}", institution.name),
        };
        let answer = cast
            .node
            .run(&["institution", "admit", institution.account()]);
        let answer = report.passes(step("admit", text), answer)?;
        if nodes.are_several() {
            nodes.vote(report, &answer.text("operation")?)?;
        }
    }
    let joined = at_once(
        cast.agents()
            .map(|(agent, institution)| job(move || join(agent, institution)))
            .into(),
    );
    for ((agent, institution), answer) in cast.agents().into_iter().zip(joined) {
        let text = format!(
            "{} joins {}, with its consent",
            agent.name, institution.name
        );
        report.passes(step("join", text), answer)?;
    }
    Ok(nodes)
}

/// Homes and accounts; each party's keys are made in its own process.
pub(super) fn join_ledger(report: &mut Report, newcomers: &[(&Party, &'static str)]) -> Result<()> {
    let homes = at_once(
        newcomers
            .iter()
            .map(|&(party, role)| job(move || party.init(role, &[])))
            .collect(),
    );
    for ((party, role), answer) in newcomers.iter().zip(homes) {
        let text = format!("{}: a home of role {role}, with fresh keys", party.name);
        report.passes(step("init", text), answer)?;
    }
    let accounts = at_once(
        newcomers
            .iter()
            .map(|&(party, _)| job(|| party.run(&["account", "register"])))
            .collect(),
    );
    for ((party, _), answer) in newcomers.iter().zip(accounts) {
        let text = format!("{}: an account on the ledger", party.name);
        report.passes(step("register", text), answer)?;
    }
    Ok(())
}

/// The institution signs its consent, its agent puts it on the ledger.
fn join(agent: &Party, institution: &Party) -> Answer {
    let consent = institution.run(&["account", "consent", agent.account()]);
    match consent.find("consent") {
        Some(text) => agent.run(&["account", "join", institution.account(), "--consent", &text]),
        None => consent,
    }
}

/// A job for [`at_once`].
pub(super) fn job<'a, T>(
    work: impl FnOnce() -> T + Send + 'a,
) -> Box<dyn FnOnce() -> T + Send + 'a> {
    Box::new(work)
}
