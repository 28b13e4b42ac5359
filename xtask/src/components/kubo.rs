//! Kubo, compiled from the Go module proxy.

use anyhow::Result;
use std::path::Path;

use super::{Component, Pins, go::Names};

pub(super) fn install(pins: &Pins, cache: &Path) -> Result<Component> {
    let names = Names {
        name: "Kubo",
        folder: "kubo",
        file: "ipfs",
        version: &["version", "--number"],
        variable: "MEDSHARE_KUBO",
    };
    pins.kubo.install(&pins.go, cache, &names)
}
