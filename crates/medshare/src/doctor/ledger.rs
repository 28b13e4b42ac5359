//! A node's ledger: certificates, chain, leaves, and what its tables derive from them.

use ::ledger::Depth;
use base::Millis;

use super::{Finding, finding::few, repair::Repair};
use crate::{
    exit::Result,
    home::Home,
    wire::{self, LookedLedger},
};

/// What the ledger says of its records, if there is one that can be read.
pub(super) fn look(
    home: &Home,
    depth: Depth,
    found: &mut Vec<Finding>,
    newest: &mut Millis,
) -> Result<Option<LookedLedger>> {
    let folder = home.node_folder();
    if !wire::has_ledger(&folder) {
        let none = home
            .check_ledger(None)
            .and_then(|()| wire::check_new(&folder));
        found.push(match none {
            Ok(()) => Finding::ok("ledger", "there is none yet; `node run` makes it"),
            Err(fault) => Finding::fault("ledger", fault),
        });
        return Ok(None);
    }
    let looked = match wire::look_at_ledger(&folder, &home.genesis, depth) {
        Ok(looked) => looked,
        Err(fault) => {
            found.push(Finding::unless_busy("ledger", fault)?);
            return Ok(None);
        }
    };
    *newest = (*newest).max(looked.time.unwrap_or(*newest));
    found.push(judge(home, &looked, depth));
    Ok(Some(looked))
}

fn judge(home: &Home, looked: &LookedLedger, depth: Depth) -> Finding {
    let inspection = &looked.inspection;
    if inspection.damage.is_empty() {
        if let Err(fault) = home.check_ledger(Some(inspection.height)) {
            return Finding::fault("ledger", fault);
        }
        let state = match depth {
            Depth::Replay => "replayed: state and lists are theirs",
            Depth::Tables => "the state has the certified hash (`--deep` replays it)",
        };
        return Finding::ok(
            "ledger",
            format!(
                "{} blocks and {} leaves are certified and complete; {state}",
                inspection.height, inspection.leaves
            ),
        );
    }
    let says = few(&inspection.damage, ToString::to_string);
    match inspection.is_rebuildable() {
        true => Finding::problem(
            "ledger",
            format!("{says}; blocks and leaves hold, and everything else follows from them"),
            "`doctor --repair` makes it anew from its blocks",
        )
        .healed_by(Repair::Ledger),
        false => Finding::problem(
            "ledger",
            format!("{says}; it holds up to height {}", inspection.height),
            "restore the node's home from a copy, or follow the ledger anew from another node",
        ),
    }
}
