//! Validators change, and everybody follows who signs: parties, auditors, proofs.

use super::net::Cast;
use ipld_core::ipld::Ipld;
use serde_json::Value;
use std::fs;

fn rotate(cast: &mut Cast) {
    let net = &mut cast.net;
    net.run(&["validator", "rotate", "--home", "node"]).ok();
    // The running node does not have the key that signs from now on: it says so, and orders
    // nothing, until it is started again.
    net.run(&[
        "account",
        "rotate-key",
        "--kind",
        "hpke",
        "--home",
        "second",
    ])
    .fails(12, "key");
    net.stop_node();
    net.run_node();
}

#[test]
fn a_validator_that_replaced_its_key_is_followed() {
    let mut cast = Cast::gather();
    let note = cast.net.write("note.txt", "a note of one patient");
    let record = cast.record(&note);
    cast.grant(&["document"], &[]);
    let prove = |cast: &Cast, operation: &str, file: &str| {
        let net = &cast.net;
        net.run(&["ledger", "prove", operation, "--output", file])
            .ok();
    };
    let tail = cast.net.rows(&["ledger", "tail", "--from", "0"]);
    let early = tail[3]["operation"].as_str().unwrap().to_owned();
    prove(&cast, &early, "early.proof");
    let seats = cast.net.rows(&["validator", "list"]);
    assert_eq!(seats.len(), 1);
    assert_eq!(seats[0]["share"], 100.0);

    rotate(&mut cast);
    rotate(&mut cast);

    // Who has worked before and who is new, reading and writing.
    let opened = cast.open(&record, "out.txt").ok();
    let told: Value = serde_json::from_str(opened.stdout.trim()).unwrap();
    let query = told["queries"][0].as_str().unwrap().to_owned();
    assert_eq!(
        fs::read(cast.net.path("out.txt")).unwrap(),
        b"a note of one patient"
    );
    cast.net.party("late", "requester");
    cast.net
        .run(&["doctor", "--online", "--home", "institute"])
        .ok();
    cast.net.run(&["ledger", "tail", "--from", "0"]).ok();
    cast.net.run(&["ledger", "replay"]).ok();

    // Proofs from before and after, offline; with a change left out or turned round none.
    let net = &cast.net;
    prove(&cast, &query, "query.proof");
    net.run(&["ledger", "genesis", "--output", "genesis.cbor"])
        .ok();
    let verify = |file: &str| net.run(&["ledger", "verify", file, "--genesis", "genesis.cbor"]);
    verify("early.proof").ok();
    verify("query.proof").ok();
    let whole = fs::read(net.path("query.proof")).unwrap();
    let altered = |change: fn(&mut Vec<Ipld>)| {
        let mut proof: Ipld = serde_ipld_dagcbor::from_slice(&whole).unwrap();
        let Ipld::Map(fields) = &mut proof else {
            panic!()
        };
        let Some(Ipld::List(transitions)) = fields.get_mut("transitions") else {
            panic!()
        };
        assert_eq!(transitions.len(), 2);
        change(transitions);
        net.write("altered.proof", serde_ipld_dagcbor::to_vec(&proof).unwrap());
        verify("altered.proof").fails(10, "the proof does not hold");
    };
    altered(|transitions| drop(transitions.pop()));
    altered(|transitions| drop(transitions.remove(0)));
    altered(|transitions| transitions.swap(0, 1));
    altered(|transitions| {
        // Somebody else's set after the first block.
        let Ipld::Map(second) = transitions[1].clone() else {
            panic!()
        };
        let Ipld::Map(first) = &mut transitions[0] else {
            panic!()
        };
        first.insert("next".into(), second["next"].clone());
    });
}

#[test]
fn a_network_of_one_is_told_that_it_tolerates_nothing() {
    let cast = Cast::gather();
    let found = cast.net.run(&["network", "doctor", "--json"]);
    assert_eq!(found.code, 4);
    assert!(
        found.stdout.contains("no fault is tolerated"),
        "{}",
        found.stdout
    );
    // The last one stays, and is one already.
    let leave = cast.net.run(&["validator", "leave", "--home", "node"]);
    leave.fails(9, "the last validator stays");
    cast.net
        .run(&["validator", "apply", "--home", "node"])
        .fails(9, "the account is a validator");
}
