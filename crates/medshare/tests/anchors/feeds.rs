//! Single operation records and grants: what a node tells contracts beside its anchors.

use anchor::ethereum::allows;
use serde_json::{Value, json};
use std::time::Duration;

use crate::{
    anvil::{Anvil, KEYS},
    ethereum::hurry,
    net::{Cast, Net},
};

/// Asks, a block between two times, until `done` says so.
fn until(anvil: &Anvil, net: &Net, words: &[&str], done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let said = net.json(words);
        if done(&said) {
            return said;
        }
        anvil.mine(1);
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{}", net.json(words));
}

fn deployed(net: &Net, anvil: &Anvil, more: &[&str]) -> String {
    let url = anvil.url();
    let words = ["anchor", "deploy", "--endpoint", &url, "--home", "node"];
    let deployed = net.json(&[&words[..], more].concat());
    deployed["contract"].as_str().unwrap().to_owned()
}

#[test]
fn ethereum_mirrors_a_nodes_grants_and_takes_each_operation_by_itself() {
    let anvil = Anvil::start();
    let mut cast = Cast::gather();
    cast.net.stop_node();
    let net = &cast.net;
    net.write("key.hex", hex::encode(KEYS[0]));
    net.json(&["anchor", "key", "--import", "key.hex", "--home", "node"]);
    // Records first: the table has no contract for anchors then.
    let records = deployed(net, &anvil, &["--contract", "records"]);
    let permissions = deployed(net, &anvil, &["--contract", "permissions"]);
    let url = anvil.url();
    let again = [
        "anchor",
        "deploy",
        "--endpoint",
        &url,
        "--home",
        "node",
        "--contract",
    ];
    for (kind, table) in [
        ("records", "has [anchor.ethereum.records] already"),
        ("permissions", "has [anchor.ethereum.permissions] already"),
        ("anchors", "has [anchor.ethereum] already"),
    ] {
        net.run(&[&again[..], &[kind]].concat()).fails(3, table);
    }
    net.run(&[&again[..], &["records", "--network", "1"]].concat())
        .fails(3, "already");
    hurry(net);
    cast.net.run_node();
    let net = &cast.net;

    let source = net.write("note.txt", "a note\n".repeat(100));
    cast.record(&source);
    let grant = cast.grant(&["document"], &[]);
    let permission = ["anchor", "permission", &grant, "--home", "node"];
    let is = |allowed: bool| move |said: &Value| said["allowed"] == allowed;
    let said = until(&anvil, net, &permission, is(true));
    let institute = format!("0x{}", cast.institute);
    assert_eq!(said["requester"], institute.as_str());
    // As any contract asks it.
    let asked = || {
        let word = |name: &str| -> [u8; 32] { digits(said[name].as_str().unwrap()) };
        let (endpoint, patience) = (anvil.url().parse().unwrap(), Duration::from_secs(20));
        let contract = digits(&permissions);
        allows(
            &endpoint,
            contract,
            word("grant"),
            word("requester"),
            patience,
        )
        .unwrap()
    };
    assert!(asked());
    let other = [&permission[..], &["--requester", &cast.hospital]].concat();
    assert_eq!(net.json(&other)["allowed"], false);
    net.run(&["grant", "revoke", &grant, "--home", "anna"]).ok();
    until(&anvil, net, &permission, is(false));
    assert!(!asked());
    assert_eq!(net.json(&other)["allowed"], false);

    // Each leaf has a transaction, and anybody can be shown one.
    let tail = net.rows(&["ledger", "tail", "--from", "0"]);
    let status = until(
        &anvil,
        net,
        &["anchor", "status", "--home", "node"],
        |said| {
            let records = &said["chains"][0];
            records["anchors"] == tail.len() && said["chains"][1]["anchors"] == 2
        },
    );
    let chains = status["chains"].as_array().unwrap();
    let feeds: Vec<&str> = chains
        .iter()
        .map(|chain| chain["feed"].as_str().unwrap())
        .collect();
    assert_eq!(feeds, ["records", "permissions"]);
    for (chain, contract) in chains.iter().zip([&records, &permissions]) {
        assert_eq!(chain["contract"], contract.as_str());
        assert!(chain["cost"].as_u64() > Some(0) && chain["left"].as_u64() > Some(0));
        assert_eq!(chain["open"], 0);
    }
    let operation = tail[3]["operation"].as_str().unwrap();
    let prove = [
        "ledger", "prove", operation, "--anchor", "ethereum", "--home", "node", "--output",
    ];
    net.run(&[&prove[..], &["root"]].concat())
        .fails(14, "in no final anchor");
    let proved = net.json(&[&prove[..], &["single", "--record"]].concat());
    net.json(&[&prove[..], &["text", "--record", "--format", "json"]].concat());
    assert_eq!(
        (&proved["index"], &proved["sequence"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(proved["contract"], records.as_str());
    net.json(&[
        "ledger",
        "genesis",
        "--output",
        "genesis.cbor",
        "--home",
        "node",
    ]);
    let block = proved["block"].as_str().unwrap();
    cast.net.stop_node();
    let net = &cast.net;
    let verify = |file: &'static str, contract: &str, block: &str| {
        net.run(&[
            "ledger",
            "verify",
            file,
            "--home",
            "nobody",
            "--genesis",
            "genesis.cbor",
            "--network",
            "31337",
            "--contract",
            contract,
            "--block",
            block,
            "--json",
        ])
    };
    for file in ["single", "text"] {
        let said: Value = serde_json::from_str(&verify(file, &records, block).ok().stdout).unwrap();
        assert_eq!(
            (&said["verified"], &said["index"]),
            (&json!(true), &json!(3))
        );
        assert_eq!(said["operation"], operation);
        verify(file, &permissions, block).fails(10, "broken link: trust");
        verify(file, &records, &"9".repeat(64)).fails(10, "broken link: trust");
    }
    let mut forged = std::fs::read(net.path("single")).unwrap();
    let at = forged.len() / 2;
    forged[at] ^= 1;
    net.write("single", forged);
    verify("single", &records, block).fails(10, "broken link: ");
}

fn digits<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    hex::decode(&text[2..]).unwrap().try_into().unwrap()
}
