//! What a node with peers keeps beside: hints, copies, and why it halted.

use super::Finding;
use crate::{exit::Result, home::Home, wire};

pub(super) fn look(home: &Home) -> Result<Finding> {
    Ok(match wire::look_at_peers(&home.node_folder()) {
        Ok(None) => Finding::ok("peers", "what is kept of other nodes is whole"),
        Ok(Some(note)) => Finding::problem(
            "peers",
            format!(
                "the ledger contradicted itself, and nothing is taken in or released; the proof is {}",
                note.display()
            ),
            "ask the consortium which ledger is right",
        ),
        Err(fault) => Finding::unless_busy("peers", fault)?,
    })
}
