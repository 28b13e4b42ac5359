//! Versions and settings: what must be understood before anything else is.

use std::path::Path;

use super::finding::Finding;
use crate::{
    config::{Config, Required},
    home::Home,
    wire,
};

/// Every file is of a version that this program knows.
pub(super) fn look(home: &Home) -> Finding {
    let checked = home
        .ledger_seen()
        .map(drop)
        .and_then(|()| home.check_vault_version())
        .and_then(|()| wire::check_versions(&home.node_folder()));
    match checked {
        Ok(()) => Finding::ok("formats", "every file is of a version that is known here"),
        Err(fault) => Finding::fault("formats", fault),
    }
}

pub(super) fn settings(folder: &Path) -> Finding {
    match Config::load(&Home::config_path(folder), Required::No) {
        Ok(_) => Finding::ok("settings", "config.toml is right"),
        Err(fault) => Finding::problem(
            "settings",
            fault.message,
            "correct it; `medshare config show` prints every key",
        ),
    }
}
