//! `cargo xtask interop`: our programs beside real ones of others, which set-up installs.

use anyhow::{Result, bail};

use crate::{
    components::{self, Component},
    run,
    tally::Tally,
};

const USAGE: run::Usage = run::Usage("interop ipfs [TEST]");

/// Runs the tests of one subject, or those of its tests whose name contains a word.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let only = match arguments {
        ["ipfs"] => None,
        ["ipfs", only] if !only.starts_with('-') => Some(*only),
        _ => bail!(USAGE),
    };
    let mut tally = Tally::default();
    let done = ipfs(&mut tally, only);
    tally.print();
    done?;
    if run::ci() && !tally.missing.is_empty() {
        bail!("in CI nothing may be left out");
    }
    Ok(())
}

/// Kubo and Helia. What needs one that cannot be had is not run, and the tally says so.
pub(crate) fn ipfs(tally: &mut Tally, only: Option<&str>) -> Result<()> {
    let mut had = |name: &'static str| match components::component(name) {
        Ok(component) => Some(component),
        Err(error) => {
            let reason = format!("{error:#}");
            tally.missing.entry(name).or_insert(reason);
            None
        }
    };
    let (Some(kubo), helia) = (had("Kubo"), had("Helia")) else {
        return Ok(());
    };
    let components: Vec<&Component> = std::iter::once(&kubo).chain(&helia).collect();
    for component in &components {
        println!("beside {}", component.version);
    }
    for tests in TESTS {
        let mut words = tests.to_vec();
        words.push("--");
        words.extend(only);
        if helia.is_none() {
            words.extend(["--skip", "helia::"]);
        }
        let variables = components.iter().flat_map(|component| &component.variables);
        tally.cargo_test(&words, variables)?;
    }
    Ok(())
}

/// The store beside the programs, and a node on a Kubo.
const TESTS: [[&str; 6]; 2] = [
    [
        "--package",
        "medshare-store",
        "--features",
        "kubo,peers",
        "--test",
        "interop",
    ],
    [
        "--package",
        "medshare",
        "--features",
        "full",
        "--test",
        "kubo",
    ],
];
