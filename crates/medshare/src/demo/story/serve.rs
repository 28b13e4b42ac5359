//! Chapter: the story is told and everybody stays: the patients' own pages, in a browser.

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

/// Starts each patient's page, says where it is, and waits for Ctrl-C.
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
    for (patient, _) in cast.patients() {
        let started = Instant::now();
        let link = page(stage, patient)?;
        let text = format!("{}'s page: {link}", patient.name);
        report.done(step("page", text), &Facts::took(started))?;
        report.talk(&format!("      {link}"))?; // whole, to be clicked
    }
    report.talk("\n    Each link is good once, for one browser. Approve what Helix asks for, see who saw what,")?;
    report.talk(
        "    take a proof away. Then, at another terminal, Helix opens what Mara approved:",
    )?;
    let helix = cast.helix.path("");
    let helix = helix.display();
    report.talk(&format!(
        "      medshare record open RECORD --output extract.json --node {} --home {helix}home --passphrase-file {helix}passphrase",
        stage.address()
    ))?;
    report.talk("    Everything is gone with Ctrl-C.")?;
    stage.serve()
}

/// The one-time link of a patient's page, from her own process.
fn page(stage: &Stage, patient: &Party) -> Result<String> {
    let running = stage.run(
        patient,
        &["wallet", "run", "--page", "127.0.0.1:0", "--json"],
    )?;
    let said = stage.hear(patient, &running, "\"link\"")?;
    let link = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|value| Some(value.get("link")?.as_str()?.to_owned()));
    link.ok_or_else(|| {
        Fault::new(
            Exit::Internal,
            format!("{}'s wallet gives no link to its page", patient.name),
        )
    })
}
