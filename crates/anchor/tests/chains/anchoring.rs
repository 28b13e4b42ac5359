//! The whole way: a thousand operations anchored in batches, proved, verified by us and by the
//! independent script.

use anchor::{AnchoredProof, By, Evidence, Next, bitcoin::Network};
use base::Millis;
use ledger::Validators;
use serde_json::json;
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    in_each_chain,
    rig::{Known, Rig, step},
    rigs::{ACTORS, InBitcoin, InEos, InEthereum, bitcoin_key, eos_name as name, ethereum_key},
    world::{SCHEDULE, T0, World},
};

in_each_chain!(
    a_thousand_operations_are_anchored_in_batches_and_each_is_proved,
    a_single_operation_is_anchored_when_its_time_has_come,
    of_two_nodes_one_anchors_and_both_can_prove,
);
crate::where_transactions_compete!(two_nodes_that_begin_at_once_both_can_prove);

fn a_thousand_operations_are_anchored_in_batches_and_each_is_proved<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    assert_eq!(
        step(&world, &mut service, T0).unwrap(),
        Next::Idle,
        "nothing is there"
    );
    for batch in 1..=10 {
        world.grow(99);
        assert_eq!(
            step(&world, &mut service, T0).unwrap(),
            Next::Idle,
            "99 are not 100"
        );
        world.grow(1);
        assert_eq!(step(&world, &mut service, T0).unwrap(), Next::Begun);
        rig.settle(&world, &mut service, T0);
        assert_eq!(service.report(T0).unwrap().anchors, batch);
    }
    let sizes: Vec<u64> = (1..=10).map(|batch| 100 * batch).collect();
    assert_eq!(rig.anchored(), sizes);
    assert_eq!(rig.paid(0), 10);
    let report = service.report(T0).unwrap();
    assert_eq!((report.anchors, report.open), (10, 0));
    assert!(report.cost > 0 && report.left < SCHEDULE.budget);
    assert_eq!(report.newest.unwrap().0.size, 1_000);

    let validators = Validators::of(&world.genesis);
    let (mut longest, mut fastest) = (0, Duration::MAX);
    for index in (0..1_000).step_by(37).chain([99, 100, 998, 999]) {
        let proof = world.prove(R::CHAIN, &journal, index, index % 2 == 0);
        let known = rig.known(&world, &proof);
        let trust = known.trust(&world, &validators);
        let bytes = proof.to_bytes();
        longest = longest.max(bytes.len());
        let read = AnchoredProof::read(&bytes).unwrap();
        let begin = Instant::now();
        let anchored = read.verify(&trust).unwrap();
        fastest = fastest.min(begin.elapsed());
        assert_eq!(
            (anchored.index, anchored.header.tree_size),
            (index, (index / 100 + 1) * 100)
        );
        assert_eq!(anchored.certified, index % 2 == 0);
        if let By::Ethereum(contract) = anchored.stood.by {
            assert_eq!(contract.sequence, index / 100 + 1);
        }
        let again = AnchoredProof::read(proof.to_json().as_bytes()).unwrap();
        assert_eq!(again, proof, "JSON says the same");
    }
    println!("longest proof of 1,000 operations: {longest} bytes; verified in {fastest:?}");
    // The goal, in a build that is not the fastest; the best of many, since others use the machine.
    assert!(fastest < Duration::from_millis(5), "{fastest:?}");
}

/// Time alone is a reason, once there is anything new.
fn a_single_operation_is_anchored_when_its_time_has_come<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(&world, &journal, 0);
    let mut step = |now| step(&world, &mut service, now).unwrap();
    assert_eq!(step(T0.plus(9 * Millis::HOUR)), Next::Idle);
    world.grow(1);
    assert_eq!(step(T0.plus(Millis::HOUR - 1)), Next::Idle);
    assert_eq!(step(T0.plus(Millis::HOUR)), Next::Begun);
    rig.settle(&world, &mut service, T0.plus(Millis::HOUR));
    world.grow(1);
    let mut step = |now| crate::rig::step(&world, &mut service, now).unwrap();
    assert_eq!(step(T0.plus(2 * Millis::HOUR - 1)), Next::Idle);

    // A clock that was set back, by years, does not end anchoring; nor one that leaps ahead.
    assert_eq!(step(Millis(1)), Next::Begun);
    rig.settle(&world, &mut service, Millis(1));
    world.grow(1);
    let mut step = |now| crate::rig::step(&world, &mut service, now).unwrap();
    assert_eq!(step(Millis(u64::MAX)), Next::Begun);
    rig.settle(&world, &mut service, Millis(u64::MAX));
    assert_eq!(rig.anchored().len(), 3);
}

