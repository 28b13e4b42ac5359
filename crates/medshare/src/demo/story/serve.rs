//! Chapter: the story is told and everybody stays: the pages of all roles, in a browser.

use serde_json::Value;
use std::time::Instant;

use super::{
    super::{
        party::Party,
        stage::Stage,
        step::{Facts, Report, step},
    },
    cast::Cast,
};
use crate::exit::{Exit, Fault, Result};

/// Starts the agents and each page, says where it is, and waits for Ctrl-C.
pub(super) fn stay(stage: &Stage, report: &mut Report, cast: &Cast) -> Result<()> {
    report.chapter("Look around in a browser")?;
    let asked = cast.helix.run(&[
        "request",
        "create",
        "--patient",
        cast.mara.account(),
        "--class",
        "laboratory",
        "--purpose",
        "research",
    ]);
    report.passes(
        step(
            "request",
            "Helix asks Mara once more: the request waits on her page",
        ),
        asked,
    )?;
    introduce(cast)?;
    for (agent, _) in cast.agents() {
        stage.run(agent, &["agent", "run"])?;
    }
    let auditor = stage.party("auditor", "the auditor")?;
    let genesis = auditor.path("genesis.cbor");
    let genesis = genesis.to_string_lossy().into_owned();
    auditor.run(&["ledger", "genesis", "--output", &genesis]);
    let audit = ["ledger", "page", "--genesis", &genesis, "--json"];
    let own: &[&str] = &["page", "--json"];
    for (party, words) in [
        (&cast.mara, own),
        (&cast.tomas, own),
        (&cast.ines, own),
        (&cast.northgate, own),
        (&cast.helix, own),
        (&auditor, &audit),
    ] {
        let started = Instant::now();
        let link = page(stage, party, words)?;
        let text = format!("{}'s page: {link}", party.name);
        report.done(step("page", text), &Facts::took(started))?;
        report.talk(&format!("      {link}"))?; // whole, to be clicked
    }
    report.talk(
        "\n    Each link is good once, for one browser; open them side by side. On Mara's page read what\n    \
         Helix asks for, under Requests, and share it; on Helix's page open it, under Opened records;\n    \
         on Northgate's page publish a file of your own for Mara; on the auditor's page watch the log.",
    )?;
    report.talk("    Everything is gone with Ctrl-C.")?;
    stage.serve()
}

/// Everybody who has a page knows everybody else by name.
fn introduce(cast: &Cast) -> Result<()> {
    let patients = cast.patients().map(|(patient, _)| patient);
    let institutions = cast.institutions().map(|(institution, _)| institution);
    let agents = cast.agents().map(|(agent, _)| agent);
    let everybody: Vec<&Party> = patients
        .into_iter()
        .chain(institutions)
        .chain(agents)
        .collect();
    let readers = [
        &cast.mara,
        &cast.tomas,
        &cast.ines,
        &cast.northgate,
        &cast.helix,
    ];
    for reader in readers {
        for other in &everybody {
            let name: String = other
                .name
                .chars()
                .filter_map(|letter| match letter {
                    ' ' => Some('-'),
                    letter => letter.is_ascii_alphanumeric().then_some(letter),
                })
                .collect();
            let told = reader.run(&["contact", "add", &name, other.account()]);
            if let Some(why) = told.reason() {
                return Err(Fault::new(Exit::Internal, why));
            }
        }
    }
    Ok(())
}

/// The one-time link of a party's page, from its own process.
fn page(stage: &Stage, party: &Party, words: &[&str]) -> Result<String> {
    let running = stage.run(party, words)?;
    let said = stage.hear(party, &running, "\"link\"")?;
    let link = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|value| Some(value.get("link")?.as_str()?.to_owned()));
    link.ok_or_else(|| {
        Fault::new(
            Exit::Internal,
            format!("{} gives no link to a page", party.name),
        )
    })
}
