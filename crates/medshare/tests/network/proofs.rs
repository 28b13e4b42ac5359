//! A ledger that holds proofs against a validator besides what parties sent.

use base::{AccountId, OperationId, operation::Action};
use ledger::Leaf;
use share::node::Node as _;
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use super::{courier::Sent, validators::Validators};

/// All have one ledger, in which each of these operations is once, and nothing else but proofs
/// against this validator.
pub(crate) fn settle(net: &Validators, operations: &[Sent], accused: AccountId) {
    let acknowledged: BTreeSet<_> = operations.iter().map(|(it, _)| it.to_bytes().1).collect();
    let log = settled(net);
    let (proofs, others): (Vec<_>, Vec<_>) = log
        .iter()
        .map(|leaf| &leaf.operation.body.action)
        .zip(log.iter().map(|leaf| leaf.operation.to_bytes().1))
        .partition(|(action, _)| matches!(action, Action::DoubleSign(_)));
    let against = |action: &Action| match action {
        Action::DoubleSign(proof) => proof.validator,
        _ => unreachable!("only proofs"),
    };
    assert!(!proofs.is_empty(), "its seat is gone without a proof");
    assert!(proofs.iter().all(|(action, _)| against(action) == accused));
    let ids: BTreeSet<OperationId> = others.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), others.len(), "an operation is in the log twice");
    assert_eq!(ids, acknowledged);
    println!(
        "{} operations and {} proofs in the log",
        ids.len(),
        proofs.len()
    );
    net.prove(operations);
    net.replay();
}

/// The log of all; more proofs may be on their way, of other heights or by other validators.
fn settled(net: &Validators) -> Vec<Leaf> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let heads: Vec<_> = (0..net.count()).map(|at| net.head(at).header).collect();
        let log = log(net);
        if heads.iter().all(|head| *head == heads[0]) && heads[0].tree_size == log.len() as u64 {
            return log;
        }
        assert!(Instant::now() < until, "not one ledger: {heads:#?}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn log(net: &Validators) -> Vec<Leaf> {
    let (node, mut all) = (net.client(0), Vec::new());
    loop {
        let page = node.leaves(all.len() as u64, 1_000).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
