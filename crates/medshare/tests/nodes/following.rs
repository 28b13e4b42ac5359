//! A second node joins, follows, and passes on; what it does when the first is away, was
//! put back from an old copy, or contradicts itself.

use std::fs;

use crate::fleet::{Fleet, until};

#[test]
fn a_second_hospitals_parties_live_at_their_own_node() {
    let mut fleet = Fleet::start();
    let hospital = fleet.party("first", "hospital", "hospital");
    fleet.join("second");
    let clinic = fleet.party("second", "clinic", "hospital");
    let patient = fleet.party("second", "anna", "patient");
    let agent = fleet.party("first", "agent", "agent");
    for institution in [&hospital, &clinic] {
        fleet.json(
            "first",
            &["institution", "admit", institution, "--home", "first"],
        );
    }
    until("the admission at the second node", || {
        let listed = fleet.run("second", &["institution", "list", "--json"]).ok();
        listed.stdout.contains(&clinic)
    });
    fleet.joins("second", "agent", "clinic");
    fleet.joins("second", "second", "clinic");
    // a record at the second node, asked for at the first
    let card = fleet.json(
        "second",
        &["wallet", "card", "--for", &clinic, "--home", "anna"],
    );
    fleet.write("card.txt", card["card"].as_str().unwrap());
    fleet.json(
        "second",
        &[
            "account", "attest", "--card", "card.txt", "--home", "clinic",
        ],
    );
    fleet.write("note.txt", "seen at the second node");
    let record = &fleet.publish("second", "note.txt", &patient, "clinic");
    fleet
        .run("second", &["wallet", "run", "--once", "--home", "anna"])
        .ok();
    fleet.json(
        "second",
        &[
            "record", "open", record, "--output", "own.txt", "--home", "anna",
        ],
    );
    assert_eq!(fleet.read("own.txt"), b"seen at the second node");
    // letters and one-time keys cross: the agent is at the first node, the patient here
    fleet
        .run("first", &["agent", "once", "--home", "agent"])
        .ok();
    let asked = [
        "request",
        "create",
        "--patient",
        &patient,
        "--class",
        "document",
        "--purpose",
        "research",
        "--home",
        "hospital",
    ];
    let request = fleet.json("first", &asked);
    let request = request["request"].as_str().unwrap();
    let listed = fleet
        .run("second", &["request", "list", "--home", "anna", "--json"])
        .ok();
    assert!(listed.stdout.contains(request), "{listed:?}");
    fleet.json(
        "second",
        &[
            "grant", "approve", request, "--agent", &agent, "--home", "anna",
        ],
    );
    // both ledgers replay to the same state, and are one
    let first = fleet.json("first", &["ledger", "replay"]);
    let second = fleet.json("second", &["ledger", "replay"]);
    assert_eq!(first, second);
    assert_eq!(fleet.height("first"), fleet.height("second"));
    let status = fleet.status("second");
    assert!(status["follows"]["halted"].is_null(), "{status}");
    assert!(
        status["follows"]["current_ms"].as_u64().unwrap() < 5_000,
        "{status}"
    );
    assert_eq!(status["peers"][0]["connected"], true, "{status}");
    for node in ["second", "first"] {
        assert_eq!(fleet.stop(node), Some(0));
    }
}

#[test]
fn who_is_not_allowed_learns_nothing() {
    let fleet = Fleet::start();
    let address = fleet.peer_address("first");
    let join = |more: &[&str]| {
        let mut arguments = vec![
            "init",
            "--role",
            "node",
            "--home",
            "second",
            "--work-factor",
            "2",
            "--join",
            &address,
            "--wait",
            "3",
        ];
        arguments.extend(more);
        fleet.run("", &arguments)
    };
    join(&[]).fails(14, "nothing was made");
    assert!(!fleet.path("second").exists());
    // an address that is none, and one of somebody else
    let bad = |address: &str| {
        fleet.run(
            "",
            &[
                "init", "--role", "node", "--home", "x", "--join", address, "--wait", "1",
            ],
        )
    };
    bad("/ip4/127.0.0.1/tcp/1").fails(3, "peer id");
    bad("nonsense").fails(3, "multiaddress");
    let id = address.rsplit_once("/p2p/").unwrap().1;
    bad(&format!("/ip4/127.0.0.1/tcp/9/p2p/{id}")).fails(14, "did not answer");
    assert!(!fleet.path("x").exists());
}

