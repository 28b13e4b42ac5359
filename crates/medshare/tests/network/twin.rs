//! A validator's key at two machines: its home was copied, and both run.

use base::{AccountId, OperationId, operation::Action};
use ledger::Leaf;
use share::node::Node as _;
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use super::{load::Load, validators::Validators};

#[test]
fn a_validator_that_runs_twice_loses_its_seat() {
    let mut net = Validators::start(4);
    let twice = AccountId::of(&net.genesis().validators[3].key);
    let mut load = Load::at(&net, 3, &[0, 1, 2]);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    load.run(|| {
        net.run_twice(3);
        let begun = Instant::now();
        let mut again = PATIENCE;
        while net.seats().iter().any(|(seat, _)| *seat == twice) {
            assert!(begun.elapsed() < 16 * PATIENCE, "never found out");
            // Whether both take part is a matter of who connects first.
            if begun.elapsed() > again {
                net.run_both_again();
                again = begun.elapsed() + PATIENCE;
            }
            thread::sleep(Duration::from_millis(200));
        }
        println!("found out after {:?}", begun.elapsed());
    });
    net.end_both();
    assert_eq!(net.seats().len(), 3);
    let operations = load.finish();
    let acknowledged: BTreeSet<_> = operations.iter().map(|(it, _)| it.to_bytes().1).collect();

    // More proofs may be on their way, of other heights or by other validators.
    let until = Instant::now() + Duration::from_secs(60);
    let log = loop {
        let heads = [0, 1, 2].map(|at| net.head(at).header);
        let log = log(&net);
        if heads.iter().all(|head| *head == heads[0]) && heads[0].tree_size == log.len() as u64 {
            break log;
        }
        assert!(Instant::now() < until, "not one ledger: {heads:#?}");
        thread::sleep(Duration::from_millis(100));
    };
    let (proofs, others): (Vec<_>, Vec<_>) = log
        .iter()
        .map(|leaf| &leaf.operation)
        .partition(|it| matches!(it.body.action, Action::DoubleSign(_)));
    let accused = |action: &Action| match action {
        Action::DoubleSign(proof) => proof.validator,
        _ => unreachable!("only proofs"),
    };
    assert!(!proofs.is_empty(), "its seat is gone without a proof");
    assert!(proofs.iter().all(|it| accused(&it.body.action) == twice));
    let ids: BTreeSet<OperationId> = others.iter().map(|it| it.to_bytes().1).collect();
    assert_eq!(ids.len(), others.len(), "an operation is in the log twice");
    assert_eq!(ids, acknowledged);
    println!(
        "{} operations and {} proofs in the log",
        ids.len(),
        proofs.len()
    );
    net.prove(&operations);
    net.replay();
}

/// How long both run before they are started again.
const PATIENCE: Duration = Duration::from_secs(15);

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
