//! CometBFT, compiled from the Go module proxy.

use anyhow::{Result, bail};
use serde::Deserialize;
use std::{path::Path, process::Command};

use super::{Component, Pins, client, says, whole};

/// Which CometBFT.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    module: String,
    version: String,
}

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let Pin { module, version } = &pins.cometbft;
    let folder = cache.join("cometbft").join(version);
    let program = folder.join("cometbft");
    let says_version = || says(&program, &["version"]);
    if says_version().as_ref() != Some(version) {
        let go = pins.go.go(cache)?;
        whole(
            &folder,
            &format!("CometBFT {version} (minutes: it is compiled)"),
            |draft| {
                let mut install = Command::new(&go);
                install
                    .arg("install")
                    .arg(format!("{module}@v{version}"))
                    .env("GOBIN", draft)
                    .env("GOTOOLCHAIN", "local") // none is downloaded
                    .env_remove("GOROOT");
                client(&mut install)
            },
        )?;
    }
    match says_version() {
        Some(told) if told == *version => Ok(Component {
            version: format!("CometBFT {version}"),
            variables: vec![("MEDSHARE_COMETBFT", program)],
        }),
        told => bail!("{} says that it is {told:?}", program.display()),
    }
}