#[test]
fn the_genesis_comes_over_the_link_once_the_peer_is_allowed() {
    let fleet = Fleet::start();
    let address = fleet.peer_address("first");
    let mut joining = fleet.spawn(&[
        "init",
        "--role",
        "node",
        "--home",
        "second",
        "--work-factor",
        "2",
        "--join",
        &address,
        "--json",
    ]);
    let said: serde_json::Value = serde_json::from_str(&joining.line()).unwrap();
    let peer = said["peer"].as_str().unwrap().to_owned();
    fleet.allow("first", &peer);
    let made = joining.line();
    assert_eq!(
        joining.child.wait().unwrap().code(),
        Some(0),
        "{}",
        joining.talk()
    );
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["chain"], fleet.told("first")["chain"]);
    assert_eq!(made["peer"], peer);
    assert_eq!(
        fleet.json("", &["node", "id", "--home", "second"])["peer"],
        peer
    );
    // another ledger than the one that was told is refused
    let other = "00".repeat(32);
    fleet
        .run("first", &["ledger", "genesis", "--output", "genesis.cbor"])
        .ok();
    fleet
        .run(
            "",
            &[
                "init",
                "--role",
                "node",
                "--home",
                "third",
                "--join",
                &address,
                "--genesis",
                "genesis.cbor",
                "--chain",
                &other,
            ],
        )
        .fails(10, "nothing was made");
}

#[test]
fn it_goes_on_where_it_stood_and_says_what_is_missing() {
    let mut fleet = Fleet::start();
    fleet.join("second");
    fleet.party("second", "anna", "patient");
    fleet.kill("second");
    fleet.party("first", "berta", "patient");
    fleet.run_node("second");
    let height = fleet.height("first");
    until("the blocks that it missed", || {
        fleet.height("second") == height
    });
    // the first dies: reads go on, writes say why not
    fleet.kill("first");
    let late = fleet.run(
        "second",
        &["account", "rotate-key", "--kind", "hpke", "--home", "anna"],
    );
    assert_ne!(late.code, 0);
    let account = fleet.account_of("berta");
    fleet.run("second", &["account", "show", &account]).ok();
    until("the trouble in its status", || {
        fleet.status("second")["follows"]["trouble"].is_string()
    });
    assert_eq!(fleet.stop("second"), Some(0));
}

/// Takes the ledger of `first` away or puts it back; the node must not run.
fn copy(fleet: &Fleet, from: &str, to: &str) {
    fs::copy(fleet.path(from), fleet.path(to)).unwrap();
}

#[test]
fn a_first_node_put_back_from_an_old_copy_stops_before_it_forks() {
    let mut fleet = Fleet::start();
    fleet.join("second");
    let port = fleet.peer_address_again();
    assert_eq!(fleet.stop("first"), Some(0));
    copy(&fleet, "first/node/ledger.redb", "old.redb");
    fleet.run_node_at("first", &port);
    fleet.party("second", "anna", "patient");
    assert_eq!(fleet.stop("first"), Some(0));
    copy(&fleet, "old.redb", "first/node/ledger.redb");
    fs::remove_file(fleet.path("first/ledger.toml")).unwrap();
    fleet.run_node_at("first", &port);
    assert_eq!(fleet.ended("first"), Some(13));
}

#[test]
fn two_histories_are_proven_kept_and_end_it() {
    let mut fleet = Fleet::start();
    fleet.join("second");
    let port = fleet.peer_address_again();
    assert_eq!(fleet.stop("first"), Some(0));
    copy(&fleet, "first/node/ledger.redb", "old.redb");
    fleet.run_node_at("first", &port);
    fleet.party("second", "anna", "patient");
    assert_eq!(fleet.stop("second"), Some(0));
    assert_eq!(fleet.stop("first"), Some(0));
    copy(&fleet, "old.redb", "first/node/ledger.redb");
    fs::remove_file(fleet.path("first/ledger.toml")).unwrap();
    fleet.run_node_at("first", &port);
    // nobody is there to stop it: it writes another history
    fleet.party("first", "berta", "patient");
    fleet.party("first", "carla", "patient");
    fleet.run_node("second");
    until("the proof", || {
        fleet.path("second/node/conflict.cbor").exists()
    });
    assert!(fleet.status("second")["follows"]["halted"].is_string());
    let proof = fleet.read("second/node/conflict.cbor");
    let conflict = consensus::follow::Conflict::parse(&proof).unwrap();
    assert!(conflict.ours.header.height >= 1);
    // it stays halted, says so, and takes nothing in
    assert_eq!(fleet.stop("second"), Some(0));
    fleet.run_node("second");
    until("the line about it", || {
        fleet.talk("second").contains("HALTED")
    });
    let refused = fleet.run(
        "second",
        &["account", "rotate-key", "--kind", "hpke", "--home", "anna"],
    );
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("halted"), "{refused:?}");
}
