//! Ethereum.

use serde_json::json;
use std::fs;

use crate::{
    anchored,
    anvil::{Anvil, KEYS},
    net::Net,
    proved_and_verified,
};

const SECRET: &str = "s3cr3t-t0ken";

/// The node's configuration, quick enough for a test.
pub(crate) fn hurry(net: &Net) {
    let text = fs::read_to_string(net.path("node/config.toml")).unwrap();
    let text = text
        .replace("every-seconds = 3600", "every-seconds = 1")
        .replace("confirmations = 64", "confirmations = 3")
        .replace("poll-milliseconds = 12000", "poll-milliseconds = 100");
    assert!(text.contains("confirmations = 3"), "{text}");
    net.write("node/config.toml", text);
}

#[test]
fn a_node_anchors_in_ethereum_and_an_auditor_verifies_offline() {
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
    anchored(&net, || anvil.mine(1));
    proved_and_verified(&mut net, "ethereum", &|proved| {
        assert_eq!(proved["contract"], contract.as_str());
        let words = ["--network", "31337", "--contract", &contract];
        words.map(str::to_owned).to_vec()
    });
}
