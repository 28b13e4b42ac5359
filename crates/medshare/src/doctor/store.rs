//! A node's blocks: every one is hashed again, and what pinned roots reach is complete.

use ::store::scrub::{Finding as Fault, Flaw, Outcome};
use base::Cid;
use std::collections::BTreeMap;

use super::{
    Finding,
    finding::{few, names},
    repair::Repair,
};
use crate::{
    config::{Backend, Config, Required},
    exit::Result,
    home::Home,
    http::post::check::PostReport,
    wire::{self, LookedStore, StoreLook},
};

/// The store, if there is one that can be opened; `post` says what accounts pin.
pub(super) fn look(
    home: &Home,
    post: Option<&PostReport>,
    hashed: &dyn Fn(u64, u64),
    found: &mut Vec<Finding>,
) -> Result<Option<LookedStore>> {
    let config = Config::load(&Home::config_path(home.folder()), Required::No);
    if config.is_ok_and(|config| config.store.backend == Backend::Kubo) {
        found.push(Finding::unknown(
            "store",
            "the blocks are kept in a Kubo",
            "`ipfs repo verify` looks at them; the node pins again what lost its pin when it starts",
        ));
        return Ok(None);
    }
    let looked = match wire::look_at_store(&home.node_folder(), hashed) {
        Ok(StoreLook::Store(looked)) => looked,
        Ok(StoreLook::NoIndex(fault)) => {
            found.push(without_index(fault.message, post));
            return Ok(None);
        }
        Err(fault) => {
            found.push(Finding::unless_busy("store", fault)?);
            return Ok(None);
        }
    };
    found.push(files(home, &looked, post));
    found.push(blocks(&looked));
    Ok(Some(looked))
}

/// The packs say which blocks they hold; who pins them says the post.
fn without_index(says: String, post: Option<&PostReport>) -> Finding {
    let restore = "restore the node's home from a copy; the blocks themselves are in blocks/packs";
    match post.filter(|post| post.lost.is_empty()) {
        None => Finding::problem("store", says, restore),
        Some(post) => Finding::problem(
            "store",
            format!("{says}; the packs beside it say which blocks they hold"),
            "`doctor --repair` makes it anew from packs and post, and sets the old one aside",
        )
        .healed_by(Repair::Index(post.roots())),
    }
}

/// Packs that the index does not know hold what was never acknowledged, unless the index is
/// an older one than the packs: then it lacks what accounts pin, and nothing may go.
fn files(home: &Home, looked: &LookedStore, post: Option<&PostReport>) -> Finding {
    if looked.leftovers.is_empty() {
        return Finding::ok("store files", "none is left from a crash");
    }
    let names = names(home.folder(), &looked.leftovers);
    let Some(post) = post.filter(|post| post.lost.is_empty()) else {
        return Finding::problem(
            "store files",
            format!(
                "{names} are unknown to the index; without the post it cannot be told whether it may be an older one than the packs"
            ),
            "do not start the node, which would remove them; restore its home whole from one copy",
        );
    };
    if looked.report.missing > 0 || !post.missing_from(&looked.pins).is_empty() {
        return Finding::problem(
            "store files",
            format!("{names} are unknown to the index, and it lacks what accounts pin: it is an older one than the packs"),
            "do not start the node, which would remove them; `doctor --repair` makes the index anew, or restore the node's home whole from one copy",
        )
        .healed_by(Repair::Index(merged(post.roots(), &looked.pins)));
    }
    Finding::problem(
        "store files",
        format!("{names} were being written when a program ended; nobody pins what is in them"),
        "`doctor --repair`, or the next `node run`, removes them",
    )
    .healed_by(Repair::Tidy)
}

/// Every root with the larger of its two counts of pins.
fn merged(roots: Vec<(Cid, u64)>, pins: &BTreeMap<Cid, u64>) -> Vec<(Cid, u64)> {
    let mut merged = pins.clone();
    for (root, count) in roots {
        let pins = merged.entry(root).or_default();
        *pins = count.max(*pins);
    }
    merged.into_iter().collect()
}

fn blocks(looked: &LookedStore) -> Finding {
    let report = &looked.report;
    if report.damaged + report.missing == 0 {
        return Finding::ok(
            "store",
            format!(
                "{} pinned roots are complete: {} blocks, {} bytes, every hash holds",
                looked.pins.len(),
                report.blocks,
                report.bytes
            ),
        );
    }
    let says = format!(
        "{} blocks are damaged, {} that pinned roots reach are missing: {}",
        report.damaged,
        report.missing,
        few(&report.findings, flaw)
    );
    // A store is opened to be mended, which removes what its index does not know.
    match report.repaired {
        some if some > 0 && looked.leftovers.is_empty() => Finding::problem(
            "store",
            format!("{says}; of {some} only what stands in front of the block is damaged"),
            format!(
                "`doctor --repair` writes those anew; for others: {}",
                elsewhere()
            ),
        )
        .healed_by(Repair::Blocks),
        _ => Finding::problem("store", says, elsewhere()),
    }
}

fn flaw(fault: &Fault) -> String {
    let flaw = match (fault.flaw, &fault.outcome) {
        (Flaw::Missing, _) => "missing",
        (_, Outcome::Repaired) => "whole, but not its head",
        _ => "damaged",
    };
    format!("{} is {flaw}", fault.cid)
}

const fn elsewhere() -> &'static str {
    "a node with peers fetches them when it runs; else restore the node's home from a copy, or have their hospital store the record again"
}
