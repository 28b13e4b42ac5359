//! Blocks in pieces, in any order, and peers that send what is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use base::{AccountId, ChainId, Digest, key::OperationSecret};

fn start(length: u64) -> Signed<Start> {
    let start = Start {
        chain: ChainId([1; 32]),
        account: AccountId([2; 32]),
        block: Digest([3; 32]),
        height: 1,
        round: 0,
        valid_round: None,
        length,
    };
    Signed::new(start, &OperationSecret::new([4; 32]))
}

fn peer(number: u8) -> PeerId {
    // An identity multihash of a key of 36 bytes.
    let mut bytes = vec![0, 36, 8, 1, 18, 32];
    bytes.extend([number; 32]);
    PeerId::from_bytes(&bytes).unwrap()
}

fn block() -> Vec<u8> {
    (0..2 * PIECE + 7).map(|at| at as u8).collect()
}

#[test]
fn pieces_in_any_order_give_the_block() {
    let block = block();
    let mut parts = Numbers::new(7).cut(start(block.len() as u64), &block);
    assert_eq!(parts.len(), 5);
    parts.reverse();
    let mut streams = Streams::default();
    let last = parts.pop().unwrap();
    assert!(
        parts
            .into_iter()
            .all(|part| streams.take(peer(1), part).is_none())
    );
    let (_, joined) = streams.take(peer(1), last).unwrap();
    assert_eq!(joined, block);
}

#[test]
fn streams_of_two_peers_are_two() {
    let block = block();
    let parts = Numbers::new(7).cut(start(block.len() as u64), &block);
    let mut streams = Streams::default();
    for (at, part) in parts.into_iter().enumerate() {
        assert!(streams.take(peer(at as u8 % 2), part).is_none());
    }
}

#[test]
fn what_cannot_become_a_block_is_dropped() {
    let mut numbers = Numbers::new(7);
    let mut streams = Streams::default();
    // Longer than a block may be.
    let long = numbers.cut(start(MAX_BLOCK as u64 + 1), &[]);
    assert!(
        long.into_iter()
            .all(|part| streams.take(peer(1), part).is_none())
    );
    // Another length than was said.
    let other = numbers.cut(start(9), &[1; 8]);
    assert!(
        other
            .into_iter()
            .all(|part| streams.take(peer(1), part).is_none())
    );
    // One piece twice.
    let twice = numbers.cut(start(8), &[1; 8]);
    let piece = twice[1].clone();
    assert!(streams.take(peer(1), piece.clone()).is_none());
    assert!(streams.take(peer(1), piece).is_none());
    assert!(streams.take(peer(1), twice[0].clone()).is_none());
    assert!(streams.take(peer(1), twice[2].clone()).is_none());
}

#[test]
fn a_peer_holds_no_more_than_its_share() {
    let mut numbers = Numbers::new(7);
    let mut streams = Streams::default();
    for _ in 0..1_000 {
        let parts = numbers.cut(start(8), &[1; 8]);
        assert!(streams.take(peer(1), parts[0].clone()).is_none());
    }
    assert_eq!(streams.open[&peer(1)].len(), MAX_STREAMS);
    for number in 0..=255 {
        let parts = numbers.cut(start(8), &[1; 8]);
        assert!(streams.take(peer(number), parts[0].clone()).is_none());
    }
    assert!(streams.open.len() <= MAX_PUBLISHERS);
}
