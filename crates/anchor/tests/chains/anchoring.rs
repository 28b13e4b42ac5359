//! The whole way: deployed, a thousand operations anchored in batches, proved, verified by us
//! and by the independent script.

use anchor::{AnchoredProof, Chain, Next};
use base::Millis;
use ledger::Validators;
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    anvil::{Anvil, NETWORK},
    world::{Anchoring, T0, World, key, trust},
};

#[test]
fn a_thousand_operations_are_anchored_in_batches_and_each_is_proved() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    assert_eq!(
        anchoring.step(&mut service, T0).unwrap(),
        Next::Idle,
        "nothing is there"
    );
    for batch in 1..=10 {
        world.grow(99);
        assert_eq!(
            anchoring.step(&mut service, T0).unwrap(),
            Next::Idle,
            "99 are not 100"
        );
        world.grow(1);
        assert_eq!(anchoring.step(&mut service, T0).unwrap(), Next::Begun);
        anchoring.settle(&mut service, &anvil, T0);
        assert_eq!(service.report(T0).unwrap().anchors, batch);
    }
    let sizes: Vec<(u64, u64)> = (1..=10).map(|batch| (batch, 100 * batch)).collect();
    assert_eq!(anvil.anchors(&anchoring.settings.contract), sizes);
    let report = service.report(T0).unwrap();
    assert_eq!((report.anchors, report.open), (10, 0));
    assert!(report.cost > 0 && report.left < crate::world::SCHEDULE.budget);
    assert_eq!(report.newest.unwrap().0.size, 1_000);

    let validators = Validators::of(&world.genesis);
    let (mut longest, mut fastest) = (0, Duration::MAX);
    for index in (0..1_000).step_by(37).chain([99, 100, 998, 999]) {
        let proof = world.prove(&journal, index, index % 2 == 0);
        let ethereum = anchoring.trust(&proof);
        let trust = trust(&world, &validators, &ethereum);
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
        assert_eq!(anchored.stood.sequence, index / 100 + 1);
        let again = AnchoredProof::read(proof.to_json().as_bytes()).unwrap();
        assert_eq!(again, proof, "JSON says the same");
    }
    println!("longest proof of 1,000 operations: {longest} bytes; verified in {fastest:?}");
    // The goal, in a build that is not the fastest; the best of many, since others use the machine.
    assert!(fastest < Duration::from_millis(5), "{fastest:?}");
}

/// Time alone is a reason, once there is anything new.
#[test]
fn a_single_operation_is_anchored_when_its_time_has_come() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    let step = |service: &mut _, now| anchoring.step(service, now).unwrap();
    assert_eq!(step(&mut service, T0.plus(9 * Millis::HOUR)), Next::Idle);
    world.grow(1);
    assert_eq!(step(&mut service, T0.plus(Millis::HOUR - 1)), Next::Idle);
    assert_eq!(step(&mut service, T0.plus(Millis::HOUR)), Next::Begun);
    anchoring.settle(&mut service, &anvil, T0.plus(Millis::HOUR));
    world.grow(1);
    assert_eq!(
        step(&mut service, T0.plus(2 * Millis::HOUR - 1)),
        Next::Idle
    );

    // A clock that was set back, by years, does not end anchoring; nor one that leaps ahead.
    assert_eq!(step(&mut service, Millis(1)), Next::Begun);
    anchoring.settle(&mut service, &anvil, Millis(1));
    world.grow(1);
    assert_eq!(step(&mut service, Millis(u64::MAX)), Next::Begun);
    anchoring.settle(&mut service, &anvil, Millis(u64::MAX));
    assert_eq!(anvil.anchors(&anchoring.settings.contract).len(), 3);
}

