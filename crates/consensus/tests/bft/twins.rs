//! A validator that runs twice signs two things where it may sign one. The others go on with
//! one ledger, and keep the proofs.

use base::operation::Role;
use consensus::Sequencer as _;
use std::{
    thread,
    time::{Duration, Instant},
};

use super::net::{Net, bag, register, sign};

#[test]
fn a_validator_that_votes_twice_is_caught() {
    let net = Net::start_with_twins(4);
    let genesis = net.genesis();
    let honest = || (0..3).map(|at| net.node(at));
    let caught = || honest().any(|node| node.standing().accusations > 0);
    let until = Instant::now() + Duration::from_secs(60);
    let mut number = 0;
    // Some rounds are its turn, and each twin has a block of its own then.
    while number < 12 || !caught() {
        assert!(
            Instant::now() < until,
            "nobody saw two votes in {number} blocks"
        );
        number += 1;
        let operation = match number {
            1 => sign(&genesis, "p", 1, register("p", Role::Patient)),
            _ => sign(&genesis, "p", number, bag(number)),
        };
        let node = net.node(number as usize % 3);
        // A number may reach a node before the block that it follows.
        node.submit(operation.to_bytes().0).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let heads: Vec<_> = honest().map(|node| node.head().unwrap().header).collect();
        // A proof against the twins may be ordered as well.
        if heads
            .iter()
            .all(|head| head.tree_size >= number && *head == heads[0])
        {
            break;
        }
        assert!(Instant::now() < until, "{heads:#?}");
        thread::sleep(Duration::from_millis(50));
    }
    for node in honest() {
        assert_eq!(node.standing().conflict, None);
    }
}
