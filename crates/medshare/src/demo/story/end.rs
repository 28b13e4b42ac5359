//! Chapter: what stands on the ledger now, and that anybody can check it.

use anchor::Chain;
use serde_json::Value;
use std::time::Duration;

use super::{
    super::{
        party::Answer,
        stage::Stage,
        step::{Facts, Report, step},
    },
    anchors,
    cast::Cast,
    records::Published,
    sharing, tampering,
};
use crate::exit::Result;

/// What she had not decided about, so that others could be refused.
pub(super) fn accept_waiting(
    report: &mut Report,
    cast: &Cast,
    published: &Published<'_>,
) -> Result<()> {
    let accept = cast
        .mara
        .run(&["record", "accept", &published.waiting.record]);
    report
        .passes(step("accept", "Mara accepts what waited for her"), accept)
        .map(drop)
}

/// Balances, ranking, a proof, a replay.
pub(super) fn settle(
    report: &mut Report,
    cast: &Cast,
    published: &Published<'_>,
    chains: &[Chain],
) -> Result<()> {
    report.chapter("What anybody can check now")?;
    balances(report, cast)?;
    ranking(report, cast)?;
    let operation = proof(report, cast, published)?;
    for chain in chains {
        anchors::prove(report, cast, &operation, *chain)?;
    }
    replay(report, cast)?;
    sharing::compare_all(report, cast, &published.journeys)
}

fn balances(report: &mut Report, cast: &Cast) -> Result<()> {
    let patients = cast.patients().map(|(patient, _)| patient);
    let institutions = cast.institutions().map(|(institution, _)| institution);
    let agents = cast.agents().map(|(agent, _)| agent);
    for party in patients.into_iter().chain(institutions).chain(agents) {
        let answer = party.run(&["credit", "balance"]);
        let credits = answer.find("balance").unwrap_or_default();
        let tier = answer.find("tier").unwrap_or_default();
        let text = format!("{:<22} {credits:>4} credits, tier {tier}", party.name);
        report.passes(step("balance", text), answer)?;
    }
    Ok(())
}

fn ranking(report: &mut Report, cast: &Cast) -> Result<()> {
    let answer = cast.ines.run(&["credit", "ranking"]);
    let answer = report.passes(
        step("ranking", "The ranking, with the reviews behind it:"),
        answer,
    )?;
    for value in &answer.values {
        let name = cast.name_of(value["hospital"].as_str().unwrap_or_default());
        let number = |path: &str| value.pointer(path).and_then(Value::as_i64).unwrap_or(0);
        // A score is in thousandths of a credit.
        report.talk(&format!(
            "      {:>2}. {name:<13} {:>5} after decay, {} accepted reviews of {}, {} marks",
            number("/rank"),
            number("/score") / 1000,
            number("/reviews/accepted"),
            reviews(value),
            number("/marks")
        ))?;
    }
    Ok(())
}

fn reviews(ranked: &Value) -> i64 {
    let counts = ranked["reviews"].as_object();
    counts
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_i64())
        .sum()
}

/// The operation that was proved.
fn proof(report: &mut Report, cast: &Cast, published: &Published<'_>) -> Result<String> {
    let history = cast
        .mara
        .run(&["record", "history", &published.of(&cast.mara).record]);
    let operation = history.text("by")?;
    let file = cast.mara.path("publish.proof");
    let shown = file.to_string_lossy();
    let answer = cast
        .mara
        .run(&["ledger", "prove", &operation, "--output", &shown, "--force"]);
    report.passes(
        step("prove", "Mara writes a proof that her record was published"),
        answer,
    )?;
    // No node is asked: the proof and the genesis object of her own home are enough.
    let answer = cast
        .tomas
        .run_at("unix:/nowhere", &["ledger", "verify", &shown]);
    let (index, size) = (answer.find("index"), answer.find("tree_size"));
    let text = format!(
        "Tomas verifies it offline: leaf {} of {}",
        index.unwrap_or_default(),
        size.unwrap_or_default()
    );
    report.passes(step("verify", text), answer)?;
    tampering::proof(report, &cast.tomas, &file)?;
    Ok(operation)
}

fn replay(report: &mut Report, cast: &Cast) -> Result<()> {
    let answer = cast.ines.run(&["ledger", "replay"]);
    let equal = answer.values.iter().any(|value| value["equal"] == true);
    let leaves = answer.find("leaves").unwrap_or_default();
    let text = format!("Ines replays {leaves} leaves from genesis: the state hash is the same");
    let facts = Facts::of(&answer);
    report.checks(
        step("replay", text),
        &facts,
        equal && answer.reason().is_none(),
        &why(&answer),
    )?;
    let state = answer.text("state_hash")?;
    report.talk(&format!("      state hash {state}"))
}

fn why(answer: &Answer) -> String {
    answer
        .reason()
        .unwrap_or_else(|| "the replay ended in another state".to_owned())
}

/// Counts, time, and what to try next.
pub(super) fn farewell(stage: &Stage, report: &Report, cast: &Cast) -> Result<()> {
    let (steps, refusals, time) = report.summary();
    report.talk(&format!(
        "\n{steps} steps, {refusals} of them refusals that had to come, {}.{} s.\n",
        time.as_secs(),
        Duration::subsec_millis(&time) / 100
    ))?;
    report.talk("What to try next")?;
    if stage.is_kept() {
        let listen = stage.address();
        let (node, mara) = (cast.node.path(""), cast.mara.path(""));
        let verb = |folder: &std::path::Path| {
            let folder = folder.display();
            format!("--home {folder}home --passphrase-file {folder}passphrase")
        };
        report.talk(&format!(
            "  medshare node run {} --listen {listen}",
            verb(&node)
        ))?;
        report.talk(&format!("  medshare ledger tail --from 0 --node {listen}"))?;
        report.talk(&format!("  medshare wallet log {}", verb(&mara)))?;
        return report.talk(&format!("  medshare record list {}", verb(&mara)));
    }
    report.talk("  medshare demo --records DIR    your own files make the journey")?;
    report.talk("  medshare demo --keep DIR       every home stays, to look around in")?;
    report.talk("  medshare demo --json           one object a step")?;
    report.talk("  medshare --help                the verbs that the demo used")
}
