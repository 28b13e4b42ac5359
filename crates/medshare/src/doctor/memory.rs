//! What a party remembers: the head it saw, operations and letters that are not done, what
//! its key bag lacks.

use base::{Millis, operation::Role};
use share::{
    checkup::{self, LastHead},
    trust::Trust,
    vault::VaultError,
};

use super::finding::{Finding, few};
use crate::home::{Home, vault::LocalVault};

pub(super) fn look(
    home: &Home,
    trust: &Trust,
    vault: &LocalVault,
    found: &mut Vec<Finding>,
    newest: &mut Millis,
) {
    found.push(head(vault, trust, newest));
    found.push(journal(vault));
    found.push(letters(vault));
    if home.facts.role == Role::Patient {
        found.push(bag(vault));
    }
}

pub(super) fn unreadable(check: &'static str, error: &VaultError) -> Finding {
    Finding::problem(check, error.to_string(), "put the home back from a copy")
}

fn head(vault: &LocalVault, trust: &Trust, newest: &mut Millis) -> Finding {
    let damaged =
        "put the home back from a copy; the next command with the node reads the ledger anew";
    match checkup::last_head(vault, trust) {
        Ok(LastHead::Nothing) => Finding::ok("heads", "no head was seen yet"),
        Ok(LastHead::Head {
            height,
            leaves,
            time,
        }) => {
            *newest = (*newest).max(time);
            Finding::ok(
                "heads",
                format!("height {height} with {leaves} leaves was seen, certified and consistent"),
            )
        }
        Ok(LastHead::Stopped(conflict)) => Finding::problem(
            "heads",
            format!(
                "the ledger contradicted itself: height {} was seen, then height {} that does not extend it; nothing is released",
                conflict.seen.0, conflict.found.0
            ),
            "stop; ask the consortium which ledger is right",
        ),
        Ok(LastHead::Contradiction(what)) => Finding::problem("heads", what, damaged),
        Err(error) => Finding::problem("heads", error.to_string(), damaged),
    }
}

fn journal(vault: &LocalVault) -> Finding {
    match checkup::unfinished(vault) {
        Ok(waiting) if waiting.is_empty() => Finding::ok("journal", "no operation is unfinished"),
        Ok(waiting) => Finding::unknown(
            "journal",
            format!(
                "begun, and only the ledger knows whether they took effect: {}",
                few(&waiting, |(id, action)| format!("{action} {}", id.0))
            ),
            "repeat the command that was cut off; any command with the node settles what has an outcome",
        ),
        Err(error) => unreadable("journal", &error),
    }
}

fn letters(vault: &LocalVault) -> Finding {
    match checkup::letters(vault) {
        Ok((0, 0)) => Finding::ok("letters", "none waits to be sent"),
        Ok((0, held)) => Finding::ok(
            "letters",
            format!("{held} are held back until their operation took effect"),
        ),
        Ok((ready, _)) => Finding::unknown(
            "letters",
            format!("{ready} were not sent: the node was away, or the mailbox is full"),
            "any command with the node sends them",
        ),
        Err(error) => unreadable("letters", &error),
    }
}

fn bag(vault: &LocalVault) -> Finding {
    match checkup::bag(vault) {
        Ok(standing) if standing.unsaved => Finding::problem(
            "key bag",
            format!(
                "keys were made since version {} that no stored bag has: losing this home loses them",
                standing.number
            ),
            "`wallet backup`",
        ),
        Ok(standing) => Finding::ok(
            "key bag",
            format!("version {} holds every key", standing.number),
        ),
        Err(error) => unreadable("key bag", &error),
    }
}
