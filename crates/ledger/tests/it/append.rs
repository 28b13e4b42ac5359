//! A second ledger follows the first block by block: equal to the last bit, or refused
//! with nothing written.

use base::{Millis, codec};
use ledger::{AppendError, Block, BlockFault, Leaf, Ledger, OpenOptions, Outcome, Refusal};
use serde_bytes::ByteBuf;
use tempfile::TempDir;

use crate::world::*;

fn story() -> (World, Vec<Block>) {
    let mut world = World::cast();
    let record = world.record("mercy", "pat", "r", &[("s", "c0"), ("s", "c1")]);
    let grant = world.grant("institute", &["s"], &["ag"]);
    let query = world.querying(&want(
        grant,
        "institute",
        "ag",
        record,
        "r",
        parts(&[("s", "c0")])[0],
    ));
    let query = world.ok("ag", query);
    world.ok("institute", accepted(query));
    world.fails(
        "institute",
        accepted(query),
        ledger::Failure::AlreadyReviewed,
    );
    let view = world.view();
    let last = view.head().unwrap().header.height;
    let blocks = (1..=last)
        .map(|height| view.block(height).unwrap().unwrap())
        .collect();
    (world, blocks)
}

/// A ledger of its own, up to the block before `at`.
fn follower(world: &World, blocks: &[Block]) -> (TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.redb");
    let ledger = Ledger::create(&path, &world.genesis, OpenOptions::default()).unwrap();
    for block in blocks {
        ledger.append(block).unwrap();
    }
    (dir, ledger)
}

#[test]
fn a_second_ledger_is_equal_and_stays_so_after_a_restart() {
    let (world, blocks) = story();
    let (dir, ledger) = follower(&world, &blocks);
    let (ours, theirs) = (ledger.view().unwrap(), world.view());
    assert_eq!(ours.head().unwrap(), theirs.head().unwrap());
    assert_eq!(ours.state_hash().unwrap(), theirs.state_hash().unwrap());
    assert_eq!(
        ours.recompute_state_hash().unwrap(),
        theirs.state_hash().unwrap()
    );
    for height in 1..=ours.head().unwrap().header.height {
        assert_eq!(ours.block(height).unwrap(), theirs.block(height).unwrap());
    }
    // its lists and proofs too
    let page = ledger::Page::default();
    assert_eq!(
        ours.grants_of(id("pat"), page).unwrap(),
        theirs.grants_of(id("pat"), page).unwrap()
    );
    drop((ours, ledger));
    let path = dir.path().join("ledger.redb");
    let again = Ledger::open(&path, &world.genesis, OpenOptions::default()).unwrap();
    assert_eq!(
        again.view().unwrap().head().unwrap(),
        theirs.head().unwrap()
    );
}

#[test]
fn receipts_are_the_first_nodes_own() {
    let (world, blocks) = story();
    let last = blocks.len() - 1;
    let (_dir, ledger) = follower(&world, &blocks[..last]);
    let receipts = ledger.append(&blocks[last]).unwrap();
    let leaf: Leaf = codec::decode(&blocks[last].leaves[0]).unwrap();
    let receipt = receipts[0].clone();
    assert_eq!(
        Some(receipt.clone()),
        world.view().receipt(receipt.id).unwrap()
    );
    receipt
        .verify(&ledger.validators(), &leaf.operation)
        .unwrap();
}

fn recertify(block: &mut Block) {
    block.head.certificate = block.head.header.certify(&secret("node"));
}

/// The last block with `leaf` in it, certified by a dishonest validator.
fn with_leaf(blocks: &[Block], leaf: Vec<u8>) -> Block {
    let last = blocks.len() - 1;
    let mut block = blocks[last].clone();
    block.leaves[0] = ByteBuf::from(leaf);
    let mut log = ledger::CompactRange::new();
    for leaf in blocks[..last]
        .iter()
        .chain([&block])
        .flat_map(|block| &block.leaves)
    {
        log.append(leaf);
    }
    block.head.header.tree_root = log.root();
    recertify(&mut block);
    block
}

#[test]
fn what_the_rules_do_not_give_is_refused_and_nothing_is_written() {
    let (world, blocks) = story();
    let last = blocks.len() - 1;
    let (_dir, ledger) = follower(&world, &blocks[..last]);
    let before = ledger.view().unwrap().head().unwrap();
    let height = before.header.height + 1;
    let append = |block: &Block| {
        let error = ledger.append(block).unwrap_err();
        assert_eq!(ledger.view().unwrap().head().unwrap(), before);
        error
    };
    let certified = |block: &Block| match append(block) {
        AppendError::Certified {
            height: found,
            fault,
        } if found == height => fault,
        other => panic!("{other:?}"),
    };

    // made up on the way: nobody certified it
    let mut block = blocks[last].clone();
    block.head.header.time = block.head.header.time.plus(1);
    assert!(matches!(append(&block), AppendError::Head(_)));
    let mut block = blocks[last].clone();
    block.leaves[0] = blocks[0].leaves[0].clone();
    assert_eq!(append(&block), AppendError::Root(height));
    let mut block = blocks[last].clone();
    block.leaves.clear();
    assert_eq!(append(&block), AppendError::Root(height));
    for at in [0, last - 1] {
        let found = blocks[at].head.header.height;
        let expected = height;
        assert_eq!(
            append(&blocks[at]),
            AppendError::NotNext { expected, found }
        );
    }

    // certified, and impossible
    let good: Leaf = codec::decode(&blocks[last].leaves[0]).unwrap();
    let mut leaf = good.clone();
    leaf.outcome = Outcome::Ok;
    assert!(matches!(
        certified(&with_leaf(&blocks, leaf.to_bytes())),
        BlockFault::Outcome { .. }
    ));
    let mut leaf = good.clone();
    leaf.operation.signature.0[1] ^= 1;
    assert!(matches!(
        certified(&with_leaf(&blocks, leaf.to_bytes())),
        BlockFault::Refused {
            refusal: Refusal::BadSignature,
            ..
        }
    ));
    let again = blocks[last - 1].leaves[0].to_vec();
    assert!(matches!(
        certified(&with_leaf(&blocks, again)),
        BlockFault::Refused { .. }
    ));
    assert!(matches!(
        certified(&with_leaf(&blocks, b"no leaf".to_vec())),
        BlockFault::Leaf { .. }
    ));
    let twist = |twist: fn(&mut ledger::Header)| {
        let mut block = blocks[last].clone();
        twist(&mut block.head.header);
        recertify(&mut block);
        block
    };
    assert_eq!(
        certified(&twist(|h| h.state_hash.0[0] ^= 1)),
        BlockFault::State
    );
    assert_eq!(
        certified(&twist(|h| h.time = Millis(0))),
        BlockFault::Sequence
    );
    assert_eq!(
        certified(&twist(|h| h.first_leaf -= 1)),
        BlockFault::Sequence
    );
    let elsewhere = blocks[0].head.header.cid();
    let mut block = blocks[last].clone();
    block.head.header.previous = Some(elsewhere);
    recertify(&mut block);
    assert_eq!(certified(&block), BlockFault::Fork(before.header.height));

    // and it goes on where it stood
    ledger.append(&blocks[last]).unwrap();
    assert_eq!(
        ledger.view().unwrap().head().unwrap(),
        world.view().head().unwrap()
    );
}
