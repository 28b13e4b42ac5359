//! A block follows the one before in height, name, place and time: each wrong alone, and
//! by the least there is, although the validators signed it.

use ledger::{AppendError, Block, BlockFault, Header, Ledger, OpenOptions, Replay, ReplayFault};

use crate::world::*;

/// A ledger's blocks but the last, the header before that, and the last.
fn story() -> (World, Vec<Block>, Header, Block) {
    let world = World::cast();
    let view = world.view();
    let last = view.head().unwrap().header.height;
    let block = |height| view.block(height).unwrap().unwrap();
    let mut blocks: Vec<Block> = (1..=last).map(block).collect();
    let end = blocks.pop().unwrap();
    let before = blocks.last().unwrap().head.header.clone();
    (world, blocks, before, end)
}

type Twist = fn(&mut Header, &Header);

fn twisted(block: &Block, before: &Header, twist: Twist) -> Block {
    let mut block = block.clone();
    twist(&mut block.head.header, before);
    block.head.certificate = block.head.header.certify(&secret("node"));
    block
}

#[test]
fn in_a_replay() {
    let (world, blocks, before, last) = story();
    let mut replay = Replay::new(&world.genesis);
    blocks.iter().for_each(|block| replay.push(block).unwrap());
    let twists: [Twist; 7] = [
        |header, _| header.height += 1,
        |header, _| header.height -= 1,
        |header, before| header.previous = before.previous,
        |header, _| header.first_leaf += 1,
        |header, _| header.first_leaf -= 1,
        |header, before| header.time = before.time,
        |header, before| header.time.0 = before.time.0 - 1,
    ];
    for (at, twist) in twists.into_iter().enumerate() {
        let block = twisted(&last, &before, twist);
        let found = replay.push(&block);
        let height = block.head.header.height;
        assert_eq!(found, Err(ReplayFault::NotNext(height)), "{at}");
    }
    replay.push(&last).unwrap();
}

#[test]
fn at_a_follower() {
    let (world, blocks, before, last) = story();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::create(&path, &world.genesis, OpenOptions::default()).unwrap();
    for block in &blocks {
        ledger.append(block).unwrap();
    }
    let expected = before.height + 1;
    let refused = |twist| ledger.append(&twisted(&last, &before, twist)).unwrap_err();
    for (twist, found) in [
        ((|header, _| header.height += 1) as Twist, expected + 1),
        (|header, _| header.height -= 1, expected - 1),
    ] {
        assert_eq!(refused(twist), AppendError::NotNext { expected, found });
    }
    let certified = |twist| match refused(twist) {
        AppendError::Certified { height, fault } if height == expected => fault,
        other => panic!("{other:?}"),
    };
    let fork = certified(|header, before| header.previous = before.previous);
    assert_eq!(fork, BlockFault::Fork(before.height));
    let twists: [Twist; 4] = [
        |header, _| header.first_leaf += 1,
        |header, _| header.first_leaf -= 1,
        |header, before| header.time = before.time,
        |header, before| header.time.0 = before.time.0 - 1,
    ];
    for twist in twists {
        assert_eq!(certified(twist), BlockFault::Sequence);
    }
    ledger.append(&last).unwrap();
}