/// Two nodes of one consortium, each with a key of its own: one anchor each time.
fn of_two_nodes_one_anchors_and_both_can_prove<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    let (first, second) = (world.journal("first.redb"), world.journal("second.redb"));
    let mut one = rig.service(&world, &first, 0);
    let mut two = rig.service(&world, &second, 1);
    world.grow(100);
    assert_eq!(step(&world, &mut one, T0).unwrap(), Next::Begun);
    rig.include();
    assert_eq!(
        step(&world, &mut two, T0).unwrap(),
        Next::Waiting,
        "it sees the other's"
    );
    rig.settle(&world, &mut one, T0);
    assert_eq!(step(&world, &mut two, T0).unwrap(), Next::Adopted);
    assert_eq!(step(&world, &mut two, T0).unwrap(), Next::Idle);
    assert_eq!(two.report(T0).unwrap().cost, 0);
    assert_eq!(rig.paid(1), 0);
    assert_eq!(rig.anchored(), [100]);
    for journal in [&first, &second] {
        let proof = world.prove(R::CHAIN, journal, 50, false);
        proof.examine(world.chain()).unwrap();
    }
}

/// Neither sees the other's before both are in one block: the chain has both, unless there is a
/// contract that refuses one.
fn two_nodes_that_begin_at_once_both_can_prove<R: Rig>() {
    let world = World::new();
    let rig = R::start(&world);
    let (first, second) = (world.journal("first.redb"), world.journal("second.redb"));
    let mut one = rig.service(&world, &first, 0);
    let mut two = rig.service(&world, &second, 1);
    rig.hold();
    world.grow(100);
    assert_eq!(step(&world, &mut one, T0).unwrap(), Next::Begun);
    assert_eq!(step(&world, &mut two, T0).unwrap(), Next::Begun);
    for _ in 0..6 {
        rig.mine(1);
        step(&world, &mut one, T0).unwrap();
        step(&world, &mut two, T0).unwrap();
    }
    let anchored = if R::ONCE { 1 } else { 2 };
    assert_eq!(rig.anchored(), [100, 100][..anchored]);
    let reports = [&one, &two].map(|service| service.report(T0).unwrap());
    for report in &reports {
        assert_eq!((report.anchors, report.open), (1, 0), "{reports:?}");
        assert!(report.cost > 0, "{reports:?}");
    }
    for journal in [&first, &second] {
        let proof = world.prove(R::CHAIN, journal, 50, false);
        let stood = proof.examine(world.chain()).unwrap().stood;
        assert!(!matches!(stood.by, By::Ethereum(contract) if contract.sequence != 1));
    }
    assert!(first.covering(R::CHAIN, 100).unwrap().is_none());
}

#[test]
fn the_script_that_shares_no_code_verifies_what_stands_in_ethereum() {
    let world = World::new();
    let rig = InEthereum::start(&world);
    rig.hold();
    let from = format!("0x{}", hex::encode(ethereum_key(2).address()));
    for nonce in 0..200 {
        let tip = if nonce < 150 { "0x77359400" } else { "0x1" };
        rig.anvil().call(
            "eth_sendTransaction",
            json!([{"from": from, "to": from, "nonce": format!("{nonce:#x}"), "value": "0x1",
                "maxPriorityFeePerGas": tip, "maxFeePerGas": "0x174876e800"}]),
        );
    }
    the_script_verifies_in_company(&world, &rig);
}

#[test]
fn the_script_that_shares_no_code_verifies_what_stands_in_bitcoin() {
    let world = World::new();
    let rig = InBitcoin::start(&world);
    // Coins for many; then each moves its own, of which one was an anchor's.
    let address = bitcoin_key(2).payer().address(Network::Regtest);
    for _ in 0..12 {
        rig.node.pay(&address);
    }
    rig.mine(110);
    for coin in crate::spending::coins(&rig.node, &address) {
        let moved = crate::spending::moved(&coin, &crate::anvil::KEYS[2]);
        rig.node.call("sendrawtransaction", json!([moved, 0]));
    }
    the_script_verifies_in_company(&world, &rig);
}

