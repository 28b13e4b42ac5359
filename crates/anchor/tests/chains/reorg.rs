//! The chain changes its mind.

use anchor::{Chain, Next, State};
use serde_json::json;

use crate::{
    anvil::Anvil,
    world::{Anchoring, CONFIRMATIONS, T0, World, key},
};

#[test]
fn an_anchor_that_a_reorganisation_takes_away_is_sent_again() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    anvil.mine(10);
    world.grow(100);
    anchoring.step(&mut service, T0).unwrap();
    assert_eq!(anvil.anchors(&anchoring.settings.contract), [(1, 100)]);
    anvil.reorganise(1);
    assert_eq!(anvil.anchors(&anchoring.settings.contract), []);
    anchoring.settle(&mut service, &anvil, T0);
    assert_eq!(anvil.anchors(&anchoring.settings.contract), [(1, 100)]);
    assert_eq!(
        anvil.count(&key(0).address()),
        2,
        "the contract and one anchor"
    );
    world
        .prove(&journal, 5, false)
        .examine(world.chain())
        .unwrap();
}

#[test]
fn even_one_that_was_deep_enough_and_several_in_their_order() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    anvil.mine(20);
    let before = anvil.height();
    for _ in 0..3 {
        world.grow(100);
        assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Begun);
        anchoring.settle(&mut service, &anvil, T0);
    }
    let old = world
        .prove(&journal, 5, false)
        .examine(world.chain())
        .unwrap()
        .stood;
    anvil.reorganise(anvil.height() - before);
    assert_eq!(anvil.anchors(&anchoring.settings.contract), []);
    assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Reopened);
    assert!(
        journal.covering(Chain::Ethereum, 5).unwrap().is_none(),
        "nobody is shown it meanwhile"
    );
    for _ in 0..2 * CONFIRMATIONS {
        anvil.mine(1);
        anchoring.step(&mut service, T0).unwrap();
    }
    assert_eq!(
        anvil.anchors(&anchoring.settings.contract),
        [(1, 100), (2, 200), (3, 300)]
    );
    assert_eq!(service.report(T0).unwrap().anchors, 3);
    let new = world
        .prove(&journal, 5, false)
        .examine(world.chain())
        .unwrap()
        .stood;
    assert_ne!(old.place.block, new.place.block);
    assert_eq!(anvil.count(&key(0).address()), 4, "nothing was paid twice");
}

/// As anvil's other way back: the chain is shorter afterwards.
#[test]
fn a_chain_that_is_put_back_to_a_snapshot() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    let snapshot = anvil.call("evm_snapshot", json!([]));
    world.grow(100);
    anchoring.step(&mut service, T0).unwrap();
    anchoring.settle(&mut service, &anvil, T0);
    assert_eq!(anvil.call("evm_revert", json!([snapshot])), json!(true));
    assert_eq!(anvil.anchors(&anchoring.settings.contract), []);
    assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Reopened);
    anchoring.settle(&mut service, &anvil, T0);
    assert_eq!(anvil.anchors(&anchoring.settings.contract), [(1, 100)]);
}

/// Somebody uses the key by hand while an anchor waits: that anchor is void, the next is not.
#[test]
fn a_slot_that_went_to_something_else() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    anvil.mine_at_once(false);
    world.grow(100);
    anchoring.step(&mut service, T0).unwrap();
    let (_, entry) = journal.newest(Chain::Ethereum).unwrap().unwrap();
    anvil.call("anvil_dropAllTransactions", json!([]));
    let from = format!("0x{}", hex::encode(key(0).address()));
    let nonce = format!("{:#x}", entry.attempts[0].slot);
    anvil.call(
        "eth_sendTransaction",
        json!([{"from": from, "to": from, "nonce": nonce}]),
    );
    anvil.mine(1);
    let mut void = false;
    for _ in 0..12 {
        void |= anchoring.step(&mut service, T0).unwrap() == Next::Void;
        anvil.mine(1);
    }
    assert!(void);
    let (_, entry) = journal.newest(Chain::Ethereum).unwrap().unwrap();
    assert!(matches!(entry.state, State::Final { .. }));
    assert_eq!(anvil.anchors(&anchoring.settings.contract), [(1, 100)]);
}
