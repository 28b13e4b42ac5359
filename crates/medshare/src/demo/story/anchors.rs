//! Chapter, if it is asked for: the ledger's roots go into public chains, here into nodes for
//! tests that the demo starts, with coins that are worth nothing.

use anchor::Chain;
use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::{
    super::{
        anvil::Anvil,
        bitcoind::Bitcoind,
        nodeos::Nodeos,
        party::Answer,
        stage::Stage,
        step::{Facts, Refusal, Report, step},
    },
    cast::Cast,
};
use crate::exit::{Exit, Fault, Result};

/// Starts the chains, and tells the node of them.
pub(super) fn prepare(
    stage: &Stage,
    report: &mut Report,
    cast: &Cast,
    chains: &[Chain],
) -> Result<()> {
    if !chains.is_empty() {
        report.chapter("The ledger's roots will stand in public chains")?;
    }
    for chain in chains {
        match chain {
            Chain::Ethereum => ethereum(stage, report, cast)?,
            Chain::Bitcoin => bitcoin(stage, report, cast)?,
            Chain::Eos => eos(stage, report, cast)?,
        }
    }
    Ok(())
}

/// Puts the ledger's contract on a chain.
fn ethereum(stage: &Stage, report: &mut Report, cast: &Cast) -> Result<()> {
    let started = Instant::now();
    let anvil = Anvil::start(stage)?;
    report.done(
        step(
            "ethereum-run",
            "A node of Ethereum, for tests, makes a block a second",
        ),
        &Facts::took(started),
    )?;
    let file = cast.node.path("coins.hex");
    crate::files::write_private(&file, anvil.key().as_bytes())?;
    let key = file.to_string_lossy();
    report.passes(
        step(
            "ethereum-key",
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
            "ethereum-deploy",
            format!("It puts the ledger's contract there, for {gas} gas"),
        ),
        answer,
    )?;
    // An anchor a second instead of one an hour, final after three blocks.
    configure(cast, |text| {
        QUICK
            .iter()
            .fold(text, |text, (slow, quick)| text.replace(slow, quick))
    })
}

/// Gives a key coins, and the node the address of the chain.
fn bitcoin(stage: &Stage, report: &mut Report, cast: &Cast) -> Result<()> {
    let started = Instant::now();
    let bitcoind = Bitcoind::start(stage)?;
    report.done(
        step(
            "bitcoin-run",
            "A node of Bitcoin, for tests, makes a block a second",
        ),
        &Facts::took(started),
    )?;
    let key = [
        "anchor",
        "key",
        "--chain",
        "bitcoin",
        "--network",
        "regtest",
    ];
    let answer = report.passes(
        step(
            "bitcoin-key",
            "The node's home makes a key, which gets coins there",
        ),
        cast.node.run(&key),
    )?;
    bitcoind.pay(&answer.text("address")?)?;
    configure(cast, |text| text + &bitcoind.table())
}

/// Puts our ABI on an account, and lets another pay.
fn eos(stage: &Stage, report: &mut Report, cast: &Cast) -> Result<()> {
    let started = Instant::now();
    let nodeos = Nodeos::start(stage)?;
    report.done(
        step(
            "eos-run",
            "A node of EOS, for tests, makes two blocks a second",
        ),
        &Facts::took(started),
    )?;
    let file = cast.node.path("eos.hex");
    crate::files::write_private(&file, nodeos.key().as_bytes())?;
    let key = file.to_string_lossy();
    report.passes(
        step("eos-key", "The node's home takes a key of an account there"),
        cast.node
            .run(&["anchor", "key", "--chain", "eos", "--import", &key]),
    )?;
    let url = nodeos.url();
    let [account, actor] = nodeos.accounts();
    let deploy = [
        "anchor",
        "deploy",
        "--chain",
        "eos",
        "--endpoint",
        &url,
        "--account",
        account,
        "--actor",
        actor,
    ];
    report.passes(
        step(
            "eos-deploy",
            "It tells the chain what its anchors look like",
        ),
        cast.node.run(&deploy),
    )?;
    configure(cast, |text| match text.split_once("[anchor.eos]") {
        Some((before, table)) => {
            let quick = table
                .replace("every-seconds = 3600", "every-seconds = 1")
                .replace("cpu-cap-milliseconds = 10\n", "cpu-cap-milliseconds = 25\n")
                .replace("poll-milliseconds = 10000", "poll-milliseconds = 300");
            format!("{before}[anchor.eos]{quick}")
        }
        None => text,
    })
}

fn configure(cast: &Cast, change: impl FnOnce(String) -> String) -> Result<()> {
    let path = cast.node.home().join("config.toml");
    let fault = |error: &std::io::Error| Fault::io(path.display(), error);
    let text = fs::read_to_string(&path).map_err(|error| fault(&error))?;
    fs::write(&path, change(text)).map_err(|error| fault(&error))
}

/// The proof of an operation leads to the public chain, and holds without any node.
pub(super) fn prove(report: &mut Report, cast: &Cast, operation: &str, chain: Chain) -> Result<()> {
    let file = cast.mara.path(&format!("publish.{chain}"));
    let shown = file.to_string_lossy();
    let name = chain.name();
    let prove = [
        "ledger", "prove", operation, "--anchor", name, "--output", &shown, "--force",
    ];
    let answer = patiently(|| cast.mara.run(&prove));
    let bytes = answer.find("bytes").unwrap_or_default();
    let text = format!("Mara's proof leads to a block of {name}: {bytes} bytes");
    let [proves, holds, fails] = match chain {
        Chain::Ethereum => ["ethereum-prove", "ethereum-verify", "ethereum-other-block"],
        Chain::Bitcoin => ["bitcoin-prove", "bitcoin-verify", "bitcoin-other-block"],
        Chain::Eos => ["eos-prove", "eos-verify", "eos-other-block"],
    };
    let answer = report.passes(step(proves, text), answer)?;
    // Whose anchors and which blocks count is the verifier's own knowledge.
    let block = answer.text("block")?;
    let whose = match chain {
        Chain::Ethereum => vec![
            "--network".into(),
            answer.text("network")?,
            "--contract".into(),
            answer.text("contract")?,
        ],
        Chain::Bitcoin | Chain::Eos => vec!["--payer".into(), answer.text("payer")?],
    };
    let verify = |block: &str| {
        let mut words = vec!["ledger", "verify", &shown, "--block", block];
        words.extend(whose.iter().map(String::as_str));
        cast.tomas.run_at("unix:/nowhere", &words)
    };
    report.passes(
        step(holds, "Tomas verifies it offline against that block's hash"),
        verify(&block),
    )?;
    report.refuses(
        step(fails, "Against another block it does not hold"),
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
