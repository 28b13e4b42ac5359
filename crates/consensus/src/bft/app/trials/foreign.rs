//! What is of another ledger comes to nothing, also where its validators have the same keys.

use base::{ChainId, Signed};
use ledger::{Head, MAX_OPERATION, Refusal};
use malachite::app::types::core::Validity;
use serde_bytes::ByteBuf;

use super::{
    people::{account, genesis, operation, secret, validator},
    two::{Two, counts, given},
};
use crate::{
    SubmitError,
    bft::{
        context::{Part, Start, Tip, TipWord},
        proposed::Proposed,
        stream::Numbers,
    },
};

const OTHER: ChainId = ChainId([9; 32]);

/// An operation that is well signed, for another ledger.
fn foreign() -> Vec<u8> {
    let mut body = operation(&genesis(), "ann", 1, 0).body;
    body.chain = OTHER;
    Signed::new(body, &secret("ann")).to_bytes().0
}

#[test]
fn an_operation() {
    let mut two = Two::new();
    let huge = vec![0; MAX_OPERATION + 1];
    let told = Part::Operations(vec![ByteBuf::from(foreign()), ByteBuf::from(huge)]);
    assert_eq!(two.hears(vec![Numbers::new(7).single(told)]), []);
    two.other.take_in(None);
    assert_eq!(counts(&two.other), (0, 0));
    let refused = given(&mut two.other, foreign()).try_recv().unwrap();
    assert_eq!(refused, Err(SubmitError::Refused(Refusal::WrongChain)));
    assert_eq!(counts(&two.other), (0, 0));
}

#[test]
fn a_proposed_block() {
    let mut two = Two::new();
    let _waits = given(
        &mut two.builder,
        operation(&genesis(), "ann", 1, 0).to_bytes().0,
    );
    two.builder.sent();
    let (good, parts) = two.block(0);
    let mut numbers = Numbers::new(7);
    // More than one validator may bring of a height: none is counted.
    for at in 0..10 {
        let mut header = good.header.clone();
        header.chain = OTHER;
        header.time = header.time.plus(at);
        let block = Proposed::of(header, good.leaves().to_vec());
        let bytes = block.to_bytes();
        let start = Start {
            chain: OTHER,
            account: account(&validator(0)),
            block: block.id().0,
            height: 1,
            round: block.header.round(),
            valid_round: None,
            length: bytes.len() as u64,
        };
        let start = Signed::new(start, &validator(0));
        assert_eq!(two.hears(numbers.cut(start, &bytes)), []);
    }
    assert_eq!(two.hears(parts), [Validity::Valid]);
}

#[test]
fn a_word_on_how_far_a_validator_is() {
    let mut two = Two::new();
    let ours = Head::genesis(&genesis());
    let mut theirs = ours.clone();
    theirs.header.chain = OTHER;
    theirs.header.height = 1_000;
    let mut numbers = Numbers::new(7);
    for (head, seen) in [(theirs, None), (ours, Some(0))] {
        let word = TipWord {
            chain: head.header.chain,
            account: account(&validator(0)),
            height: head.header.height,
            header: head.header.cid(),
        };
        let word = Signed::new(word, &validator(0));
        let tip = Part::Tip(Box::new(Tip { head, word }));
        assert_eq!(two.hears(vec![numbers.single(tip)]), []);
        let standing = two.other.app().shared.standing();
        let found = standing.seen.get(&account(&validator(0)));
        assert_eq!(found.map(|(height, _)| *height), seen);
    }
}
