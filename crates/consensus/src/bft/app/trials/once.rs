//! A node verifies an operation's signature once, whichever way the operation comes.

use base::{Digest, Signed, operation::Action};
use malachite::app::types::core::Validity;

use super::{
    people::{genesis, operation, secret},
    two::{Two, counts, given},
};

const NAMES: [&str; 2] = ["ann", "bob"]; // as many as fit into a trial's block

fn bytes(name: &str) -> Vec<u8> {
    operation(&genesis(), name, 1, 0).to_bytes().0
}

#[test]
fn in_blocks_before_others_tell_and_its_sender_asks() {
    let mut two = Two::new();
    let sent = NAMES.map(|name| given(&mut two.builder, bytes(name)));
    let gossip = two.builder.sent();
    assert_eq!(counts(&two.builder), (2, 2));
    // In the blocks of two rounds, none of which is decided.
    for turn in 0..2 {
        let (block, parts) = two.block(turn);
        assert_eq!(block.leaves().len(), 2);
        assert_eq!(two.hears(parts), [Validity::Valid]);
        assert_eq!(counts(&two.builder), (2, 2), "its own block");
        assert_eq!(counts(&two.other), (2, 0), "block {turn}");
    }
    // Then the others tell, twice, and then the sender asks here too.
    assert_eq!(two.hears([gossip.clone(), gossip].concat()), []);
    two.other.take_in(None);
    assert_eq!(counts(&two.other), (2, 2), "told after a block");
    let asked = NAMES.map(|name| given(&mut two.other, bytes(name)));
    assert_eq!(counts(&two.other), (2, 2), "asked after it was told");
    for waits in sent.iter().chain(&asked) {
        assert!(waits.try_recv().is_err(), "nothing is decided");
    }
}

#[test]
fn in_one_group_and_by_a_sender_who_asks_again_when_it_was_refused() {
    let mut two = Two::new();
    let _sent = NAMES.map(|name| given(&mut two.builder, bytes(name)));
    let gossip = two.builder.sent();
    // Told twice, and the same from a party of this node: one group.
    assert_eq!(two.hears([gossip.clone(), gossip].concat()), []);
    let waits = given(&mut two.other, bytes("ann"));
    assert_eq!(counts(&two.other), (2, 2));
    assert!(waits.try_recv().is_err(), "she waits");
    // Another of the same number: it is signed as well, and refused as often as it comes.
    let mut rival = operation(&genesis(), "ann", 1, 0).body;
    if let Action::Register(register) = &mut rival.action {
        register.patient.as_mut().unwrap().pkh = Digest([7; 32]);
    }
    let rival = Signed::new(rival, &secret("ann")).to_bytes().0;
    for _ in 0..3 {
        let refused = given(&mut two.other, rival.clone());
        assert!(refused.try_recv().unwrap().is_err());
    }
    assert_eq!(counts(&two.other), (3, 2));
}

#[test]
fn a_forged_one_is_never_remembered_as_good() {
    let mut two = Two::new();
    let mut forged = operation(&genesis(), "ann", 1, 0);
    forged.signature.0[5] ^= 1;
    for times in 1..=2 {
        let refused = given(&mut two.other, forged.to_bytes().0);
        assert!(refused.try_recv().unwrap().is_err());
        assert_eq!(counts(&two.other), (times, 0));
    }
    let _waits = given(&mut two.other, bytes("ann"));
    assert_eq!(counts(&two.other), (3, 1));
}
