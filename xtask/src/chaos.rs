//! `cargo xtask chaos`: the long form of the tests that hurt validators under load, and of the
//! drawn schedules of a validator's application.

use anyhow::{Context, Result, bail};

use crate::run;

/// Runs both, validators `--rounds` times.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let rounds: u32 = match arguments {
        [] => 10,
        ["--rounds", text] => text.parse().with_context(|| format!("{text:?}?"))?,
        _ => bail!(run::Usage("chaos [--rounds N]")),
    };
    for tests in [SCHEDULES, PROCESSES] {
        let mut command = run::cargo();
        command.args(["test", "--locked", "--workspace"]);
        command.args(["--features", "medshare/full"]).args(tests);
        command.args(["--ignored", "--nocapture", "--test-threads=1"]);
        command.env("CHAOS_ROUNDS", rounds.to_string());
        run::must(&mut command)?;
    }
    Ok(())
}

/// 10,000 of them: TRIAL_RUNS and TRIAL_SEED change that.
const SCHEDULES: &[&str] = &["--lib", "--", "bft::app::trials::long"];
const PROCESSES: &[&str] = &["--test", "network", "--", "long"];
