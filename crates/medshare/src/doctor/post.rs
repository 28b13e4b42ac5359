//! A node's post: letters under their hashes, and the sums and counts beside them.

use super::{Finding, finding::few, repair::Repair};
use crate::{
    exit::Result,
    home::Home,
    http::post::check::{self, PostReport},
    wire,
};

/// What the post says of letters and pins, if it can be read.
pub(super) fn look(home: &Home, found: &mut Vec<Finding>) -> Result<Option<PostReport>> {
    let report = match check::check(&wire::post_path(&home.node_folder())) {
        Ok(report) => report,
        Err(fault) => {
            found.push(Finding::unless_busy("post", fault)?);
            return Ok(None);
        }
    };
    found.push(if !report.lost.is_empty() {
        Finding::problem(
            "post",
            few(&report.lost, Clone::clone),
            "restore the node's home from a copy, or let the senders send again",
        )
    } else if !report.derived.is_empty() {
        Finding::problem(
            "post",
            few(&report.derived, Clone::clone),
            "`doctor --repair` makes them anew from letters and pins",
        )
        .healed_by(Repair::PostSums)
    } else {
        Finding::ok(
            "post",
            format!("{} letters wait, every sum is right", report.letters),
        )
    });
    Ok(Some(report))
}
