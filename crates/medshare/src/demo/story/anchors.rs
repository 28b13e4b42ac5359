//! Chapter, if it is asked for: the ledger's roots go into a public chain, here a node of
//! Ethereum for tests that the demo starts, with coins that are worth nothing.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::{
    super::{
        anvil::Anvil,
        party::Answer,
        stage::Stage,
        step::{Facts, Refusal, Report, step},
    },
    cast::Cast,
};
use crate::exit::{Exit, Fault, Result};

/// Starts the chain, puts the ledger's contract on it, and tells the node.
pub(super) fn prepare(stage: &Stage, report: &mut Report, cast: &Cast) -> Result<()> {
    report.chapter("The ledger's roots will stand in a public chain")?;
    let started = Instant::now();
    let anvil = Anvil::start(stage)?;
    report.done(
        step(
            "chain-run",
            "A node of Ethereum, for tests, makes a block a second",
        ),
        &Facts::took(started),
    )?;
    let file = cast.node.path("coins.hex");
    crate::files::write_private(&file, anvil.key().as_bytes())?;
    let key = file.to_string_lossy();
    report.passes(
        step(
            "anchor-key",
            "The node's home takes a key that has coins there",
        ),
        cast.node.run(&["anchor", "key", "--import", &key]),
    )?;
    let answer = cast
        .node
        .run(&["anchor", "deploy", "--endpoint", anvil.url()]);
    let gas = answer.find("gas").unwrap_or_default();
    report.passes(
        step(
            "anchor-deploy",
            format!("It puts the ledger's contract there, for {gas} gas"),
        ),
        answer,
    )?;
    hurry(cast)
}

/// An anchor a second instead of one an hour, final after three blocks.
fn hurry(cast: &Cast) -> Result<()> {
    let path = cast.node.home().join("config.toml");
    let fault = |error: &std::io::Error| Fault::io(path.display(), error);
    let mut text = fs::read_to_string(&path).map_err(|error| fault(&error))?;
    for (slow, quick) in QUICK {
        text = text.replace(slow, quick);
    }
    fs::write(&path, text).map_err(|error| fault(&error))
}

/// The proof of an operation leads to the public chain, and holds without any node.
pub(super) fn prove(report: &mut Report, cast: &Cast, operation: &str) -> Result<()> {
    let file = cast.mara.path("publish.anchored");
    let shown = file.to_string_lossy();
    let prove = [
        "ledger", "prove", operation, "--anchor", "ethereum", "--output", &shown, "--force",
    ];
    let answer = patiently(|| cast.mara.run(&prove));
    let (number, bytes) = (answer.find("block_number"), answer.find("bytes"));
    let text = format!(
        "Mara's proof leads to block {} of the public chain: {} bytes",
        number.unwrap_or_default(),
        bytes.unwrap_or_default()
    );
    let answer = report.passes(step("prove-anchored", text), answer)?;
    // Which contract and block count is the verifier's own knowledge.
    let (contract, block) = (answer.text("contract")?, answer.text("block")?);
    let network = answer.text("network")?;
    let verify = |block: &str| {
        cast.tomas.run_at(
            "unix:/nowhere",
            &[
                "ledger",
                "verify",
                &shown,
                "--network",
                &network,
                "--contract",
                &contract,
                "--block",
                block,
            ],
        )
    };
    report.passes(
        step(
            "verify-anchored",
            "Tomas verifies it offline against that block's hash",
        ),
        verify(&block),
    )?;
    report.refuses(
        step(
            "verify-other-block",
            "Against another block it does not hold",
        ),
        &verify(&"0".repeat(64)),
        Refusal {
            exit: Exit::Invalid,
            says: "broken link: trust",
        },
    )
}

/// Asks until the anchor is final.
fn patiently(ask: impl Fn() -> Answer) -> Answer {
    let started = Instant::now();
    loop {
        let answer = ask();
        if answer.exit != Exit::Pending as u8 || started.elapsed() > PATIENCE {
            return answer;
        }
        thread::sleep(Duration::from_millis(300));
    }
}

const QUICK: [(&str, &str); 3] = [
    ("every-seconds = 3600", "every-seconds = 1"),
    ("confirmations = 64", "confirmations = 3"),
    ("poll-milliseconds = 12000", "poll-milliseconds = 300"),
];
const PATIENCE: Duration = Duration::from_secs(60);
