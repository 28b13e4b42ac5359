//! Sends an operation to one validator after the other until somebody acknowledges it.

use base::SignedOperation;
use ledger::{Outcome, Refusal};
use medshare::http::HttpNode;
use share::node::{Node as _, NodeError};
use std::{
    thread,
    time::{Duration, Instant},
};

/// An operation that was acknowledged, and what became of it.
pub(crate) type Sent = (SignedOperation, Outcome);

pub(crate) struct Courier {
    nodes: Vec<HttpNode>,
    at: usize,
}

impl Courier {
    /// `at` says which node is the first.
    pub(crate) fn new(nodes: Vec<HttpNode>, at: usize) -> Self {
        Self { nodes, at }
    }

    /// Sends it once, to the next node; gives what became of it if that is known.
    pub(crate) fn offer(&mut self, operation: &SignedOperation) -> Option<Outcome> {
        self.at += 1;
        let node = &self.nodes[self.at % self.nodes.len()];
        match node.submit(operation) {
            Ok(receipt) => Some(receipt.outcome),
            // An earlier try went through; nobody lived to say so.
            Err(NodeError::Refused(Refusal::Duplicate { .. })) => {
                let receipt = node.receipt(operation.to_bytes().1).ok()??;
                Some(receipt.outcome)
            }
            Err(NodeError::Refused(refusal)) => {
                // A node that is behind may not know the number or the account yet.
                let behind = matches!(
                    refusal,
                    Refusal::WrongSequence { expected, found } if found > expected
                ) || refusal == Refusal::UnknownAccount;
                assert!(behind, "{refusal:?} to number {}", operation.body.sequence);
                None
            }
            Err(NodeError::Unreachable(_) | NodeError::Busy(_) | NodeError::Storage(_)) => None,
            Err(NodeError::BadAnswer(_)) => None, // it died while it answered
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Sends it until it is acknowledged.
    pub(crate) fn deliver(&mut self, operation: &SignedOperation) -> Outcome {
        let limit = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(outcome) = self.offer(operation) {
                return outcome;
            }
            assert!(Instant::now() < limit, "not acknowledged: {operation:?}");
            thread::sleep(PAUSE);
        }
    }
}

/// Pause after a try that came to nothing.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);
