//! What is pinned in the store, against what accounts pin at the post and what the ledger
//! says of records.

use super::{Finding, finding::few, repair::Repair};
use crate::{
    config::{Config, Required},
    home::Home,
    http::post::check::PostReport,
    wire::{LookedLedger, LookedStore},
};

/// What accounts pin at the post is pinned in the store as often.
pub(super) fn at_the_post(post: &PostReport, store: &LookedStore) -> Finding {
    let missing = post.missing_from(&store.pins);
    if missing.is_empty() {
        return Finding::ok("pins", "what accounts pin is pinned in the store");
    }
    let says = few(&missing, |(root, _)| root.to_string());
    let says = format!("accounts pin what the store would let go: {says}");
    // A store is opened to be pinned in, which removes what its index does not know.
    match store.leftovers.is_empty() {
        true => Finding::problem("pins", says, "`doctor --repair` pins it again")
            .healed_by(Repair::Pins(missing)),
        false => Finding::problem("pins", says, "see to the store's files first"),
    }
}

/// The current state of every record that was accepted and not erased is pinned here, or
/// may be kept by another node.
pub(super) fn on_the_ledger(home: &Home, ledger: &LookedLedger, store: &LookedStore) -> Finding {
    let Some(current) = &ledger.current else {
        return Finding::unknown(
            "records",
            "the ledger's state cannot be read, so what must be pinned is not known",
            "repair the ledger first",
        );
    };
    let mut missing = current.clone();
    missing.retain(|(_, state)| !store.pins.contains_key(state));
    if missing.is_empty() {
        return Finding::ok(
            "records",
            format!("{} accepted records are pinned here", current.len()),
        );
    }
    let says = format!(
        "{} of {} accepted records are not pinned here: {}",
        missing.len(),
        current.len(),
        few(&missing, |(record, _)| record.to_string())
    );
    let config = Config::load(&Home::config_path(home.folder()), Required::No);
    match config.is_ok_and(|config| config.peers.is_some()) {
        true => Finding::ok("records", format!("{says}; other nodes may keep them")),
        false => Finding::problem(
            "records",
            says,
            "have their hospital store them again; the node has no peers that could keep them",
        ),
    }
}
