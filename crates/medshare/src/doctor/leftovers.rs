//! Files that were being written when their writer ended.

use std::path::Path;

use super::{
    finding::{Finding, names},
    repair::Repair,
    rights,
};
use crate::{exit::Result, files, home::Home, wire};

pub(super) fn look(folder: &Path) -> Result<Finding> {
    let mut strays = rights::entries(folder)?;
    strays.retain(|path| files::is_draft(path));
    let drafts = Home::drafts(folder)
        .into_iter()
        .chain(wire::drafts(&folder.join("node")));
    strays.extend(drafts.filter(|path| path.symlink_metadata().is_ok()));
    if strays.is_empty() {
        return Ok(Finding::ok("leftovers", "no half-written file lies about"));
    }
    Ok(Finding::problem(
        "leftovers",
        format!(
            "{} were being written when a program ended; nobody reads them",
            names(folder, &strays)
        ),
        "`doctor --repair` removes them",
    )
    .healed_by(Repair::Remove(strays)))
}