#[test]
fn the_script_that_shares_no_code_verifies_what_stands_in_eos() {
    let world = World::new();
    let rig = InEos::start(&world);
    // Nothing is in a block until all are sent.
    rig.hold();
    for number in 0..40_u8 {
        rig.node
            .junk(ACTORS[2], &[number; 40], &crate::anvil::KEYS[2]);
    }
    the_script_verifies_in_company(&world, &rig);
}

/// An anchor that does not stand alone in its block.
fn the_script_verifies_in_company<R: Rig>(world: &World, rig: &R) {
    let journal = world.journal("anchors.redb");
    let mut service = rig.service(world, &journal, 0);
    world.grow(100);
    step(world, &mut service, T0).unwrap();
    rig.settle(world, &mut service, T0);
    let genesis = world.write_genesis();
    for (certified, json) in [(false, false), (true, false), (false, true), (true, true)] {
        let proof = world.prove(R::CHAIN, &journal, 64, certified);
        let known = rig.known(world, &proof);
        let stood = proof.examine(world.chain()).unwrap().stood;
        assert!(stood.transaction > 0 && length(&proof) > 1);
        let file = world.folder.join("proof");
        let bytes = if json {
            proof.to_json().into_bytes()
        } else {
            proof.to_bytes()
        };
        fs::write(&file, &bytes).unwrap();
        let said = script(&file, &genesis, &known);
        assert!(said.0, "{}", said.1);
        assert!(said.1.contains(&format!("\"index\": {}", 64)), "{}", said.1);
        assert!(
            said.1.contains(&format!("\"certified\": {certified}")),
            "{}",
            said.1
        );
        for other in others(&known) {
            let said = script(&file, &genesis, &other);
            assert!(
                !said.0 && said.1.contains("broken link: trust"),
                "{}",
                said.1
            );
        }
    }
    // Goal: 4 KiB at 10^6 operations without a certificate. A path of 20 hashes of 34 bytes
    // instead of one of 7; in Bitcoin's fullest blocks 12 more instead of these.
    let proof = world.prove(R::CHAIN, &journal, 64, false);
    let longer = match &proof.anchor {
        Evidence::Ethereum(_) => 0,
        Evidence::Bitcoin(evidence) => 12 - evidence.path.len(),
        Evidence::Eos(evidence) => 12 - evidence.path.len(),
    };
    let length = proof.to_bytes().len() + (20 - proof.inclusion.path.len() + longer) * 34;
    println!(
        "proof at 10^6 operations in {}: {length} bytes, {} of them the operation",
        R::CHAIN,
        proof.leaf.len()
    );
    assert!(length <= 4_096, "{length}");
}

/// Nodes or hashes of the chain's own path.
fn length(proof: &AnchoredProof) -> usize {
    match &proof.anchor {
        Evidence::Ethereum(evidence) => evidence.receipt.len(),
        Evidence::Bitcoin(evidence) => evidence.path.len(),
        Evidence::Eos(evidence) => evidence.path.len(),
    }
}

/// What somebody else trusts: other blocks, or other hands.
fn others(known: &Known) -> Vec<Known> {
    let same = |known: &Known| Known {
        ethereum: known.ethereum.clone(),
        bitcoin: known.bitcoin.clone(),
        eos: known.eos.clone(),
    };
    let (mut blocks, mut hands) = (same(known), same(known));
    if let (Some(blocks), Some(hands)) = (&mut blocks.ethereum, &mut hands.ethereum) {
        blocks.blocks.truncate(1);
        hands.contract = [0x99; 20];
    }
    if let (Some(blocks), Some(hands)) = (&mut blocks.bitcoin, &mut hands.bitcoin) {
        blocks.blocks.truncate(1);
        hands.payers = vec![bitcoin_key(2).payer()];
    }
    if let (Some(blocks), Some(hands)) = (&mut blocks.eos, &mut hands.eos) {
        blocks.blocks.truncate(1);
        hands.actors = vec![name(ACTORS[2])];
    }
    vec![blocks, hands]
}

/// Whether the independent script accepts a file, and what it says.
pub(crate) fn script(file: &Path, genesis: &Path, known: &Known) -> (bool, String) {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../evidence/anchor-proof/verify.py");
    let (blocks, whose) = known.words();
    let mut command = Command::new("python3");
    command.arg(script).arg(file).arg("--genesis").arg(genesis);
    let done = command.args(blocks).args(whose).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}