/// Two nodes of one consortium, each with a key of its own: one anchor each time.
#[test]
fn two_nodes_pay_for_one_anchor_and_both_can_prove() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let (first, second) = (world.journal("first.redb"), world.journal("second.redb"));
    let (mut one, mut two) = (anchoring.service(&first, 0), anchoring.service(&second, 1));
    world.grow(100);
    assert_eq!(anchoring.step(&mut one, T0).unwrap(), Next::Begun);
    assert_eq!(
        anchoring.step(&mut two, T0).unwrap(),
        Next::Waiting,
        "it sees the other's"
    );
    anchoring.settle(&mut one, &anvil, T0);
    assert_eq!(anchoring.step(&mut two, T0).unwrap(), Next::Adopted);
    assert_eq!(anchoring.step(&mut two, T0).unwrap(), Next::Idle);
    assert_eq!(two.report(T0).unwrap().cost, 0);
    assert_eq!(anvil.count(&key(1).address()), 0);

    // Both at once: neither sees the other's before both are in one block.
    anvil.mine_at_once(false);
    world.grow(100);
    assert_eq!(anchoring.step(&mut one, T0).unwrap(), Next::Begun);
    assert_eq!(anchoring.step(&mut two, T0).unwrap(), Next::Begun);
    for _ in 0..6 {
        anvil.mine(1);
        anchoring.step(&mut one, T0).unwrap();
        anchoring.step(&mut two, T0).unwrap();
    }
    assert_eq!(
        anvil.anchors(&anchoring.settings.contract),
        [(1, 100), (2, 200)]
    );
    let refused = [&one, &two].map(|service| service.report(T0).unwrap());
    assert_eq!(refused[0].anchors, 2, "{refused:?}");
    assert_eq!(refused[1].anchors, 2, "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|report| report.open == 0 && report.cost > 0)
    );
    for journal in [&first, &second] {
        let proof = world.prove(journal, 150, false);
        assert_eq!(proof.examine(world.chain()).unwrap().stood.sequence, 2);
    }
    assert!(first.covering(Chain::Ethereum, 200).unwrap().is_none());
}

#[test]
fn the_script_that_shares_no_code_verifies_the_same_files() {
    let (world, anvil) = (World::new(), Anvil::start());
    let anchoring = Anchoring::deploy(&world, &anvil);
    let journal = world.journal("anchors.redb");
    let mut service = anchoring.service(&journal, 0);
    // Company in the block: the receipt does not stand alone in its trie.
    anvil.mine_at_once(false);
    for nonce in 0..200 {
        let from = format!("0x{}", hex::encode(key(2).address()));
        anvil.call(
            "eth_sendTransaction",
            serde_json::json!([{"from": from, "to": from, "nonce": format!("{nonce:#x}"), "value": "0x1",
                "maxPriorityFeePerGas": if nonce < 150 { "0x77359400" } else { "0x1" }, "maxFeePerGas": "0x174876e800"}]),
        );
    }
    world.grow(100);
    anchoring.step(&mut service, T0).unwrap();
    anchoring.settle(&mut service, &anvil, T0);
    let genesis = world.write_genesis();
    for (certified, json) in [(false, false), (true, false), (false, true), (true, true)] {
        let proof = world.prove(&journal, 64, certified);
        let stood = proof.examine(world.chain()).unwrap().stood;
        assert!(stood.place.transaction > 0 && proof_nodes(&proof) > 1);
        let file = world.folder.join("proof");
        let bytes = if json {
            proof.to_json().into_bytes()
        } else {
            proof.to_bytes()
        };
        fs::write(&file, &bytes).unwrap();
        let block = hex::encode(stood.place.block.0);
        let contract = hex::encode(anchoring.settings.contract);
        let said = script(&file, &genesis, &contract, &block, NETWORK);
        assert!(said.0, "{}", said.1);
        assert!(said.1.contains(&format!("\"index\": {}", 64)), "{}", said.1);
        assert!(
            said.1.contains(&format!("\"certified\": {certified}")),
            "{}",
            said.1
        );
        let other = script(&file, &genesis, &contract, &"9".repeat(64), NETWORK);
        assert!(
            !other.0 && other.1.contains("broken link: trust"),
            "{}",
            other.1
        );
        let other = script(&file, &genesis, &"9".repeat(40), &block, NETWORK);
        assert!(
            !other.0 && other.1.contains("broken link: trust"),
            "{}",
            other.1
        );
    }
    // Goal: 4 KiB at 10^6 operations without a certificate. A path of 20 hashes of 34 bytes
    // instead of one of 7; this block's other receipts are as many as a public block's.
    let proof = world.prove(&journal, 64, false);
    let length = proof.to_bytes().len() + (20 - proof.inclusion.path.len()) * 34;
    println!(
        "proof at 10^6 operations, in a block of 201 transactions: {length} bytes, {} of them the operation",
        proof.leaf.len()
    );
    assert!(length <= 4_096, "{length}");
}

fn proof_nodes(proof: &AnchoredProof) -> usize {
    let anchor::Evidence::Ethereum(evidence) = &proof.anchor;
    evidence.receipt.len()
}

/// Whether the independent script accepts a file, and what it says.
pub(crate) fn script(
    file: &Path,
    genesis: &Path,
    contract: &str,
    block: &str,
    network: u64,
) -> (bool, String) {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../evidence/anchor-proof/verify.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(file).arg("--genesis").arg(genesis);
    command.args([
        "--contract",
        contract,
        "--block",
        block,
        "--network",
        &network.to_string(),
    ]);
    let done = command.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}
