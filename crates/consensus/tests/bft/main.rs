//! Validators that order one ledger together: in one process, over real connections on
//! loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod members;
mod net;
mod twins;
mod wiped;
#[allow(unused_imports)]
#[path = "../../../ledger/tests/it/world.rs"]
mod world;

use base::{ChainId, Signed, SignedOperation, genesis::Genesis, operation::Role};
use consensus::{Sequencer, SubmitError};
use ledger::{MAX_OPERATION, Outcome, Refusal};
use net::{Net, bag, register, sign};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Patients who each send so many operations, one after another and each at another place than
/// the one before.
fn senders(
    genesis: &Genesis,
    count: usize,
    each: u64,
    send: impl Fn(usize, &SignedOperation) + Sync,
) {
    let send = &send;
    thread::scope(|scope| {
        for sender in 0..count {
            scope.spawn(move || {
                let name = format!("patient {sender}");
                for number in 1..=each {
                    let operation = match number {
                        1 => sign(genesis, &name, 1, register(&name, Role::Patient)),
                        _ => sign(genesis, &name, number, bag(number)),
                    };
                    send(sender + number as usize, &operation);
                }
            });
        }
    });
}

#[test]
fn four_validators_have_one_ledger() {
    let net = Net::start(4);
    let genesis = net.genesis();
    const SENDERS: usize = 8;
    const EACH: u64 = 20;
    let begun = Instant::now();
    senders(&genesis, SENDERS, EACH, |at, operation| {
        let node = net.node(at % 4);
        let receipt = node.submit(operation.to_bytes().0).unwrap();
        assert_eq!(receipt.outcome, Outcome::Ok);
        receipt
            .verify(&node.ledger().validators(), operation)
            .unwrap();
    });
    eprintln!(
        "{} operations in {:?}",
        SENDERS as u64 * EACH,
        begun.elapsed()
    );
    let head = net.agree(SENDERS as u64 * EACH);
    assert!(head.certificate.signatures.len() >= 3);
    assert!(head.certificate.round.is_some());
    // Every block is certified, on every node, and gives the same state again.
    net.replay_each();
    // Nothing waits: no block comes.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(
        net.node(0).head().unwrap().header.height,
        head.header.height
    );
}

#[test]
fn a_used_number_is_refused_and_an_operation_is_taken_once() {
    let net = Net::start(4);
    let genesis = net.genesis();
    let first = sign(&genesis, "p", 1, register("p", Role::Patient));
    let bytes = first.to_bytes().0;
    let receipt = net.node(0).submit(bytes.clone()).unwrap();
    let again = net.node(0).submit(bytes).unwrap_err();
    assert_eq!(
        again,
        SubmitError::Refused(Refusal::Duplicate {
            index: receipt.index
        })
    );
    let stale = sign(&genesis, "p", 1, bag(1));
    let stale = net.node(0).submit(stale.to_bytes().0).unwrap_err();
    let expected = Refusal::WrongSequence {
        expected: 2,
        found: 1,
    };
    assert_eq!(stale, SubmitError::Refused(expected));
    // Two operations with one number, at two nodes at once: one of them is in the log.
    let both: Vec<_> = thread::scope(|scope| {
        let send = |node: usize, version| {
            let operation = sign(&genesis, "p", 2, bag(version));
            let net = &net;
            scope.spawn(move || net.node(node).submit(operation.to_bytes().0))
        };
        let both = [send(1, 5), send(2, 6)];
        both.into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let taken = both.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(taken, 1, "{both:?}");
    net.agree(2);
}

#[test]
fn each_node_verifies_an_operation_once() {
    let net = Net::start(4);
    let genesis = net.genesis();
    const SENDERS: usize = 6;
    const EACH: u64 = 15;
    senders(&genesis, SENDERS, EACH, |at, operation| {
        // At two nodes at once, which also tell each other of it; one may have it in a block
        // before that.
        let bytes = operation.to_bytes().0;
        let both = [net.node(at % 4), net.node((at + 1) % 4)];
        let answers = thread::scope(|scope| {
            let sent = both.map(|node| scope.spawn(|| node.submit(bytes.clone())));
            sent.map(|sent| sent.join().unwrap())
        });
        for answer in &answers {
            let taken = matches!(
                answer,
                Ok(_) | Err(SubmitError::Refused(Refusal::Duplicate { .. }))
            );
            assert!(taken, "{answer:?}");
        }
        assert!(answers.iter().any(Result::is_ok), "{answers:?}");
    });
    let all = SENDERS as u64 * EACH;
    net.agree(all);
    for node in net.running() {
        let counters = node.standing().counters;
        assert_eq!((counters.operations, counters.verified), (all, all));
    }
}

#[test]
fn what_is_of_another_ledger_or_too_large_is_refused_at_once() {
    let net = Net::start(4);
    let genesis = net.genesis();
    let good = sign(&genesis, "p", 1, register("p", Role::Patient));
    let mut foreign = good.body.clone();
    foreign.chain = ChainId([9; 32]);
    let foreign = Signed::new(foreign, &net::secret("p"));
    let limit = MAX_OPERATION as u64;
    for node in net.running() {
        let refusal = |bytes: Vec<u8>| match node.submit(bytes) {
            Err(SubmitError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        assert_eq!(refusal(foreign.to_bytes().0), Refusal::WrongChain);
        let found = limit + 1;
        let refused = refusal(vec![0; MAX_OPERATION + 1]);
        assert_eq!(refused, Refusal::TooLarge { found, limit });
        let refused = refusal(vec![0; MAX_OPERATION]);
        assert!(matches!(refused, Refusal::Malformed(_)), "{refused:?}");
    }
    net.node(0).submit(good.to_bytes().0).unwrap();
    net.agree(1);
    for node in net.running() {
        assert_eq!(node.standing().counters.verified, 1);
    }
}

#[test]
fn one_of_four_may_be_gone_and_two_may_not() {
    let mut net = Net::start(4);
    let genesis = net.genesis();
    let send = |net: &Net, node: usize, number: u64| {
        let operation = match number {
            1 => sign(&genesis, "p", 1, register("p", Role::Patient)),
            _ => sign(&genesis, "p", number, bag(number)),
        };
        net.node(node).submit(operation.to_bytes().0)
    };
    send(&net, 0, 1).unwrap();
    net.agree(1);
    net.stop(3);
    for number in 2..6 {
        send(&net, (number % 3) as usize, number).unwrap();
    }
    net.stop(2);
    let unknown = send(&net, 0, 6).unwrap_err();
    assert!(matches!(unknown, SubmitError::Unknown(_)), "{unknown:?}");
    net.restart(2);
    net.restart(3);
    // It waits still, and is ordered now; whoever sends it again waits with it.
    match send(&net, 0, 6) {
        Ok(receipt) => assert_eq!(receipt.outcome, Outcome::Ok),
        Err(error) => assert!(matches!(
            error,
            SubmitError::Refused(Refusal::Duplicate { .. })
        )),
    }
    net.agree(6);
    // Four in blocks that it fetched, and the one that waited.
    assert_eq!(net.node(3).standing().counters.verified, 5);
}
