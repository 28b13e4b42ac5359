//! Replay from genesis gives the same state; a changed log does not replay.

use base::{Millis, SignedOperation, codec, operation::*};
use ledger::{Block, CommitError, Failure, Leaf, Outcome, Refusal, Replay, ReplayFault, replay};
use serde_bytes::ByteBuf;

use crate::world::*;

/// A ledger with a bit of everything, and its blocks.
fn story() -> (World, Vec<Block>) {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("s", "c1")]);
    let grant = world.grant("institute", &["s"], &["ag"]);
    for part in parts(&[("s", "c0"), ("s", "c1")]) {
        let query = world.querying(&want(grant, "institute", "ag", record, "r", part));
        let query = world.ok("ag", query);
        world.ok("institute", accepted(query));
        world.fails("institute", accepted(query), Failure::AlreadyReviewed);
    }
    let blocks = blocks(&world);
    (world, blocks)
}

pub fn blocks(world: &World) -> Vec<Block> {
    let view = world.view();
    let last = view.head().unwrap().header.height;
    (1..=last)
        .map(|height| view.block(height).unwrap().unwrap())
        .collect()
}

#[test]
fn the_same_state_again() {
    let (mut world, blocks) = story();
    let replayed = replay(&world.genesis, &blocks).unwrap();
    let head = world.view().head().unwrap().header;
    assert_eq!(*replayed.header(), head);
    assert_eq!(replayed.state_hash().digest(), head.state_hash);
    let mut hash = ledger::StateHash::default();
    for (key, value) in replayed.state().iter() {
        hash.add(key, value);
    }
    assert_eq!(hash, world.view().state_hash().unwrap());
    // and after a restart
    world.reopen();
    assert_eq!(world.view().head().unwrap().header, head);
    world.check_invariants();
    world.publish("mercy", "pat", "after");
}

/// Signs a changed header again, as a dishonest validator would.
fn recertify(block: &mut Block) {
    block.head.certificate = block.head.header.certify(&secret("node"));
}

fn reroot(world: &World, blocks: &[Block], at: usize) -> Block {
    let mut block = blocks[at].clone();
    let mut log = ledger::CompactRange::new();
    for leaf in blocks[..at]
        .iter()
        .chain([&block])
        .flat_map(|block| &block.leaves)
    {
        log.append(leaf);
    }
    block.head.header.tree_root = log.root();
    assert!(world.genesis.validators.len() == 1);
    recertify(&mut block);
    block
}

fn fault(world: &World, blocks: &[Block], changed: Block) -> ReplayFault {
    let at = changed.head.header.height as usize - 1;
    let mut replay = Replay::new(&world.genesis);
    for block in &blocks[..at] {
        replay.push(block).unwrap();
    }
    let before = replay.state_hash().clone();
    let fault = replay.push(&changed).unwrap_err();
    assert_eq!(*replay.state_hash(), before);
    replay.push(&blocks[at]).unwrap(); // still usable
    fault
}

#[test]
fn a_changed_log_does_not_replay() {
    let (world, blocks) = story();
    let last = blocks.len() - 1; // a failed review
    // uncertified change
    let mut block = blocks[last].clone();
    block.head.header.time = block.head.header.time.plus(1);
    assert!(matches!(
        fault(&world, &blocks, block),
        ReplayFault::Head(_)
    ));
    // a failure turned into ok, certified by a dishonest validator
    let mut leaf: Leaf = codec::decode(&blocks[last].leaves[0]).unwrap();
    leaf.outcome = Outcome::Ok;
    let mut changed = blocks.clone();
    changed[last].leaves[0] = ByteBuf::from(leaf.to_bytes());
    let block = reroot(&world, &changed, last);
    assert!(matches!(
        fault(&world, &blocks, block),
        ReplayFault::Outcome { .. }
    ));
    // a forged operation
    let mut leaf: Leaf = codec::decode(&blocks[last].leaves[0]).unwrap();
    leaf.operation.signature.0[1] ^= 1;
    changed[last].leaves[0] = ByteBuf::from(leaf.to_bytes());
    let block = reroot(&world, &changed, last);
    assert!(matches!(
        fault(&world, &blocks, block),
        ReplayFault::Refused {
            refusal: Refusal::BadSignature,
            ..
        }
    ));
    // an operation of before, again
    changed[last].leaves[0] = blocks[last - 1].leaves[0].clone();
    let block = reroot(&world, &changed, last);
    assert!(matches!(
        fault(&world, &blocks, block),
        ReplayFault::Refused {
            refusal: Refusal::WrongSequence { .. },
            ..
        }
    ));
    // a wrong state hash, a wrong root, a step back in time, a gap
    let twist = |twist: fn(&mut ledger::Header)| {
        let mut block = blocks[last].clone();
        twist(&mut block.head.header);
        recertify(&mut block);
        fault(&world, &blocks, block)
    };
    assert!(matches!(
        twist(|h| h.state_hash.0[0] ^= 1),
        ReplayFault::State(_)
    ));
    assert!(matches!(
        twist(|h| h.tree_root.0[0] ^= 1),
        ReplayFault::Root(_)
    ));
    assert!(matches!(twist(|h| h.tree_size += 1), ReplayFault::Root(_)));
    assert!(matches!(
        twist(|h| h.time = Millis(START)),
        ReplayFault::NotNext(_)
    ));
    assert!(matches!(
        twist(|h| h.previous = None),
        ReplayFault::NotNext(_)
    ));
    assert!(matches!(
        twist(|h| h.first_leaf -= 1),
        ReplayFault::NotNext(_)
    ));
    assert!(matches!(
        twist(|h| h.proposer = id("pat")),
        ReplayFault::Head(_)
    ));
    let mut block = blocks[last].clone();
    block.leaves[0] = ByteBuf::from(vec![0xff, 1]);
    assert!(matches!(
        fault(&world, &blocks, block),
        ReplayFault::Leaf(_)
    ));
}

#[test]
fn blocks_that_do_not_fit_are_not_committed() {
    let mut world = World::cast();
    let bag = |version| Bag {
        version,
        commitment: digest("bag"),
    };
    let first = world.sign("pat", bag(1));
    let second = world.sign("quinn", bag(1));
    let ledger = world.ledger();
    let propose = |operation: &SignedOperation, time| {
        let view = ledger.view().unwrap();
        let bytes = vec![operation.to_bytes().0];
        let checked = ledger::check_batch(bytes, ledger.validators().chain(), &view).unwrap();
        let checked = checked.into_iter().map(Result::unwrap).collect();
        ledger.propose(checked, time, id("node"))
    };
    let time = world.now().plus(10);
    let one = propose(&first, time).unwrap();
    let two = propose(&second, time).unwrap();
    let certificate = one.header().certify(&secret("pat"));
    let refused = ledger.commit(one.clone(), certificate);
    assert!(matches!(refused, Err(CommitError::Head(_))));
    let certificate = one.header().certify(&secret("node"));
    let refused = ledger.commit(two.clone(), certificate.clone());
    assert!(matches!(refused, Err(CommitError::Head(_))));
    ledger.commit(one.clone(), certificate.clone()).unwrap();
    assert_eq!(ledger.commit(one, certificate), Err(CommitError::NotNext));
    let certificate = two.header().certify(&secret("node"));
    assert_eq!(ledger.commit(two, certificate), Err(CommitError::NotNext));
    // time stands still: no block
    assert!(propose(&second, time).is_err());
    assert!(propose(&second, time.plus(1)).is_ok());
}
