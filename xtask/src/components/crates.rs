//! Programs that cargo compiles from its registry.

use anyhow::{Result, bail};
use serde::Deserialize;
use std::path::Path;

use super::{Component, Pins, client, says, whole};
use crate::run;

/// Which version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    version: String,
}

/// A program of one crate: both have the same name.
struct Program {
    name: &'static str,
    /// How it tells its version.
    asked: &'static [&'static str],
    /// The line that it tells it by, before the version.
    says: &'static str,
    /// How it is compiled.
    flags: &'static [&'static str],
    variable: &'static str,
}

pub(super) fn mutants(pins: &Pins, cache: &Path) -> Result<Component> {
    const MUTANTS: Program = Program {
        name: "cargo-mutants",
        asked: &["mutants", "--version"],
        says: "cargo-mutants ",
        flags: &[],
        variable: "CARGO_MUTANTS",
    };
    MUTANTS.install(&pins.cargo_mutants, cache)
}

/// Without its server and its search, and unoptimised: it writes a few dozen pages.
pub(super) fn mdbook(pins: &Pins, cache: &Path) -> Result<Component> {
    const MDBOOK: Program = Program {
        name: "mdbook",
        asked: &["--version"],
        says: "mdbook v",
        flags: &["--no-default-features", "--debug"],
        variable: "MDBOOK",
    };
    MDBOOK.install(&pins.mdbook, cache)
}

impl Program {
    fn install(&self, Pin { version }: &Pin, cache: &Path) -> Result<Component> {
        let name = format!("{} {version}", self.name);
        let folder = cache.join(self.name).join(version);
        let program = folder.join("bin").join(self.name);
        let line = format!("{}{version}", self.says);
        let is_there = || says(&program, self.asked).as_ref() == Some(&line);
        if !is_there() {
            whole(&folder, &name, |draft| {
                let mut install = run::cargo();
                install
                    .args(["install", self.name, "--locked"])
                    .args(["--version", &format!("={version}"), "--root"])
                    .arg(draft)
                    .args(self.flags);
                client(&mut install)
            })?;
        }
        if !is_there() {
            bail!("{} does not say that it is {name}", program.display());
        }
        Ok(Component {
            version: name,
            variables: vec![(self.variable, program)],
        })
    }
}
