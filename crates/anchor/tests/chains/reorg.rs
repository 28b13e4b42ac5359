//! The chain changes its mind.

use anchor::{Next, State};
use serde_json::json;

use crate::{
    in_each_chain,
    rig::{Competing, Rig, step},
    rigs::{InBitcoin, InEthereum},
    spending,
    world::{CONFIRMATIONS, T0, World},
};

in_each_chain!(
    an_anchor_that_a_reorganisation_takes_away_is_sent_again,
    even_one_that_was_deep_enough_and_several_in_their_order,
);
crate::where_transactions_compete!(what_went_to_something_else_makes_one_void_and_not_the_next);

fn an_anchor_that_a_reorganisation_takes_away_is_sent_again<R: Rig>() {
    let world = World::new();
    let mut rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    rig.mine(10);
    world.grow(100);
    step(&world, &mut service, T0).unwrap();
    rig.include();
    assert_eq!(rig.anchored(), [100]);
    rig.reorganise(1);
    assert_eq!(rig.anchored(), [] as [u64; 0]);
    rig.settle(&world, &mut service, T0);
    assert_eq!(rig.anchored(), [100]);
    assert_eq!(rig.paid(0), 1);
    world
        .prove(R::CHAIN, &journal, 5, false)
        .examine(world.chain())
        .unwrap();
}

fn even_one_that_was_deep_enough_and_several_in_their_order<R: Rig>() {
    let world = World::new();
    let mut rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    rig.mine(20);
    let before = rig.height();
    for _ in 0..3 {
        world.grow(100);
        assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
        rig.settle(&world, &mut service, T0);
    }
    let stood = || {
        let proof = world.prove(R::CHAIN, &journal, 5, false);
        proof.examine(world.chain()).unwrap().stood
    };
    let old = stood();
    rig.reorganise(rig.height() - before);
    assert_eq!(rig.anchored(), [] as [u64; 0]);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Reopened);
    assert!(
        journal.covering(R::CHAIN, 5).unwrap().is_none(),
        "nobody is shown it meanwhile"
    );
    for _ in 0..R::ROUNDS {
        rig.mine(1);
        step(&world, &mut service, T0).unwrap();
    }
    assert_eq!(rig.anchored(), [100, 200, 300]);
    assert_eq!(service.report(T0).unwrap().anchors, 3);
    assert_ne!(old.block, stood().block);
    assert_eq!(rig.paid(0), 3, "nothing was paid twice");
}

/// Somebody uses the key by hand while an anchor waits: that anchor is void, the next is not.
fn what_went_to_something_else_makes_one_void_and_not_the_next<R: Competing>() {
    let world = World::new();
    let rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    rig.hold();
    world.grow(100);
    step(&world, &mut service, T0).unwrap();
    let (_, entry) = journal
        .newest::<anchor::Checkpoint>(R::CHAIN)
        .unwrap()
        .unwrap();
    rig.steal(&entry.attempts[0]);
    rig.mine(1);
    let mut void = false;
    for _ in 0..12 {
        void |= step(&world, &mut service, T0).unwrap() == Next::Void;
        rig.mine(1);
    }
    assert!(void);
    let (_, entry) = journal
        .newest::<anchor::Checkpoint>(R::CHAIN)
        .unwrap()
        .unwrap();
    assert!(matches!(entry.state, State::Final { .. }));
    assert_eq!(rig.anchored(), [100]);
}

/// As anvil's other way back: the chain is shorter afterwards.
#[test]
fn a_chain_of_ethereum_that_is_put_back_to_a_snapshot() {
    let world = World::new();
    let rig = InEthereum::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    let snapshot = rig.anvil().call("evm_snapshot", json!([]));
    world.grow(100);
    step(&world, &mut service, T0).unwrap();
    rig.settle(&world, &mut service, T0);
    let back = rig.anvil().call("evm_revert", json!([snapshot]));
    assert_eq!(back, json!(true));
    assert_eq!(rig.anchored(), [] as [u64; 0]);
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Reopened);
    rig.settle(&world, &mut service, T0);
    assert_eq!(rig.anchored(), [100]);
}

/// A node of bitcoin that forgets what waits, after a reorganisation took away anchors of
/// which each pays with what the one before gave back.
#[test]
fn anchors_in_bitcoin_that_no_node_knows_any_more_are_sent_again_in_their_order() {
    let world = World::new();
    let mut rig = InBitcoin::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    let before = rig.height();
    for _ in 0..3 {
        world.grow(100);
        assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
        rig.settle(&world, &mut service, T0);
    }
    let entries = journal
        .back_while::<anchor::Checkpoint>(InBitcoin::CHAIN, |_| true)
        .unwrap();
    let chained = entries.windows(2).all(|two| {
        let [(_, later), (_, earlier)] = two else {
            return false;
        };
        let spent = spending::spent(&later.attempts[0]);
        let earlier = spending::parsed(&earlier.attempts[0]).compute_txid();
        spent.len() == 1 && spent[0].txid == earlier && spent[0].vout == 1
    });
    assert!(chained, "each spends what the one before gave back");
    rig.reorganise(rig.height() - before);
    rig.node.end();
    let pool = rig.node.folder().join("regtest/mempool.dat");
    let _ = std::fs::remove_file(pool);
    rig.node.start_again(&["-persistmempool=0"]);
    let pool = rig.node.call("getrawmempool", json!([]));
    assert_eq!(pool, json!([]));
    assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Reopened);
    let pool = rig.node.call("getrawmempool", json!([]));
    assert_eq!(pool.as_array().unwrap().len(), 3, "{pool}");
    for _ in 0..2 * CONFIRMATIONS {
        rig.mine(1);
        step(&world, &mut service, T0).unwrap();
    }
    assert_eq!(rig.anchored(), [100, 200, 300]);
    assert_eq!((rig.paid(0), service.report(T0).unwrap().anchors), (3, 3));
}
