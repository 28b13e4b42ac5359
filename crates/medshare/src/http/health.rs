//! `GET /healthz` and `GET /readyz`: for whoever starts the node and watches it. The status
//! says it, 200 or 503; the text is for people. Nothing in it names an account.

use axum::extract::State;
use std::sync::Arc;

use super::{
    admission::blocking,
    answer::{Answer, Handled},
    interface::Interface,
    message::NodeStanding,
};

/// The process answers.
pub(super) async fn alive() -> Answer {
    Answer::Text("ok\n".to_owned())
}

/// The node serves its parties: it reads its ledger and knows of no other one, and if it
/// follows it has caught up.
pub(super) async fn ready(State(interface): State<Arc<Interface>>) -> Handled {
    blocking(move || {
        if let Err(fault) = (interface.views)().and_then(|view| view.head()) {
            super::log_line(&fault);
            return Ok(unready("it cannot read its ledger"));
        }
        Ok(match hindrance(&(interface.standing)()) {
            None => Answer::Text("ready\n".to_owned()),
            Some(reason) => unready(reason),
        })
    })
    .await
}

fn hindrance(standing: &NodeStanding) -> Option<&'static str> {
    let follows = standing.follows.as_ref();
    let validator = standing.validator.as_ref();
    let halted = follows.is_some_and(|follows| follows.halted.is_some())
        || validator.is_some_and(|validator| validator.halted.is_some());
    if halted {
        return Some("it halted: another ledger is certified too");
    }
    if follows.is_some_and(|follows| follows.current.is_none()) {
        return Some("it has not caught up with the node that it follows");
    }
    if validator.is_some_and(|validator| validator.trouble.is_some()) {
        return Some("its part in consensus is in trouble: ask node status");
    }
    None
}

fn unready(reason: &str) -> Answer {
    Answer::Unready(format!("not ready: {reason}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::Following;

    fn following(current: Option<u64>, halted: Option<&str>) -> NodeStanding {
        NodeStanding {
            follows: Some(Following {
                current,
                trouble: None,
                halted: halted.map(str::to_owned),
            }),
            ..NodeStanding::default()
        }
    }

    #[test]
    fn a_node_is_ready_when_it_serves() {
        assert_eq!(hindrance(&NodeStanding::default()), None);
        assert_eq!(hindrance(&following(Some(0), None)), None);
        assert!(hindrance(&following(None, None)).is_some());
        assert!(hindrance(&following(Some(0), Some("two heads"))).is_some());
    }
}
