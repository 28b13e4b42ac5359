//! `cargo xtask interop`: our programs beside real ones of others, which set-up installs.

use anyhow::{Result, bail};

use crate::{
    components::{self, Component},
    contracts, run,
    tally::Tally,
};

const USAGE: run::Usage = run::Usage("interop ipfs|chains|api [TEST]");

type Subject = fn(&mut Tally, Option<&str>) -> Result<()>;

/// Runs the tests of one subject, or those of its tests whose name contains a word.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (subject, only): (Subject, _) = match arguments {
        ["ipfs", rest @ ..] => (ipfs, rest),
        ["chains", rest @ ..] => (chains, rest),
        ["api", rest @ ..] => (api, rest),
        _ => bail!(USAGE),
    };
    let only = match only {
        [] => None,
        [only] if !only.starts_with('-') => Some(*only),
        _ => bail!(USAGE),
    };
    let mut tally = Tally::default();
    let done = subject(&mut tally, only);
    tally.print();
    done?;
    if run::ci() && !tally.missing.is_empty() {
        bail!("in CI nothing may be left out");
    }
    Ok(())
}

/// Kubo and Helia. What needs one that cannot be had is not run, and the tally says so. Features
/// are those of the other tests, so that nothing is compiled a second time.
pub(crate) fn ipfs(tally: &mut Tally, only: Option<&str>) -> Result<()> {
    let (Some(kubo), helia) = (had(tally, "Kubo"), had(tally, "Helia")) else {
        return Ok(());
    };
    let components: Vec<&Component> = std::iter::once(&kubo).chain(&helia).collect();
    for component in &components {
        println!("beside {}", component.version);
    }
    let mut words = IPFS.to_vec();
    words.extend(only);
    if helia.is_none() {
        words.extend(["--skip", "helia::"]);
    }
    let variables = components.iter().flat_map(|component| &component.variables);
    tally.cargo_test(&words, variables)
}

/// A node of each public chain: anchors in it, proofs of them, and everything that goes wrong. Features
/// are those of the other tests.
pub(crate) fn chains(tally: &mut Tally, only: Option<&str>) -> Result<()> {
    if had(tally, "solc").is_some() {
        contracts::check()?;
    }
    let [anvil, bitcoind, nodeos] = ["anvil", "bitcoind", "nodeos"].map(|name| had(tally, name));
    let mut words = CHAINS.to_vec();
    words.extend(only);
    for (there, skipped) in [
        (anvil.is_some(), IN_ETHEREUM.as_slice()),
        (bitcoind.is_some(), IN_BITCOIN.as_slice()),
        (nodeos.is_some(), IN_EOS.as_slice()),
    ] {
        if !there {
            words.extend(skipped.iter().flat_map(|name| ["--skip", *name]));
        }
    }
    let components: Vec<Component> = [anvil, bitcoind, nodeos].into_iter().flatten().collect();
    if components.is_empty() {
        return Ok(());
    }
    for component in &components {
        println!("beside {}", component.version);
    }
    let variables = components.iter().flat_map(|component| &component.variables);
    tally.cargo_test(&words, variables)
}

/// The interface beside Schemathesis: requests drawn from its own description, answers held
/// against it. The long form.
pub(crate) fn api(tally: &mut Tally, only: Option<&str>) -> Result<()> {
    contract(tally, only, LONG)
}

/// The same in a minute.
pub(crate) fn api_short(tally: &mut Tally) -> Result<()> {
    contract(tally, None, SHORT)
}

fn contract(tally: &mut Tally, only: Option<&str>, cases: &str) -> Result<()> {
    let Some(schemathesis) = had(tally, "Schemathesis") else {
        return Ok(());
    };
    println!("beside {}", schemathesis.version);
    let mut words = CONTRACT.to_vec();
    words.extend(only);
    let mut variables = schemathesis.variables;
    variables.push(("MEDSHARE_CONTRACT_CASES", cases.into()));
    tally.cargo_test(&words, &variables)
}

/// Requests that are drawn for each route.
const SHORT: &str = "4";
const LONG: &str = "100";

/// A component, or the tally says why there is none.
fn had(tally: &mut Tally, name: &'static str) -> Option<Component> {
    match components::component(name) {
        Ok(component) => Some(component),
        Err(error) => {
            let reason = format!("{error:#}");
            tally.missing.entry(name).or_insert(reason);
            None
        }
    }
}

/// The tests beside nodes of public chains.
pub(crate) const CHAINS: [&str; 8] = [
    "--workspace",
    "--features",
    "medshare/full",
    "--test",
    "chains",
    "--test",
    "anchors",
    "--",
];

/// The test beside Schemathesis; it is compiled with the others.
const CONTRACT: [&str; 8] = [
    "--workspace",
    "--features",
    "medshare/full",
    "--test",
    "cli",
    "--",
    "--ignored",
    "contract::",
];

/// What the names of tests hold that need a node of Ethereum, of Bitcoin, or of EOS.
const IN_ETHEREUM: [&str; 3] = ["ethereum", "contract::", "gas::"];
const IN_BITCOIN: [&str; 1] = ["bitcoin"];
const IN_EOS: [&str; 1] = ["eos"];

/// The store beside the programs, and a node on a Kubo.
const IPFS: [&str; 8] = [
    "--workspace",
    "--features",
    "medshare/full",
    "--test",
    "interop",
    "--test",
    "kubo",
    "--",
];
