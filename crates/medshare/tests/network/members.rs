//! Who orders the ledger changes, by the program's own commands: a ledger of one grows, a key
//! is replaced, one leaves; and everybody follows.

use serde_json::Value;
use share::node::Node as _;
use std::{fs, net::TcpListener, slice, time::Duration};

use medshare::http::{Address, HttpNode};

use super::{
    fleet::{Fleet, until},
    load::Load,
    validators::prove,
};

/// Where each listens for the other, and its peer id.
fn places(fleet: &Fleet, homes: &[&str]) -> Vec<(String, String)> {
    let held: Vec<_> = homes
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let place = |(home, held): (&&str, &TcpListener)| {
        let listen = format!("/ip4/127.0.0.1/tcp/{}", held.local_addr().unwrap().port());
        let told = fleet.json("", &["node", "id", "--home", home]);
        (listen, told["peer"].as_str().unwrap().to_owned())
    };
    homes.iter().zip(&held).map(place).collect()
}

/// Names the other validators in a home's settings; it follows nobody any more.
fn name_the_others(fleet: &Fleet, home: &str, at: usize, places: &[(String, String)]) {
    let path = fleet.path(home).join("config.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let others = places.iter().enumerate().filter(|(other, _)| *other != at);
    let others: Vec<toml::Value> = others
        .map(|(_, (listen, peer))| format!("{listen}/p2p/{peer}").into())
        .collect();
    let mut consensus = toml::Table::new();
    consensus.insert("listen".into(), places[at].0.clone().into());
    consensus.insert("peers".into(), others.into());
    config.insert("consensus".into(), consensus.into());
    config.remove("peers");
    fs::write(path, toml::to_string(&config).unwrap()).unwrap();
}

fn client(fleet: &Fleet, home: &str) -> HttpNode {
    let socket = fleet.path(home).join("node/medshare.sock");
    HttpNode::new(Address::Unix(socket), Duration::from_secs(30), None).unwrap()
}

fn agree(fleet: &Fleet) {
    until("one head", || {
        let header = |home| client(fleet, home).head().unwrap().header;
        header("first") == header("second")
    });
}

fn validators(fleet: &Fleet, home: &str) -> usize {
    let ran = fleet.run(home, &["validator", "list", "--json"]).ok();
    ran.stdout.lines().count()
}

#[test]
fn a_ledger_of_one_grows_a_key_is_replaced_and_one_leaves() {
    let mut fleet = Fleet::start();
    fleet.join("second");
    let hospital = fleet.party("first", "mercy", "hospital");
    let admit = ["institution", "admit", &hospital, "--home", "first"];
    fleet.run("first", &admit).ok();
    // Only a node of an institution may apply.
    let apply = ["validator", "apply", "--home", "second"];
    fleet.run("second", &apply).fails(9, "Apply failed");
    fleet.joins("first", "second", "mercy");
    let height = client(&fleet, "first").head().unwrap().header.height;
    until("the other follows", || fleet.height("second") >= height);
    let chain = client(&fleet, "first").genesis().unwrap().chain();
    let mut load = Load::of(chain, 2, "first", || vec![client(&fleet, "first")]);
    let write = |fleet: &Fleet, home: &str| {
        let arguments = ["account", "rotate-key", "--kind", "hpke", "--home", "mercy"];
        fleet.run(home, &arguments)
    };
    load.run(|| {
        let applied = fleet.json("second", &apply);
        let proposal = applied["operation"].as_str().unwrap();
        assert_eq!(validators(&fleet, "first"), 1);
        let vote = ["validator", "vote", proposal, "--home", "first"];
        let voted = fleet.run("first", &vote).ok();
        assert!(voted.stdout.contains("enacted"), "{}", voted.stdout);
        // From here on one alone decides nothing.
        write(&fleet, "first").fails(12, "several validators");
        agree(&fleet);
        for home in ["first", "second"] {
            assert_eq!(fleet.stop(home), Some(0));
        }
        fleet
            .run("", &["node", "run", "--home", "first"])
            .fails(3, "set consensus.listen");
        let places = places(&fleet, &["first", "second"]);
        for (at, home) in ["first", "second"].into_iter().enumerate() {
            name_the_others(&fleet, home, at, &places);
        }
        for home in ["first", "second"] {
            fleet.run_node(home);
        }
        write(&fleet, "first").ok();
    });
    // The last of each client is ordered by the two.
    let sent = load.finish();
    assert!(sent.len() > 2, "nothing was acknowledged while it grew");
    agree(&fleet);
    assert_eq!(validators(&fleet, "second"), 2);

    // A new key: the node that has it started again, the other never stopped.
    fleet
        .run("second", &["validator", "rotate", "--home", "second"])
        .ok();
    assert_eq!(fleet.stop("second"), Some(0));
    fleet.run_node("second");
    write(&fleet, "first").ok();
    agree(&fleet);

    // One leaves and follows on; the other goes on by itself.
    fleet
        .run("first", &["validator", "leave", "--home", "second"])
        .ok();
    write(&fleet, "first").ok();
    agree(&fleet);
    assert_eq!(validators(&fleet, "first"), 1);
    let newest = client(&fleet, "first").head().unwrap().header;
    assert!(
        newest.next_validators.is_some(),
        "the sets have changed since genesis"
    );

    // It comes back, with the memory of its votes that it has.
    let applied = fleet.json("second", &apply);
    let proposal = applied["operation"].as_str().unwrap();
    let vote = ["validator", "vote", proposal, "--home", "first"];
    fleet.run("first", &vote).ok();
    write(&fleet, "second").ok();
    agree(&fleet);
    assert_eq!(validators(&fleet, "first"), 2);

    // An auditor with the genesis object alone, online and offline.
    fleet.run("second", &["ledger", "tail", "--from", "0"]).ok();
    let nodes = ["first", "second"].map(|home| client(&fleet, home));
    for (home, node) in ["first", "second"].into_iter().zip(&nodes) {
        let replayed = fleet.json(home, &["ledger", "replay"]);
        assert_eq!(replayed["equal"], true);
        prove(
            slice::from_ref(node),
            &super::validators::validators(node),
            &sent,
        );
    }
    let leaves = fleet.run("second", &["ledger", "tail", "--json"]).ok();
    let last: Value = serde_json::from_str(leaves.stdout.lines().last().unwrap()).unwrap();
    let id = last["operation"].as_str().unwrap();
    fleet
        .run("second", &["ledger", "prove", id, "--output", "last.proof"])
        .ok();
    fleet
        .run("first", &["ledger", "genesis", "--output", "genesis.cbor"])
        .ok();
    let verify = [
        "ledger",
        "verify",
        "last.proof",
        "--genesis",
        "genesis.cbor",
    ];
    fleet.run("", &verify).ok();
}
