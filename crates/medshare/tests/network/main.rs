//! Validators as real processes on this machine's loopback, under load: killed, cut off, lied
//! to, with wrong clocks and lost memories. One ledger at all of them, every acknowledged operation in
//! it once, and no query under a grant after its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod clocks;
mod comet;
mod competing;
mod courier;
mod figures;
#[path = "../nodes/fleet.rs"]
#[allow(dead_code)]
mod fleet;
mod followed;
mod growth;
mod halted;
mod history;
mod killed;
mod liar;
mod lied_to;
mod links;
mod load;
mod members;
mod memory;
mod parted;
mod plain;
mod proofs;
mod replaced;
mod restored;
mod too_few;
mod twin;
mod upgraded;
mod validators;
mod ward;

use load::Load;
use serde_json::Value;
use share::node::Node as _;
use std::{thread, time::Duration};
use validators::Validators;

/// How long the long forms are.
fn rounds() -> usize {
    std::env::var("CHAOS_ROUNDS").map_or(10, |text| text.parse().unwrap())
}

#[test]
fn a_network_is_made_whole_or_not_at_all() {
    let fleet = fleet::Fleet::empty();
    let init = [
        "network",
        "init",
        "--validators",
        "2",
        "--folder",
        "net",
        "--work-factor",
        "2",
    ];
    let made = fleet.json("", &init);
    assert_eq!(made["validators"].as_array().unwrap().len(), 2);
    assert_ne!(
        made["validators"][0]["account"],
        made["validators"][1]["account"]
    );
    for name in [
        "genesis.cbor",
        "validator-1/home.toml",
        "validator-2/keys.age",
        "validator-2.phrase",
    ] {
        assert!(fleet.path("net").join(name).exists(), "{name}");
    }
    fleet.run("", &init).fails(4, "exists and is not empty");
    let mut two = init.to_vec();
    two.extend(["--at", "/ip4/192.0.2.1/tcp/7600"]);
    fleet
        .run("", &two)
        .fails(2, "--at names 1 addresses for 2 validators");
    // A validator that is not told of the others does not order alone.
    let config = "net/validator-1/config.toml";
    let text = String::from_utf8(fleet.read(config)).unwrap();
    fleet.write(config, text.split_once("[consensus]").unwrap().0);
    let alone = ["node", "run", "--home", "net/validator-1"];
    fleet.run("", &alone).fails(3, "set consensus.listen");
}

/// A node that is no validator comes when the ledger has this many operations, while more are
/// written.
fn joins_late(most: usize) {
    let mut net = Validators::start(4);
    let mut load = Load::new(&net, 16);
    while load.acknowledged() < most {
        load.run(|| thread::sleep(Duration::from_secs(1)));
    }
    let follower = net.follow();
    load.run(|| thread::sleep(Duration::from_secs(1)));
    let operations = load.finish();
    net.agree(operations.len() as u64);
    let head = net.client(0).head().unwrap();
    net.wait("the follower", |_| {
        follower.head().unwrap().header == head.header
    });
    let validators = ledger::Validators::of(&net.genesis());
    for (operation, _) in &operations {
        let receipt = follower.receipt(operation.to_bytes().1).unwrap().unwrap();
        receipt.verify(&validators, operation).unwrap();
    }
    net.replay();
}

#[test]
fn a_node_that_is_no_validator_follows_and_proves() {
    joins_late(50);
}

#[test]
#[ignore = "the long form: cargo xtask chaos"]
fn long_a_node_joins_after_ten_thousand_operations() {
    joins_late(10_000);
}

#[test]
fn an_idle_network_adds_no_blocks() {
    let net = Validators::start(4);
    let mut load = Load::new(&net, 1);
    load.run(|| thread::sleep(Duration::from_secs(1)));
    let operations = load.finish();
    net.agree(operations.len() as u64);
    let heights = |net: &Validators| (0..4).map(|at| net.height(at)).collect::<Vec<_>>();
    let before = heights(&net);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(heights(&net), before);
    let status: Value = net.status(0);
    let validators = status["validator"]["validators"].as_array().unwrap();
    assert_eq!(validators.len(), 4, "{status}");
    let seen = validators
        .iter()
        .filter(|other| other["seen_ms"].as_u64().is_some_and(|age| age < 5_000));
    assert_eq!(seen.count(), 4, "{status}");
    let leaves = operations.len() as u64;
    let mut built = 0;
    for (at, height) in before.iter().enumerate() {
        assert_eq!(net.metric(at, "medshare_ledger_leaves"), leaves);
        assert_eq!(net.metric(at, "medshare_validator_votes"), 1);
        // None was ever stopped: each committed all there is.
        let count = |what: &str| net.metric(at, &format!("medshare_validator_{what}_total"));
        assert_eq!(count("operations"), leaves);
        assert_eq!(count("verified"), leaves, "each once");
        let (blocks, empty) = (count("blocks"), count("empty_blocks"));
        assert_eq!(blocks, *height);
        assert!(blocks > empty, "{empty} of {blocks} blocks are empty");
        assert!(blocks - empty <= leaves, "{blocks} blocks, {empty} empty");
        built += count("own_blocks");
        let (code, findings) = net.doctor(at);
        assert_eq!(code, 0, "{findings:#?}");
        let faults = finding(&findings, "faults");
        assert_eq!(faults["state"], "ok", "{faults}");
        let says = faults["says"].as_str().unwrap();
        assert!(says.contains("of 4 validators any 1 may be gone"), "{says}");
    }
    assert_eq!(built, before[0], "each block is somebody's");
}

fn finding<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no {check}: {findings:#?}"))
}

#[test]
fn two_are_told_that_they_bear_no_fault() {
    let net = Validators::start(2);
    let (code, findings) = net.doctor(0);
    assert_eq!(code, 4, "{findings:#?}");
    let faults = finding(&findings, "faults");
    assert_eq!(faults["state"], "problem", "{faults}");
    let says = faults["says"].as_str().unwrap();
    assert!(says.contains("no fault is tolerated"), "{says}");
}
