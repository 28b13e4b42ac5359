//! What was tested, what was not and why, summed over every run of `cargo test`.

use anyhow::{Result, bail};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::Stdio,
};

use crate::run;

/// The sums.
#[derive(Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    /// What is not there, and why: the tests that need it are left out.
    pub(crate) missing: BTreeMap<&'static str, String>,
}

impl Tally {
    /// `cargo test` with its output passed through and its summaries added up.
    pub(crate) fn cargo_test<'a>(
        &mut self,
        arguments: &[&str],
        variables: impl IntoIterator<Item = &'a (&'static str, PathBuf)>,
    ) -> Result<()> {
        let mut command = run::cargo();
        command
            .args(["test", "--locked", "--no-fail-fast"])
            .args(arguments)
            .envs(variables.into_iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).lines() {
                let line = line?;
                println!("{line}");
                if let Some(summary) = line.strip_prefix("test result: ") {
                    self.passed += count(summary, " passed");
                    self.failed += count(summary, " failed");
                }
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("cargo test {} failed", arguments.join(" "));
        }
        Ok(())
    }

    /// Adds a line of the Test Anything Protocol, if it is a sum.
    pub(crate) fn tap(&mut self, line: &str) {
        let number = |prefix| line.strip_prefix(prefix)?.trim().parse::<u64>().ok();
        self.passed += number("# pass ").unwrap_or(0);
        self.failed += number("# fail ").unwrap_or(0);
    }

    /// The closing lines.
    pub(crate) fn print(&self) {
        for (name, reason) in &self.missing {
            println!("not run: tests that need {name} ({reason})");
        }
        println!("tests: {} passed, {} failed", self.passed, self.failed);
    }
}

/// The number before `word` in a line such as `ok. 3 passed; 0 failed; ...`.
fn count(summary: &str, word: &str) -> u64 {
    summary
        .split(word)
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn summaries_are_read() {
        let line = "ok. 31 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(super::count(line, " passed"), 31);
        assert_eq!(super::count(line, " failed"), 2);
        let mut tally = super::Tally::default();
        for line in ["ok 1 - # pass 9", "# pass 5", "# fail 1", "# passed"] {
            tally.tap(line);
        }
        assert_eq!((tally.passed, tally.failed), (5, 1));
    }
}
