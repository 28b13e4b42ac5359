//! CometBFT, compiled from the Go module proxy.

use anyhow::Result;
use std::path::Path;

use super::{Component, Pins, go::Names};

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let names = Names {
        name: "CometBFT",
        folder: "cometbft",
        file: "cometbft",
        version: &["version"],
        variable: "MEDSHARE_COMETBFT",
    };
    pins.cometbft.install(&pins.go, cache, &names)
}
