//! `cargo xtask chaos`: the long form of the tests that kill validators under load.

use anyhow::{Context, Result, bail};

use crate::run;

/// Kills and starts validators, `--rounds` times.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let rounds: u32 = match arguments {
        [] => 10,
        ["--rounds", text] => text.parse().with_context(|| format!("{text:?}?"))?,
        _ => bail!(run::Usage("chaos [--rounds N]")),
    };
    let mut command = run::cargo();
    command.args(TESTS);
    command.args(["--", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("CHAOS_ROUNDS", rounds.to_string());
    run::must(&mut command)
}

const TESTS: [&str; 7] = [
    "test",
    "--locked",
    "--workspace",
    "--features",
    "medshare/full",
    "--test",
    "network",
];
