//! The real binary beside real nodes of public chains: key, contract, a node that anchors,
//! proofs. Run by `cargo xtask interop chains`, which installs the nodes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "../../../anchor/tests/chains/anvil.rs"]
mod anvil;
mod bitcoin;
#[allow(dead_code)]
#[path = "../../../anchor/tests/chains/bitcoind.rs"]
mod bitcoind;
#[allow(dead_code)]
#[path = "../cli/pages/browser.rs"]
mod browser;
mod endpoint;
mod eos;
mod ethereum;
mod feeds;
#[path = "../../../anchor/tests/chains/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../cli/net.rs"]
mod net;
#[allow(dead_code)]
#[path = "../../../anchor/tests/chains/nodeos.rs"]
mod nodeos;

#[allow(dead_code)]
#[path = "../cli/talk.rs"]
mod talk;

use browser::Page;
use net::Net;
use serde_json::Value;
use std::{fs, time::Duration};

/// How the node's anchors stand, once `done` says so.
fn standing(net: &Net, mine: impl Fn(), done: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let standing = net.json(&["anchor", "status", "--home", "node"]);
        let chains = standing["chains"].as_array().unwrap();
        if let Some(chain) = chains.first().filter(|chain| done(chain)) {
            return (*chain).clone();
        }
        mine();
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{}", net.json(&["anchor", "status", "--home", "node"]));
}

/// An account is opened and admitted; the anchor of that is waited for.
fn anchored(net: &Net, mine: impl Fn()) -> Value {
    let account = net.party("hospital", "hospital");
    net.json(&["institution", "admit", &account, "--home", "node"]);
    standing(net, mine, |chain| {
        chain["anchors"].as_u64() >= Some(1) && chain["newest"]["tree_size"].as_u64() >= Some(2)
    })
}

/// What is anchored is proved; the auditor has the genesis object and public hashes only.
fn proved_and_verified(net: &mut Net, chain: &str, whose: &dyn Fn(&Value) -> Vec<String>) {
    let tail = net.run(&["ledger", "tail", "--from", "0", "--home", "node", "--json"]);
    let first = tail.stdout.lines().next().unwrap();
    let first: Value = serde_json::from_str(first).unwrap();
    let operation = first["operation"].as_str().unwrap();
    let genesis = [
        "ledger",
        "genesis",
        "--output",
        "genesis.cbor",
        "--home",
        "node",
    ];
    net.json(&genesis);
    let prove = [
        "ledger", "prove", operation, "--anchor", chain, "--home", "node",
    ];
    let other = ["--home", "node", "--anchor", "dogecoin", "-o", "x"];
    net.run(&[&prove[..3], &other].concat())
        .fails(2, "known: ethereum, bitcoin");
    let proved = net.json(&[&prove[..], &["--output", "plain"]].concat());
    let full = ["--output", "full", "--certificate"];
    net.json(&[&prove[..], &full].concat());
    let text = ["--output", "text", "--format", "json", "--certificate"];
    net.json(&[&prove[..], &text].concat());
    let whose = whose(&proved);
    let block = proved["block"].as_str().unwrap();
    let trust = |file: &str, more: &[&str]| -> Vec<String> {
        let words = [
            "ledger",
            "verify",
            file,
            "--home",
            "nobody",
            "--genesis",
            "genesis.cbor",
        ];
        let words = words.iter().chain(more).map(|word| (*word).to_owned());
        words.chain(whose.iter().cloned()).collect()
    };
    // The same on the auditor's page, which names the block that it rests on.
    let page = Page::audit(net);
    let csrf = page.get("/verify").csrf();
    let drop = |bytes: &[u8]| {
        let came = page.upload("/verify", &[("csrf", &csrf)], ("proof", "x.proof", bytes));
        came.text()
    };
    let hash = block.trim_start_matches("0x");
    let own = page.get(&format!("/operations/{operation}")).text();
    assert!(own.contains("Proven: this") && own.contains(hash), "{own}");
    for file in ["plain", "full", "text"] {
        let mut bytes = fs::read(net.path(file)).unwrap();
        let said = drop(&bytes);
        assert!(
            said.contains("Proven: this") && said.contains(hash),
            "{said}"
        );
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        assert!(drop(&bytes).contains("Not proven:"), "{file}");
    }
    page.end();
    net.stop_node();
    let run = |given: &[String]| {
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        net.run(&given)
    };
    for (file, certified) in [("plain", false), ("full", true), ("text", true)] {
        let mut given = trust(file, &["--block", block]);
        given.push("--json".into());
        let verified: Value = serde_json::from_str(&run(&given).ok().stdout).unwrap();
        assert_eq!(verified["verified"], true);
        assert_eq!(verified["operation"], operation);
        assert_eq!(verified["certified"], certified);
        assert_eq!(verified["anchor"]["block"], block);
        run(&trust(file, &[])).fails(10, "broken link: trust: it rests on block ");
        net.write("hashes", format!("0x{}\n\n{block}\n", "9".repeat(64)));
        run(&trust(file, &["--blocks", "hashes"])).ok();
        net.write("hashes", format!("0x{}\n", "9".repeat(64)));
        run(&trust(file, &["--blocks", "hashes"])).fails(10, "not among those to trust");
    }
    let mut forged = fs::read(net.path("plain")).unwrap();
    let at = forged.len() / 2;
    forged[at] ^= 1;
    net.write("plain", &forged);
    run(&trust("plain", &["--block", block])).fails(10, "the proof does not hold: broken link: ");

    // Started again, without the table: what was anchored can still be proved.
    let config = fs::read_to_string(net.path("node/config.toml")).unwrap();
    let (before, _) = config.split_once(&format!("[anchor.{chain}]")).unwrap();
    net.write("node/config.toml", before);
    net.run_node();
    net.json(&[&prove[..], &["--output", "again"]].concat());
}
