//! The real binary beside a real node of Ethereum: key, contract, a node that anchors, proofs.
//! Run by `cargo xtask interop chains`, which installs the node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "../../../anchor/tests/chains/anvil.rs"]
mod anvil;
#[allow(dead_code)]
#[path = "../cli/net.rs"]
mod net;

use anvil::{Anvil, KEYS};
use net::Net;
use serde_json::{Value, json};
use std::{fs, time::Duration};

const SECRET: &str = "s3cr3t-t0ken";

/// The node's configuration, quick enough for a test.
fn hurry(net: &Net) {
    let text = fs::read_to_string(net.path("node/config.toml")).unwrap();
    let text = text
        .replace("every-seconds = 3600", "every-seconds = 1")
        .replace("confirmations = 64", "confirmations = 3")
        .replace("poll-milliseconds = 12000", "poll-milliseconds = 100");
    assert!(text.contains("confirmations = 3"), "{text}");
    net.write("node/config.toml", text);
}

/// How the node's anchors stand, once `done` says so.
fn standing(net: &Net, anvil: &Anvil, done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let standing = net.json(&["anchor", "status", "--home", "node"]);
        let chains = standing["chains"].as_array().unwrap();
        if let Some(chain) = chains.first().filter(|chain| done(chain)) {
            return (*chain).clone();
        }
        anvil.mine(1);
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{}", net.json(&["anchor", "status", "--home", "node"]));
}

#[test]
fn a_node_anchors_and_an_auditor_verifies_offline() {
    let anvil = Anvil::start();
    let mut net = Net::start();
    let nowhere = net.json(&["anchor", "status", "--home", "node"]);
    assert_eq!(nowhere, json!({"chains": []}));
    net.stop_node();

    // A fresh key has no coins; one that has them can be brought, once.
    net.write("bad.hex", "12");
    net.run(&["anchor", "key", "--import", "bad.hex", "--home", "node"])
        .fails(10, "64 hexadecimal digits");
    net.write("key.hex", format!("0x{}\n", hex::encode(KEYS[0])));
    let key = net.json(&["anchor", "key", "--import", "key.hex", "--home", "node"]);
    assert_eq!(key["address"], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    assert_eq!(net.json(&["anchor", "key", "--home", "node"]), key);
    net.write("other.hex", hex::encode(KEYS[1]));
    net.run(&["anchor", "key", "--import", "other.hex", "--home", "node"])
        .fails(4, "has a key already");

    let endpoint = format!("{}/?k={SECRET}", anvil.url());
    let deploy = [
        "anchor",
        "deploy",
        "--endpoint",
        &endpoint,
        "--home",
        "node",
    ];
    net.run(&[&deploy[..], &["--network", "1"]].concat())
        .fails(3, "of chain 31337, not of 1");
    net.run(
        &[
            &deploy[..4],
            &["--home", "node", "--endpoint", "http://192.0.2.1:8545"],
        ]
        .concat()
        .as_slice(),
    )
    .fails(2, "");
    let deployed = net.json(
        &[
            &deploy[..],
            &["--owner", "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"],
        ]
        .concat(),
    );
    let contract = deployed["contract"].as_str().unwrap().to_owned();
    net.run(&deploy).fails(3, "has [anchor.ethereum] already");
    let shown = net.run(&["config", "show", "--home", "node"]);
    assert!(
        shown.stdout.contains("127.0.0.1") && !shown.stdout.contains(SECRET),
        "{}",
        shown.stdout
    );

    hurry(&net);
    net.run_node();
    let account = net.party("hospital", "hospital");
    net.json(&["institution", "admit", &account, "--home", "node"]);
    standing(&net, &anvil, |chain| {
        chain["anchors"].as_u64() >= Some(1) && chain["newest"]["tree_size"].as_u64() >= Some(2)
    });

    // What is anchored is proved; the auditor has the genesis object and public hashes only.
    let tail = net.run(&["ledger", "tail", "--from", "0", "--home", "node", "--json"]);
    let operation = tail
        .stdout
        .lines()
        .next()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .unwrap();
    let operation = operation["operation"].as_str().unwrap();
    net.json(&[
        "ledger",
        "genesis",
        "--output",
        "genesis.cbor",
        "--home",
        "node",
    ]);
    let prove = [
        "ledger", "prove", operation, "--anchor", "ethereum", "--home", "node",
    ];
    net.run(
        &[
            &prove[..3],
            &["--home", "node", "--anchor", "dogecoin", "-o", "x"],
        ]
        .concat(),
    )
    .fails(2, "known: ethereum");
    let proved = net.json(&[&prove[..], &["--output", "plain"]].concat());
    net.json(&[&prove[..], &["--output", "full", "--certificate"]].concat());
    net.json(
        &[
            &prove[..],
            &["--output", "text", "--format", "json", "--certificate"],
        ]
        .concat(),
    );
    assert_eq!(proved["contract"], contract.as_str());
    let block = proved["block"].as_str().unwrap();
    let trust = [
        "--genesis",
        "genesis.cbor",
        "--network",
        "31337",
        "--contract",
        &contract,
    ];
    net.stop_node();
    for (file, certified) in [("plain", false), ("full", true), ("text", true)] {
        let verify = [&["ledger", "verify", file, "--home", "nobody"], &trust[..]].concat();
        let verified = net.json(&[&verify[..], &["--block", block]].concat());
        assert_eq!(verified["verified"], true);
        assert_eq!(verified["operation"], operation);
        assert_eq!(verified["certified"], certified);
        assert_eq!(verified["anchor"]["block"], block);
        net.run(&verify)
            .fails(10, "broken link: trust: it rests on block 0x");
        net.write("hashes", format!("0x{}\n\n{block}\n", "9".repeat(64)));
        net.json(&[&verify[..], &["--blocks", "hashes"]].concat());
        net.write("hashes", format!("0x{}\n", "9".repeat(64)));
        net.run(&[&verify[..], &["--blocks", "hashes"]].concat())
            .fails(10, "not among those to trust");
    }
    let mut forged = fs::read(net.path("plain")).unwrap();
    let at = forged.len() / 2;
    forged[at] ^= 1;
    net.write("plain", &forged);
    let verify = [
        &["ledger", "verify", "plain", "--home", "nobody"],
        &trust[..],
        &["--block", block],
    ]
    .concat();
    net.run(&verify)
        .fails(10, "the proof does not hold: broken link: ");

    // Started again, without the table: what was anchored can still be proved.
    let config = fs::read_to_string(net.path("node/config.toml")).unwrap();
    let (before, _) = config.split_once("[anchor.ethereum]").unwrap();
    net.write("node/config.toml", before);
    net.run_node();
    net.json(&[&prove[..], &["--output", "again"]].concat());
}
