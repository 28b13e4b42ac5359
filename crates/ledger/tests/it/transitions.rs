//! From one set of validators to the next: who follows, and what a fork after it proves.

use base::operation::*;
use ledger::{
    Block, Conflict, Head, HeadError, Header, Ledger, OpenOptions, Replay, ReplayFault, Transition,
    ValidatorSet, Validators, contradict,
};

use crate::{replay::blocks, validators::four, world::id};

#[test]
fn heads_of_other_times_are_told_apart() {
    let mut world = four();
    world.ok("n2", Leave {});
    let end = world.view().head().unwrap();
    let early = Validators::of(&world.genesis);
    world.register("quinn", Role::Patient);
    let later = world.view().head().unwrap();
    // The last head of the first set holds for who knows no other.
    end.clone().verify(&early).unwrap();
    assert_eq!(
        later.clone().verify(&early).unwrap_err(),
        HeadError::OtherValidators
    );
    let [transition] =
        <[Transition; 1]>::try_from(world.view().transitions(1, 100).unwrap()).unwrap();
    // Not with another set, nor with a head that ends nothing.
    let mut trusted = early.clone();
    let other = Transition {
        next: ValidatorSet::of(&world.genesis),
        ..transition.clone()
    };
    assert_eq!(trusted.follow(other), Err(HeadError::NoTransition));
    let before = world
        .view()
        .head_at(end.header.height - 1)
        .unwrap()
        .unwrap();
    let other = Transition {
        head: before,
        ..transition.clone()
    };
    assert_eq!(trusted.follow(other), Err(HeadError::NoTransition));
    let mut other = transition.clone();
    other.head.certificate.signatures.truncate(2);
    assert!(trusted.follow(other).is_err());
    assert_eq!(trusted, early);
    trusted.follow(transition.clone()).unwrap();
    trusted.follow(transition).unwrap(); // once more changes nothing
    assert_eq!(trusted.since(), end.header.height + 1);
    assert_eq!(trusted.later().count(), 1);
    later.clone().verify(&trusted).unwrap();
    // Out of turn, or in the name of a set that left.
    let mut bent: Head = later.clone();
    bent.header.round = std::num::NonZeroU32::new(1);
    bent.certificate = world.certificate(&bent.header);
    assert_eq!(bent.verify(&trusted).unwrap_err(), HeadError::NotInTurn);
    let mut bent: Head = later;
    bent.header.next_validators = None;
    bent.certificate = world.certificate(&bent.header);
    assert_eq!(
        bent.verify(&trusted).unwrap_err(),
        HeadError::OtherValidators
    );
}

/// Whoever executes a block checks to whom it hands over.
#[test]
fn a_block_that_hands_over_wrongly_is_no_block() {
    let mut world = four();
    world.ok("n2", Leave {});
    let mut blocks = blocks(&world);
    let last = blocks.last_mut().unwrap();
    let next = last.head.header.next_validators.as_mut().unwrap();
    next.set.0[0] ^= 1;
    last.head.certificate = world.certificate(&last.head.header);
    let mut replayed = Replay::new(&world.genesis);
    let (last, before) = blocks.split_last().unwrap();
    for block in before {
        replayed.push(block).unwrap();
    }
    let height = last.head.header.height;
    assert_eq!(replayed.push(last), Err(ReplayFault::Validators(height)));
    let path = world.dir.path().join("other.redb");
    let other = Ledger::create(&path, &world.genesis, OpenOptions::default()).unwrap();
    for block in before {
        other.append(block).unwrap();
    }
    let refused = other.append(last).unwrap_err();
    assert!(
        matches!(
            refused,
            ledger::AppendError::Certified {
                fault: ledger::BlockFault::Validators,
                ..
            }
        ),
        "{refused:?}"
    );
}

#[test]
fn a_fork_after_a_change_is_shown_to_who_has_the_genesis_object() {
    let mut world = four();
    world.ok("n2", Leave {});
    world.register("quinn", Role::Patient);
    let ours = world.view().head().unwrap();
    world.ok("n3", Leave {}); // a later change convicts nobody
    let mut theirs = ours.clone();
    theirs.header.time.0 += 1;
    theirs.certificate = world.certificate(&theirs.header);
    let other = |head| Block {
        head,
        leaves: Vec::new(),
    };
    let bare = Conflict::new(ours.clone(), other(theirs), "two heads".into());
    let genesis = Validators::of(&world.genesis);
    assert_eq!(bare.is_fork(&genesis), Err(HeadError::OtherValidators));
    let all = world.view().transitions(1, 100).unwrap();
    assert_eq!(all.len(), 2);
    let led = bare.clone().led_by(all.clone());
    assert_eq!(led.is_fork(&genesis), Ok(true));
    assert_eq!(led, bare.clone().led_by(all[..1].to_vec()));
    // Whoever hands over decides the block in which it is said.
    let end = other(all[0].head.clone());
    let at_end = Conflict::new(ours.clone(), end, "two heads".into());
    assert_eq!(at_end.clone().led_by(all.clone()), at_end);
    let bytes = led.to_bytes();
    assert_eq!(Conflict::parse(&bytes), Ok(led));
    // One that was made up convicts nobody.
    let mut forged = all;
    forged[0].next = ValidatorSet::of(&world.genesis);
    let forged = bare.led_by(forged);
    assert_eq!(forged.is_fork(&genesis), Err(HeadError::NoTransition));
}

#[test]
fn who_signed_both_heads_is_named() {
    let world = four();
    let ours = world.view().head().unwrap();
    let mut theirs = ours.clone();
    theirs.header.time.0 += 1;
    theirs.certificate = world.certificate(&theirs.header);
    theirs.certificate.signatures.swap_remove(0);
    let left = &theirs.certificate.signatures;
    let left: Vec<_> = left.iter().map(|(account, _)| *account).collect();
    assert_eq!(left.len(), 2);
    let theirs = Block {
        head: theirs,
        leaves: Vec::new(),
    };
    let mut named = Conflict::new(ours, theirs, "two heads".into()).signers();
    named.sort_by_key(|account| left.iter().position(|one| one == account));
    assert_eq!(named, left);
}

/// Equal heights, the next one, and further apart; in either order.
#[test]
fn which_headers_cannot_be_of_one_ledger() {
    let world = four();
    let view = world.view();
    let top = view.head().unwrap().header.height;
    let header = |height| view.head_at(height).unwrap().unwrap().header;
    let (low, next, far) = (header(top - 2), header(top - 1), header(top));
    let other = |header: &Header| Header {
        proposer: id("another"),
        ..header.clone()
    };
    let cases = [
        (&low, &low.clone(), false),
        (&low, &other(&low), true),
        (&low, &next, false),
        (&other(&low), &next, true),
        (&low, &other(&next), false),
        (&low, &far, false),
        (&other(&low), &far, false),
    ];
    for (one, two, fork) in cases {
        assert_eq!(contradict(one, two), fork, "{one:?} {two:?}");
        assert_eq!(contradict(two, one), fork, "{two:?} {one:?}");
    }
}
