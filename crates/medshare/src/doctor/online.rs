//! What only the node knows, with `--online`: its head, the account's current key, the key
//! bag that it keeps. Whatever an answer leads to stays in memory.

use base::operation::Role;
use share::{
    bag::BagError,
    checkup::{self, AtNode},
    desk::Desk,
    follow::{self, FollowError},
    node::{Node as _, NodeError},
    trust::Trust,
};

use super::finding::Finding;
use crate::{
    home::{Home, identity::Identity, vault::LocalVault},
    http::HttpNode,
};

pub(super) fn not_asked() -> Finding {
    Finding::unknown(
        "node",
        "what only the node knows (its head, the key bag there, the current keys) was not asked",
        "`doctor --online` asks it",
    )
}

pub(super) fn ask(
    home: &Home,
    trust: &Trust,
    identity: &Identity,
    vault: &LocalVault,
    node: &HttpNode,
    found: &mut Vec<Finding>,
) {
    let desk = Desk {
        party: &identity.party,
        node,
        vault,
        trust,
    };
    match follow::advance(&desk) {
        Ok(head) => found.push(Finding::ok(
            "node",
            format!(
                "it is at height {}, which extends what was seen",
                head.header.height
            ),
        )),
        Err(error @ FollowError::Node(NodeError::Unreachable(_) | NodeError::Busy(_))) => {
            let says = error.to_string();
            return found.push(Finding::unknown(
                "node",
                says,
                "start it, or correct --node",
            ));
        }
        Err(error) => {
            return found.push(Finding::problem(
                "node",
                error.to_string(),
                "ask the consortium which ledger is right before anything else",
            ));
        }
    }
    found.push(current_key(home, identity, node));
    if let (Role::Patient, Some(secrets)) = (home.facts.role, &identity.patient) {
        found.push(bag(checkup::bag_at_node(&desk, secrets)));
    }
}

fn current_key(home: &Home, identity: &Identity, node: &HttpNode) -> Finding {
    match node.account(home.facts.account) {
        Ok(None) => Finding::unknown(
            "account",
            "it is not on the ledger yet",
            "`account register`",
        ),
        Ok(Some(account)) if account.operation_key() == Some(identity.party.operation.public()) => {
            Finding::ok("account", "this home has its current operation key")
        }
        Ok(Some(_)) => Finding::problem(
            "account",
            "its operation key was replaced elsewhere: this home can do nothing",
            "use the home that has the new key, or finish `account rotate-key`",
        ),
        Err(error) => Finding::unknown("account", error.to_string(), "repeat later"),
    }
}

fn bag(at_node: Result<AtNode, BagError>) -> Finding {
    let check = "bag at node";
    let problem = |says: String| {
        let save = "`wallet backup` stores the newest again";
        Finding::problem(check, says, save)
    };
    match at_node {
        Ok(AtNode::Newest(number)) => Finding::ok(
            check,
            format!("version {number}, the one that the ledger names"),
        ),
        Ok(AtNode::None) => {
            problem("there is none: with this home lost, the phrase brings nothing back".into())
        }
        Ok(AtNode::Missing(number)) => problem(format!(
            "there is none, and the ledger names version {number}"
        )),
        Ok(AtNode::Unreadable) => problem("it does not open under this patient's key".into()),
        Ok(AtNode::Other { found, newest }) => problem(format!(
            "version {found} is there; {newest} is the newest, or the ledger names other bytes"
        )),
        Err(error) => Finding::unknown(check, error.to_string(), "repeat later"),
    }
}
